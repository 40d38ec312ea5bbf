"""Measure the gallery in a browser: first paint with 100,000 pictures, frames while scrolling, layout shift.

    python -m benchmarks.gallery

The service runs on the first core, the browser wherever it likes; it has no graphics card here, so that what it paints
costs processor time. Every line has its target; one that is missed makes the exit status 1.
"""

import argparse
import asyncio
import io
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from PIL import Image, ImageDraw

from benchmarks.serving import served
from service.storage.sqlite.store import SqliteStore
from service.storage.sqlite.words import owner_word, search_text
from tests.browser import Tab, browser

SHAPES: Final = ((1024, 1024), (1344, 768), (768, 1344), (1152, 896))
DRAWINGS: Final = 64
PROMPTS: Final = (
    "a lighthouse at dusk",
    "a fox asleep in the snow",
    "水墨山水，一叶扁舟",
    "an isometric bakery by night",
)
TILES: Final = 2000
KEEP: Final = {"EASEL_CACHE_MAX_ENTRIES": "0", "EASEL_CACHE_MAX_MB": "0", "EASEL_CALLS_PER_MINUTE": "0"}

OBSERVE: Final = """
    window.shift = 0;
    new PerformanceObserver((list) => { for (const each of list.getEntries()) window.shift += each.value; })
        .observe({ type: "layout-shift", buffered: true });
"""
SHOWN: Final = """(() => {
    const seen = [...document.querySelectorAll(".tile img")].filter((each) => {
        const { top } = each.getBoundingClientRect();
        return top < innerHeight;
    });
    return seen.length > 4 && seen.every((each) => each.complete && each.naturalWidth) ? performance.now() : 0;
})()"""
SCROLL: Final = """new Promise((done) => {
    const frames = [];
    let last = performance.now();
    const end = last + 4000;
    scrollTo(0, 0);
    const step = (now) => {
        frames.push(now - last);
        last = now;
        scrollBy(0, 24);
        if (now < end) requestAnimationFrame(step);
        else done(frames.slice(2));
    };
    requestAnimationFrame(step);
})"""


EMPTY: Final = "data:text/html,<title>empty</title><body style='height:90000px'>"
"""A page that costs nothing: the frames that the machine has at this moment."""


@dataclass(frozen=True)
class Line:
    """One measured number, and the most or least that it may be."""

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def is_met(self) -> bool:
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    def __str__(self) -> str:
        target = f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}" if self.least is not None else ""
        return f"{self.name:<58}{self.value:>9.4g} {self.unit:<4}{target:>8}{'' if self.is_met else '  MISSED'}"


def drawing(number: int) -> tuple[bytes, tuple[int, int]]:
    """A picture that compresses about as a drawn one does."""
    chance, size = random.Random(number), SHAPES[number % len(SHAPES)]  # noqa: S311 - the same pictures each time
    image = Image.effect_noise(size, 24).convert("RGB")
    brush = ImageDraw.Draw(image)
    for _ in range(30):
        x, y, r = chance.randrange(size[0]), chance.randrange(size[1]), chance.randrange(20, 260)
        brush.ellipse((x - r, y - r, x + r, y + r), fill=tuple(chance.randrange(256) for _ in range(3)))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue(), size


async def seed(data: Path, count: int) -> None:
    """A history of so many pictures: rows by SQL, files as links to a few drawings."""
    await asyncio.to_thread(data.mkdir)
    store = await SqliteStore.open(data / "easel.db", "seeding", lambda _: True)
    await store.close()
    await asyncio.to_thread(fill, data, count)


def fill(data: Path, count: int) -> None:
    """Write rows and files."""
    made = [drawing(number) for number in range(DRAWINGS)]
    originals = []
    for number, (content, _) in enumerate(made):
        originals.append(data.parent / f"drawing-{number}")
        originals[-1].write_bytes(content)
    began = time.time() - count
    names = [f"{number:032x}.jpg" for number in range(1, count + 1)]
    for number, name in enumerate(names, start=1):
        path = data / "files" / name[:2] / name
        if number <= 256:
            path.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[number % DRAWINGS], path)
    with sqlite3.connect(data / "easel.db") as database:
        database.executemany(
            "INSERT INTO jobs (id, owner, history_id, state, model, prompt, parameters, upstream, fingerprint, lease,"
            " created_at, finished_at, delivered_at) VALUES (?1, 'local', ?1, 'done', ?2, ?3, '{}', 'kiln', '', '', ?4,"
            " ?4 + 1, ?4 + 1)",
            ((number, f"model-{number % 5}", PROMPTS[number % 4], began + number) for number in range(1, count + 1)),
        )
        database.executemany(
            "INSERT INTO prompts (rowid, owner, words) VALUES (?, ?, ?)",
            ((number, owner_word("local"), search_text(PROMPTS[number % 4])) for number in range(1, count + 1)),
        )
        rows = (
            (number, name, *made[number % DRAWINGS][1], len(made[number % DRAWINGS][0]))
            for number, name in enumerate(names, start=1)
        )
        database.executemany(
            "INSERT INTO pictures (job_id, position, name, media_type, width, height, size, note, source)"
            " VALUES (?, 0, ?, 'image/jpeg', ?, ?, ?, '', '')",
            rows,
        )
        files = ((name, len(made[number % DRAWINGS][0]), began + number) for number, name in enumerate(names, start=1))
        database.executemany(
            "INSERT INTO files (name, owner, size, drawn, stored_at) VALUES (?, 'local', ?, 1, ?)", files
        )
        database.execute("UPDATE totals SET newest = ?", (count,))


async def quiet(url: str) -> None:
    """Wait until the service has done what it does at its start, such as looking at each of its files."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(120):
        quick = 0
        while quick < 5:
            asked_at = time.monotonic()
            async with http.get(url) as answer:
                await answer.read()
            quick = quick + 1 if time.monotonic() - asked_at < 0.1 else 0
            await asyncio.sleep(0.3)


async def opened(tab: Tab, url: str) -> Mapping[str, float]:
    """The times of one opening of the page, in ms since its beginning."""
    await tab.send("Page.navigate", url="about:blank")
    await tab.until("location.href === 'about:blank'")
    await tab.send("Page.navigate", url=url)
    await tab.until(f"location.href !== 'about:blank' && {SHOWN} > 0")
    shown: float = await tab.run(SHOWN)
    paints: list[Any] = await tab.run(
        "performance.getEntriesByType('paint').map((each) => [each.name, each.startTime])"
    )
    return {**dict(paints), "shown": shown}


async def measure(port: int, times: int) -> list[Line]:
    """Open the page so many times, then scroll through `TILES` tiles."""
    url = f"http://127.0.0.1:{port}/gallery"
    async with browser() as open_tab, open_tab() as tab:
        await tab.screen(1280, 800)
        await tab.send("Page.addScriptToEvaluateOnNewDocument", source=OBSERVE)
        await quiet(f"{url}/api/jobs")
        first = await opened(tab, url)
        again = [await opened(tab, url) for _ in range(times)]
        while True:
            await tab.run("scrollTo(0, document.documentElement.scrollHeight)")
            await asyncio.sleep(0.1)
            loaded = await tab.run("Number(document.querySelector('.grid').dataset.tiles)")
            if loaded >= TILES:
                break
        cold = await tab.run(SCROLL)
        frames = await tab.run(SCROLL)
        shift = await tab.run("window.shift")
        await tab.send("Page.navigate", url=EMPTY)
        await tab.until("document.title === 'empty'")
        empty = await tab.run(SCROLL)
        if tab.errors:
            raise SystemExit(f"the page has a mistake: {tab.errors[:3]}")
    paint = statistics.median(each["first-contentful-paint"] for each in again)
    shown = statistics.median(each["shown"] for each in again)
    rate, empty_rate = (1000 * len(each) / sum(each) for each in (frames, empty))
    return [
        Line("first paint, nothing cached", first["first-contentful-paint"], "ms", most=1000),
        Line("first screen of pictures, nothing cached", first["shown"], "ms"),
        Line("first paint, opened again", paint, "ms", most=1000),
        Line("first screen of pictures, opened again", shown, "ms"),
        Line("frames while scrolling, smaller pictures not made yet", 1000 * len(cold) / sum(cold), "/s"),
        Line(f"frames while scrolling, {loaded} tiles", rate, "/s", least=57),
        Line("the same, against an empty page", rate / empty_rate, "", least=0.95),
        Line("frames that took over 50 ms, more than of an empty page", _late(frames) - _late(empty), "", most=0),
        Line("layout shift", shift, "", most=0),
    ]


def _late(frames: list[float]) -> int:
    return sum(each > 50 for each in frames)


async def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.gallery", description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        await seed(data, asked.pictures)
        env = {"EASEL_DATA_DIR": str(data), "EASEL_LOG": "warning", "EASEL_TOKENS": "", **KEEP}
        core = min(os.sched_getaffinity(0))
        async with served("service", core, env) as easel:
            lines = await measure(easel.port, asked.times)
    print(f"{asked.pictures:,} pictures")
    print("\n".join(map(str, lines)))
    return 0 if all(line.is_met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
