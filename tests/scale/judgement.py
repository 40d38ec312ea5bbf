"""The verdict on a run: what callers were told and what the image service charged, against the rows and the pictures.

A request may have several rows: the first ones ended without a picture, or their picture had been delivered before the
next call for the same came, which is a new wish then. Everything else is a fault.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, TypeAlias

import aiohttp
import asyncpg

from tests.emulators.slow_pictures import SlowPictures
from tests.scale.callers import OWNERS, Callers, Told
from tests.wire import WireClient

TAKEOVER_S: Final = 15.0
"""In which the work of a dead replica has to go on at another one."""

SLACK_S: Final = 1.0
"""For which a call may have waited at the database, after it had noted when its row began."""

PAGE: Final = 50
AT_ONCE: Final = 8
SELECT_ROWS: Final = """
    SELECT owner, history_id, state, prompt, created_at, finished_at, delivered_at, failure_kind, failure_reason, tasks
    FROM jobs ORDER BY owner, history_id
"""

Row: TypeAlias = "asyncpg.Record | dict[str, Any]"


@dataclass
class Findings:
    """The numbers of a run, and its faults by the rule that they break."""

    numbers: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    """Errors in the logs of the replicas."""

    seconds: float = 0.0
    kills: int = 0

    @property
    def is_good(self) -> bool:
        """No rule was broken."""
        return not any(self.faults.values())

    def lines(self) -> Iterator[str]:
        """Say it all, a rule in a line; of each fault the first examples."""
        yield f"{self.seconds:.0f} s for the calls, {self.kills} kills"
        yield from (f"{name}: {value}" for name, value in self.numbers.items())
        yield from self.complaints[:10]
        for rule, found in self.faults.items():
            yield f"{'BROKEN' if found else 'holds '}  {rule}" + (f": {len(found)} times" if found else "")
            yield from (f"        {each}" for each in found[:5])


async def judge(
    connection: "asyncpg.Connection[asyncpg.Record]",
    session: aiohttp.ClientSession,
    url: str,
    callers: Callers,
    painter: SlowPictures,
) -> Findings:
    """Look at everything that is left, at rest."""
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in await connection.fetch(SELECT_ROWS):
        rows[row["prompt"]].append(row)
    shown = {name: await _history(WireClient(session, url, _token(name))) for name in OWNERS}
    answered = [told for told in callers.told if told.state == "done"]
    lost = await asyncio.gather(*_looked_at(session, answered, shown, painter))
    takeovers = sorted(longest_silences(rows, painter))
    every = [row for of_prompt in rows.values() for row in of_prompt]
    findings = Findings(_numbers(callers, every, painter))
    findings.numbers["longest silence of a task, s"] = f"{max(takeovers, default=(0.0, ''))[0]:.1f}"
    findings.faults = {
        "charges = rows with pictures, and of the others at most those that say so": list(wrong_charges(rows, painter)),
        "no request has two jobs at once, and none is drawn again before it was delivered": list(doubles(rows)),
        "every answered picture is in the history and at its URL": [each for each in lost if each],
        "no row is left at work": [f"{row['prompt']}" for row in every if row["state"] == "working"],
        f"a task goes on within {TAKEOVER_S:.0f} s": [
            f"{prompt}: {seconds:.1f} s" for seconds, prompt in takeovers if seconds > TAKEOVER_S
        ],
        "every call has an answer": list(_unanswered(callers)),
    }
    return findings


def _token(owner: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {OWNERS[owner]}"}


def _numbers(callers: Callers, rows: Sequence[Row], painter: SlowPictures) -> dict[str, str]:
    told, states = callers.told, Counter(row["state"] for row in rows)
    failures = Counter(each.failure for each in told if each.failure)
    return {
        "calls": f"{len(told)} for {len({each.asked.prompt for each in told})} pictures",
        "tries": str(sum(each.tries for each in told)),
        "answers": f"{sum(each.state == 'done' for each in told)} with pictures, failures: {dict(failures)}",
        "joined": str(sum(bool(each.entry.get("joined")) for each in told)),
        "tries that broke off": str(dict(callers.broken)),
        "rows": str(dict(states)),
        "charges": str(painter.charges.total()),
    }


def wrong_charges(rows: Mapping[str, Sequence[Row]], painter: SlowPictures) -> Iterator[str]:
    """Name the prompts that were charged more or less often than their rows say."""
    for prompt in rows.keys() | painter.charges.keys():
        of_prompt = rows.get(prompt, ())
        done = sum(row["state"] == "done" for row in of_prompt)
        perhaps = sum(row["state"] == "failed" and _may_be_charged(row) for row in of_prompt)
        charges = painter.charges[prompt]
        if not done <= charges <= done + perhaps:
            yield f"{prompt}: {charges} charges, {done} rows with pictures, {perhaps} that may be charged"


def _may_be_charged(row: Row) -> bool:
    reason = str(row["failure_reason"])
    return "charged" in reason and "Nothing was charged" not in reason


def doubles(rows: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Name the jobs that began although another one for the same was at work, or had a picture to hand out."""
    for prompt, of_prompt in rows.items():
        for earlier, later in pairwise(of_prompt):
            number = f"{prompt}: {earlier['history_id']} and {later['history_id']}"
            if (earlier["finished_at"] or float("inf")) > later["created_at"] + SLACK_S:
                yield f"{number} were at work at once"
            elif earlier["state"] == "done" and not earlier["delivered_at"]:
                yield f"{number} although the first had not been delivered"
            elif earlier["state"] == "done" and earlier["delivered_at"] > later["created_at"] + SLACK_S:
                yield f"{number} although the first was delivered later than the second began"


def longest_silences(rows: Mapping[str, Sequence[Row]], painter: SlowPictures) -> Iterator[tuple[float, str]]:
    """The longest time in which nobody asked about a task whose job was at work, for each of them."""
    for prompt, of_prompt in rows.items():
        for row in of_prompt:
            for task in json.loads(row["tasks"]).values():
                ends = row["finished_at"] or float("inf")
                looks = [look for look in painter.looks[task] if look < ends]
                moments = [*looks, *([row["finished_at"]] if row["finished_at"] else [])]
                yield max((after - before for before, after in pairwise(moments)), default=0.0), prompt


def _unanswered(callers: Callers) -> Iterator[str]:
    for told in callers.told:
        if told.state not in {"done", "failed"}:
            yield f"{told.asked.prompt}: {told.tries} tries, and then {told.entry or 'nothing'}"
        elif told.failure not in {"", "interrupted"}:
            yield f"{told.asked.prompt}: {told.entry['failure']}"
    yield from (each for each in callers.broken if each.startswith("error"))


async def _history(client: WireClient) -> dict[int, dict[str, Any]]:
    """All entries of an owner as a client is shown them."""
    entries: dict[int, dict[str, Any]] = {}
    before: dict[str, int] = {}
    while True:
        page = (await client.call("history", {"scope": "all", "limit": PAGE, **before}))["structuredContent"]
        entries |= {entry["history_id"]: entry for entry in page["entries"]}
        if "next_before" not in page:
            return entries
        before = {"before": page["next_before"]}


def _name(url: str) -> str:
    """Of a picture: without a proxy its address is that of the replica that was asked."""
    return url.rpartition("/")[2]


def _looked_at(
    session: aiohttp.ClientSession,
    answered: Sequence[Told],
    shown: Mapping[str, Mapping[int, dict[str, Any]]],
    painter: SlowPictures,
) -> Iterator[Any]:
    """For each answered call the words of what is lost of it, or nothing."""
    free = asyncio.Semaphore(AT_ONCE)

    async def look(told: Told) -> str:
        entry = shown[told.asked.owner].get(told.entry["history_id"], {})
        title = f"{told.asked.prompt} ({told.asked.owner}, {told.entry['history_id']})"
        names = [_name(image["url"]) for image in entry.get("images", [])]
        if entry.get("state") != "done" or names != [_name(url) for url in told.pictures]:
            return f"{title}: told {told.pictures}, the history has {entry}"
        drawn = painter.drawn(told.asked.prompt)
        for picture in told.pictures:
            async with free, session.get(picture) as answer:
                if answer.status != 200 or await answer.read() not in drawn:
                    return f"{title}: {picture} is answered with {answer.status}, and not with its bytes"
        return ""

    return (look(told) for told in answered)
