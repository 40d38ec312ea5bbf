"""Measure the gallery in a browser: first paint with 100,000 pictures, frames while scrolling, layout shift.

    python -m benchmarks.gallery

The service runs on the first core, the browser wherever it likes; it has no graphics card here, so that what it paints
costs processor time. Scrolling through the gallery and through an empty page take turns, so that a machine that is busy
is so for both; the work of a frame is processor time of the page's main thread, which others do not lengthen. Every
line has its target; one that is missed makes the exit status 1.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from PIL import Image, ImageDraw

from benchmarks.serving import served
from service.storage.records.words import search_text
from service.storage.sqlite.facets import INSERT_WORDS
from service.storage.sqlite.store import SqliteStore
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
LOOKS: Final = 40
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
    names = [_name(number) for number in range(1, count + 1)]
    for number, name in enumerate(names, start=1):
        path = data / "files" / name[:2] / name
        if number <= 256:
            path.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[number % DRAWINGS], path)
    with sqlite3.connect(data / "easel.db") as database:
        database.executemany(
            "INSERT INTO jobs (id, owner, history_id, state, model, prompt, parameters, upstream, fingerprint, lease,"
            " created_at, finished_at, delivered_at)"
            " VALUES (?, 'local', ?, 'done', ?, ?, '{}', 'kiln', '', '', ?, ?, ?)",
            (
                (number, number, f"model-{number % 5}", PROMPTS[number % 4], *(began + number + s for s in (0, 1, 1)))
                for number in range(1, count + 1)
            ),
        )
        database.executemany(
            INSERT_WORDS, ((search_text(PROMPTS[number % 4]), number) for number in range(1, count + 1))
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


def _name(number: int) -> str:
    return f"{number:032x}.jpg"


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


@dataclass(frozen=True)
class Scroll:
    """One scroll: the lengths of its frames, and the work of the page's main thread for each, in ms."""

    frames: list[float]
    work: float

    @property
    def rate(self) -> float:
        """Frames in a second."""
        return 1000 * len(self.frames) / sum(self.frames)

    @property
    def late(self) -> int:
        """Frames that took over 50 ms."""
        return sum(each > 50 for each in self.frames)


async def scroll(tab: Tab) -> Scroll:
    """Scroll through the page that is open."""
    before = await _task_s(tab)
    frames: list[float] = await tab.run(SCROLL)
    return Scroll(frames, 1000 * (await _task_s(tab) - before) / len(frames))


async def _task_s(tab: Tab) -> float:
    found = (await tab.send("Performance.getMetrics"))["metrics"]
    return next(float(each["value"]) for each in found if each["name"] == "TaskDuration")


async def fill_page(tab: Tab) -> int:
    """Load `TILES` tiles; return how many there are."""
    while True:
        await tab.run("scrollTo(0, document.documentElement.scrollHeight)")
        await asyncio.sleep(0.1)
        loaded: int = await tab.run("Number(document.querySelector('.grid').dataset.tiles)")
        if loaded >= TILES:
            return loaded


async def scrolled(tab: Tab, url: str, rounds: int) -> list[Line]:
    """Scroll through `TILES` tiles and through an empty page, in turns."""
    ours, empty = [], []
    for _ in range(rounds):
        await opened(tab, url)
        loaded = await fill_page(tab)
        ours.append(await scroll(tab))
        await tab.send("Page.navigate", url=EMPTY)
        await tab.until("document.title === 'empty'")
        empty.append(await scroll(tab))
    against = [mine.rate / nothing.rate for mine, nothing in zip(ours, empty, strict=True)]
    late = statistics.median(mine.late - nothing.late for mine, nothing in zip(ours, empty, strict=True))
    return [
        Line(f"frames while scrolling, {loaded} tiles", statistics.median(each.rate for each in ours), "/s", least=57),
        Line("the same, against an empty page", statistics.median(against), "", least=0.95),
        Line("frames that took over 50 ms, more than of an empty page", late, "", most=0),
        Line("work of the main thread for a frame", statistics.median(each.work for each in ours), "ms", most=2.5),
        Line("the same, of an empty page", statistics.median(each.work for each in empty), "ms"),
    ]


async def first_looks(port: int, names: Sequence[str]) -> list[Line]:
    """Ask for the smaller copy of pictures, one after the other: the first time, and again."""
    times: dict[str, list[float]] = {"first": [], "second": []}
    async with aiohttp.ClientSession() as http:
        for name in names:
            for turn in times.values():
                asked_at = time.perf_counter()
                url = f"http://127.0.0.1:{port}/mcp-cache/{name}?w=320"
                async with http.get(url, headers={"Accept": "image/webp"}) as answer:
                    answer.raise_for_status()
                    await answer.read()
                turn.append(1000 * (time.perf_counter() - asked_at))
    return [
        Line("smaller copy of 1 megapixel, made", statistics.median(times["first"]), "ms"),
        Line("smaller copy, kept", statistics.median(times["second"]), "ms", most=10),
    ]


async def measure(port: int, times: int) -> list[Line]:
    """Open the page so many times, then scroll."""
    url = f"http://127.0.0.1:{port}/gallery"
    async with browser() as open_tab, open_tab() as tab:
        await tab.screen(1280, 800)
        await tab.send("Page.addScriptToEvaluateOnNewDocument", source=OBSERVE)
        await tab.send("Performance.enable", timeDomain="threadTicks")
        await quiet(f"{url}/api/jobs")
        first = await opened(tab, url)
        again = [await opened(tab, url) for _ in range(times)]
        await fill_page(tab)
        cold = await scroll(tab)
        shift = await tab.run("window.shift")
        frames = await scrolled(tab, url, times)
        if tab.errors:
            raise SystemExit(f"the page has a mistake: {tab.errors[:3]}")
    paint = statistics.median(each["first-contentful-paint"] for each in again)
    shown = statistics.median(each["shown"] for each in again)
    return [
        Line("first paint, nothing cached", first["first-contentful-paint"], "ms", most=1000),
        Line("first screen of pictures, nothing cached", first["shown"], "ms"),
        Line("first paint, opened again", paint, "ms", most=1000),
        Line("first screen of pictures, opened again", shown, "ms"),
        Line("frames while scrolling, smaller pictures not made yet", cold.rate, "/s"),
        *frames,
        Line("layout shift", shift, "", most=0),
    ]


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
            lines += await first_looks(easel.port, [_name(number) for number in range(1, LOOKS + 1)])
    print(f"{asked.pictures:,} pictures")
    print("\n".join(map(str, lines)))
    return 0 if all(line.is_met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
