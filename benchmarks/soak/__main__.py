"""A day of a team in fast motion, half an hour by default: `python -m benchmarks.soak --minutes 30`.

Twelve clients of three people draw, search, look, browse, send pictures and give up, without a pause between; image
services answer at once, slowly, wrongly or never; the models file and the tokens change. Limits are set so small that
all of them are met: 200 pictures, 100 sessions, 16 MB of pictures in memory. Again and again all of them rest until the
service is still, and it is counted what it has. What has grown in the second half without a reason makes the exit
status 1, and so does an answer that no client should get.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks import pages, upstream, watched_service
from benchmarks.generating import still
from benchmarks.peers import UNLIMITED, cores
from benchmarks.results import commit, machine
from benchmarks.serving import CACHE, Served, launched
from benchmarks.soak import slopes
from benchmarks.soak.census import census
from benchmarks.soak.people import Day, Person
from tests.emulators import flow2api
from tests.paths import ROOT
from tests.wire import WireClient

TOKENS: Final = {"anna": "anna-0123456789abcdef", "ben": "ben-0123456789abcdef"}
CLIENTS: Final = 4
"""Of each person, the third of whom has a new token in every cycle."""

SMALL: Final = {
    **UNLIMITED,
    "EASEL_CACHE_MAX_ENTRIES": "200",
    "EASEL_HOT_PICTURES_MB": "16",
    "EASEL_SESSIONS": "40/100",
    "EASEL_REPLAY_MEGABYTES": "1/2",
    "EASEL_RETRIES": "1",
    "EASEL_PROFILES": "*:patience=20",
    "EASEL_TOKENS": ",".join(f"{name}:{token}" for name, token in TOKENS.items()),
}
SILENCE_S: Final = 1.5
PICTURES_FOR_A_DAY: Final = 500
"""The limit of one person's pictures of a day: what a person draws at most."""


@dataclass
class Soak:
    """One run: its service, what people did, and the samples at rest and at work."""

    service: Served
    data: Path
    report: Path
    folder: Path
    day: Day = field(default_factory=Day)
    changes: int = 0
    """Tokens that were given out anew."""
    at_rest: list[slopes.Sample] = field(default_factory=list)
    at_work: list[slopes.Sample] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """The URL of the service."""
        return f"http://127.0.0.1:{self.service.port}"

    async def count(self) -> slopes.Sample:
        """Take a sample."""
        sample = await asyncio.to_thread(census, self.service, self.data, self.report)
        return {**sample, "ended": self.day.ended, "old_tokens": self.changes}

    async def rest(self) -> None:
        """Wait until the service is still, and count."""
        await asyncio.sleep(SILENCE_S + 1)
        await still(self.service)
        self.at_rest.append(await self.count())

    async def cycle(self, number: int, seconds: float) -> None:
        """Let all people live for some seconds, change models and tokens meanwhile, and rest."""
        tokens = [*TOKENS.values(), await self.change_token()]
        async with AsyncExitStack() as stack:
            people = []
            until = asyncio.get_running_loop().time() + seconds
            for each in range(CLIENTS * len(tokens)):
                http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
                await stack.enter_async_context(http)
                chance = random.Random(1000 * number + each)  # noqa: S311 - the same day each time
                person = Person(self.day, self.origin, tokens[each % 3], http, chance)
                people.append(asyncio.create_task(person.live(until)))
            await asyncio.sleep(seconds / 2)
            self.change_models(number)
            self.at_work.append(await self.count())
            await asyncio.gather(*people)
            self.at_work.append(await self.count())
        await self.rest()

    async def change_token(self) -> str:
        """Give the third person another token, and wait until it counts; the one before is good no longer."""
        token = secrets.token_urlsafe(24)
        self.changes += 1
        await asyncio.to_thread((self.folder / "tokens").write_text, f"carla {token}\n")
        async with aiohttp.ClientSession(self.origin) as http, asyncio.timeout(30):
            while (await WireClient(http, "/mcp", {"Authorization": f"Bearer {token}"}).open()).status != HTTPStatus.OK:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.2)
        return token

    def change_models(self, number: int) -> None:
        """Change what a model is said to be good at."""
        models = json.loads((ROOT / "service" / "models.json").read_text(encoding="utf-8"))
        models["models"][0]["about"] = f"quick, and good at {number} things"
        (self.folder / "models.json").write_text(json.dumps(models), encoding="utf-8")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Soak]:
    """A watched service with small limits, and its image services."""
    report, core = folder / "hold.json", set(cores())
    async with flow2api.running() as flow, launched(upstream.command, core, {}) as images:
        flow.silence_s = SILENCE_S
        env = {
            **SMALL,
            **upstream.settings(images.port),
            "FLOW2API_BASE_URL": flow.url,
            "FLOW2API_API_KEY": flow.key,
            "EASEL_DATA_DIR": str(folder / "data"),
            "EASEL_MODELS_FILE": str(folder / "models.json"),
            "EASEL_TOKENS_FILE": str(folder / "tokens"),
        }
        (folder / "models.json").write_bytes((ROOT / "service" / "models.json").read_bytes())
        (folder / "tokens").write_text("")
        async with launched(watched_service.command(report), core, env, CACHE / "soak.log") as service:
            yield Soak(service, folder / "data", report, folder)


def result(soak: Soak, minutes: float) -> dict[str, Any]:
    """All that the report needs."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit(),
        "machine": machine(),
        "minutes": minutes,
        "done": dict(sorted(soak.day.done.items())),
        "faults": soak.day.faults,
        "at_rest": soak.at_rest,
        "at_work": soak.at_work,
    }


def text_of(run: Mapping[str, Any]) -> str:
    """The report in Markdown."""
    found = slopes.trends(run["at_rest"], run["at_work"])
    jobs = run["at_rest"][-1]["jobs"]
    days = jobs / PICTURES_FOR_A_DAY
    hold = max(each["hold_cpu_ms"] for each in (*run["at_rest"], *run["at_work"]))
    done = ", ".join(f"{count} × {name}" for name, count in run["done"].items())
    growing = [each.level.title for each in found if each.grows]
    lines = [
        f"{run['date']}, commit {run['commit']}, {run['minutes']:g} minutes on {run['machine']['cores']} cores: "
        f"{jobs:,.0f} generations, as many as {days:.1f} people may ask for in a day. {done}.",
        slopes.table(found),
        f"Longest hold of the event loop: {hold:.0f} ms of processor time. "
        + (f"Faults: {len(run['faults'])}, such as {run['faults'][0]}. " if run["faults"] else "No fault. ")
        + (f"It grows: {', '.join(growing)}." if growing else "Nothing grows without a reason."),
    ]
    return "\n\n".join(lines)


async def soaked(minutes: float, seconds: float) -> dict[str, Any]:
    """Run cycles for so many minutes."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as soak:
            end = asyncio.get_running_loop().time() + 60 * minutes
            watched_service.longest_hold(soak.service.pid, soak.report)  # of the start, which is none of the day
            await soak.rest()
            number = 0
            while asyncio.get_running_loop().time() < end or len(soak.at_rest) < 7:
                number += 1
                await soak.cycle(number, seconds)
                at = soak.at_rest[-1]
                say = ", ".join(f"{name} {at[name]:.0f}" for name in ("jobs", "rss_mb", "descriptors", "tasks"))
                print(f"cycle {number}: {say}, faults {len(soak.day.faults)}", file=sys.stderr, flush=True)
            return result(soak, minutes)


def main() -> int:
    """Run, report, and say by the exit status whether all is well."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--docs", action="store_true", help="write the report into docs/")
    asked = parser.parse_args()
    run = asyncio.run(soaked(asked.minutes, min(20.0, 60 * asked.minutes / 10)))
    text = text_of(run)
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "soak.json").write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    (CACHE / "soak.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    if asked.docs:
        pages.write_soak(text)
    return 1 if run["faults"] or any(each.grows for each in slopes.trends(run["at_rest"], run["at_work"])) else 0


if __name__ == "__main__":
    sys.exit(main())
