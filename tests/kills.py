"""Counts what a kill at any moment costs: `python -m tests.kills --kills 200`, or `make kills`.

A service draws by three kinds of paid answers (`tests/emulators/slow_pictures.py`), is killed at a moment that a seeded
generator chooses, and started again. At the end it is left alone, and each picture that was charged is looked for in
the history. A picture is lost when it was charged and is not there.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import aiohttp

from tests.emulators import slow_pictures
from tests.emulators.slow_pictures import SlowPictures
from tests.service_process import launched, service_process
from tests.wire import WireClient

KINDS = {"inline": "gpt-image-1.5", "links": "gpt-image-1.5", "task": "Qwen/Qwen-Image"}
"""How a picture comes, and the model that is asked for it."""

CALLS_EACH = 2
"""Calls of each kind that are under way at a kill."""

LONGEST_S = 3.5
"""A kill comes within so many seconds after the calls, which take about as long."""

COMMAND = [sys.executable, "-m", "service"]
SETTLING_S = 300
"""For looking at all rows at the end."""

DRAW_S = 1.0
DOWNLOAD_S = 1.0


@dataclass
class Tally:
    """The answers of a run, and the state of each charged picture at its end."""

    answered: dict[str, int] = field(default_factory=dict)
    """`history_id` of the calls that got an answer with pictures, by prompt."""

    charged: Counter[str] = field(default_factory=Counter)
    lost_while_drawing: Counter[str] = field(default_factory=Counter)
    lost_after_answer: Counter[str] = field(default_factory=Counter)
    answered_and_lost: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    """Rows that say that nothing was charged though it was, or that fail without a word about it."""

    pieces_missing: int = 0

    def lines(self) -> Iterable[str]:
        """Say it in one line for each kind of answer, and one for all."""
        for kind in KINDS:
            drawing, after = self.lost_while_drawing[kind], self.lost_after_answer[kind]
            yield (
                f"{kind:<7} {self.charged[kind]:>4} charged, lost: {drawing} while the service drew, "
                f"{after} after its whole answer was sent"
            )
        lost = self.lost_while_drawing.total() + self.lost_after_answer.total()
        yield (
            f"all     {self.charged.total():>4} charged, {lost} lost; {len(self.answered)} answered, "
            f"{len(self.answered_and_lost)} of these lost; {len(self.untrue)} rows that say something untrue; "
            f"{self.pieces_missing} done without all pictures"
        )
        yield from self.untrue


async def measure(data: Path, kills: int, seed: int) -> Tally:
    """Kill a service so many times, and count."""
    moments = random.Random(seed)  # noqa: S311 - the same moments at each run
    tally = Tally()
    with os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb") as nowhere:
        await _kill(data, kills, moments, tally, nowhere)
    return tally


async def _kill(data: Path, kills: int, moments: random.Random, tally: Tally, log: IO[bytes]) -> None:
    async with slow_pictures.running(DRAW_S, DOWNLOAD_S) as upstream:
        for kill in range(kills):
            async with service_process(data, log, **upstream.settings()) as (process, client):
                prompts = {f"{kill}-{n} [{kind}]": kind for kind in KINDS for n in range(CALLS_EACH)}
                calls = [asyncio.create_task(_ask(client, prompt, prompts[prompt], tally)) for prompt in prompts]
                await asyncio.wait(calls, timeout=moments.uniform(0, LONGEST_S))
                process.kill()
                await asyncio.gather(*calls)
        async with launched(COMMAND, data, upstream.settings(), deadline_s=SETTLING_S, stderr=log) as (_, client):
            _count(await _settled(client), upstream, tally)


async def _ask(client: WireClient, prompt: str, kind: str, tally: Tally) -> None:
    try:
        result = await client.call("generate", {"prompt": prompt, "model": KINDS[kind]})
    except (aiohttp.ClientError, AssertionError):
        return  # the service was killed
    if not result.get("isError") and result["structuredContent"]["images"]:
        tally.answered[prompt] = result["structuredContent"]["history_id"]


async def _settled(client: WireClient) -> dict[str, dict[str, Any]]:
    """All rows by prompt, after those at work have ended and each that failed was looked at once."""
    rows: dict[str, dict[str, Any]] = {}
    before: dict[str, int] = {}
    while True:
        page = (await client.call("history", {"scope": "all", "limit": 50, **before}))["structuredContent"]
        for entry in page["entries"]:
            if entry["state"] != "done":
                shown = await client.call("history", {"history_id": entry["history_id"]})
                entry = shown["structuredContent"]["entries"][0]  # noqa: PLW2901 - the same one, as it stands now
            rows[entry["prompt"]] = entry
        if "next_before" not in page:
            return rows
        before = {"before": page["next_before"]}


def _count(rows: dict[str, dict[str, Any]], upstream: SlowPictures, tally: Tally) -> None:
    for prompt in upstream.charges:
        kind = prompt.partition("[")[2].rstrip("]")
        row = rows.get(prompt, {"state": "absent", "images": []})
        tally.charged[kind] += 1
        if row["state"] == "done":
            tally.pieces_missing += len(row["images"]) < (2 if kind == "links" else 1)
            continue
        if prompt in upstream.told:
            tally.lost_after_answer[kind] += 1
        else:
            tally.lost_while_drawing[kind] += 1
        if "charged" not in str(row.get("failure")) or "Nothing was charged" in str(row.get("failure")):
            tally.untrue.append(f"{prompt}: {row['state']} {row.get('failure')}")
    for prompt, history_id in tally.answered.items():
        row = rows.get(prompt, {"history_id": 0, "state": "absent"})
        if (row["history_id"], row["state"]) != (history_id, "done"):
            tally.answered_and_lost.append(prompt)


def main() -> int:
    """Measure, print the counts, and fail where an answered picture was lost."""
    parser = argparse.ArgumentParser(description="Count what kills cost.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = asyncio.run(measure(Path(folder) / "data", options.kills, options.seed))
    print(*tally.lines(), sep="\n")
    return 1 if tally.answered_and_lost or tally.untrue else 0


if __name__ == "__main__":
    sys.exit(main())
