"""One run of the proof: calls in pairs and alone, kills between them, one replica that is halted for a while.

Two of three calls ask for a picture of their own, and the third repeats one of them while that is being drawn, mostly
at another replica. Kills come after equal shares of the answers, so that a slow machine has as many as a fast one.
"""

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from tests.emulators import slow_pictures
from tests.scale import cluster
from tests.scale.callers import OWNERS, Asked, Callers
from tests.scale.cluster import Cluster, Replica
from tests.scale.judgement import Findings, judge
from tests.scale.postgres import Server

KINDS: Final = {"inline": "gpt-image-1.5", "links": "gpt-image-1.5", "task": "Qwen/Qwen-Image"}
"""How a picture comes, and the model that is asked for it. Only a task can be followed by another replica."""

DRAW_S: Final = 1.0
DOWNLOAD_S: Final = 0.2
REPEATED_AFTER_S: Final = 0.4
"""A repeated call comes so long after the first at most: while that is being drawn."""

SETTLED_S: Final = 60.0
"""In which all rows have to come to an end after the last answer."""

ASK_ROWS_S: Final = 0.2
COUNT_WORKING: Final = "SELECT count(*) FROM jobs WHERE state = 'working'"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of a run. `halt_s`: how long one replica is halted; 0 for none."""

    calls: int
    kills: int
    halt_s: float = 0.0
    replicas: int = 3
    at_once: int = 24
    seed: int = 1
    proxy: bool = True


@dataclass
class _Progress:
    """The number of answered calls, and who waits for more of them."""

    answered: int = 0
    more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def one(self) -> None:
        async with self.more:
            self.answered += 1
            self.more.notify_all()

    async def reach(self, count: int) -> None:
        async with self.more:
            await self.more.wait_for(lambda: self.answered >= count)


async def run(plan: Plan, folder: Path, server: Server, bucket: str) -> Findings:
    """Run the plan, and judge what came of it."""
    async with AsyncExitStack() as stack:
        painter = await stack.enter_async_context(slow_pictures.running(DRAW_S, DOWNLOAD_S, small=True))
        replicas = await stack.enter_async_context(
            cluster.running(folder, plan.replicas, server, bucket, painter.settings(), proxy=plan.proxy)
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        callers = Callers(session, replicas.urls, plan.at_once)
        began = time.monotonic()
        await _call_and_kill(plan, callers, replicas)
        seconds = time.monotonic() - began
        connection = await asyncpg.connect(replicas.database)
        stack.push_async_callback(connection.close)
        await _settle(connection)
        for replica in replicas.replicas:
            await replica.up.wait()
        findings = await judge(connection, session, replicas.urls[0], callers, painter)
        findings.seconds, findings.kills = seconds, sum(replica.kills for replica in replicas.replicas)
        findings.complaints = _complaints(replicas.replicas)
        return findings


async def _call_and_kill(plan: Plan, callers: Callers, replicas: Cluster) -> None:
    chance = random.Random(plan.seed)  # noqa: S311 - the same each time
    progress = _Progress()
    async with asyncio.TaskGroup() as group:
        killer = group.create_task(_kill(plan, random.Random(plan.seed), replicas.replicas, progress))  # noqa: S311
        halter = group.create_task(_halt(plan, replicas.replicas, progress))
        async with asyncio.TaskGroup() as calls:
            for number, asked in enumerate(_requests(plan)):
                later = chance.uniform(0, REPEATED_AFTER_S) if number % 2 else None
                calls.create_task(_turn(callers, progress, asked, later))
        killer.cancel()  # the last kills may wait for answers of calls that gave up
        await halter


def _requests(plan: Plan) -> Sequence[Asked]:
    """All requests, of which every second is made twice: so a third of the calls repeats another one."""
    kinds, owners = list(KINDS), list(OWNERS)
    return [
        Asked(owners[number // 2 % len(owners)], f"picture {number} [{kind}]", KINDS[kind])
        for number in range(plan.calls * 2 // 3)
        for kind in [kinds[number % len(kinds)]]
    ]


async def _turn(callers: Callers, progress: _Progress, asked: Asked, later: float | None) -> None:
    async def once(after: float) -> None:
        await asyncio.sleep(after)
        await callers.ask(asked)
        await progress.one()

    async with callers.free:
        await asyncio.gather(*(once(after) for after in [0.0, *([] if later is None else [later])]))


async def _kill(plan: Plan, chance: random.Random, replicas: Sequence[Replica], progress: _Progress) -> None:
    for kill in range(plan.kills):
        await progress.reach(plan.calls * (kill + 1) // (plan.kills + 2))
        await asyncio.sleep(chance.uniform(0, DRAW_S))
        victim = chance.choice([replica for replica in replicas if not replica.halted])
        await victim.up.wait()
        victim.kill()
        print(f"kill {kill + 1} of {plan.kills}: replica {victim.port}", file=sys.stderr, flush=True)


async def _halt(plan: Plan, replicas: Sequence[Replica], progress: _Progress) -> None:
    if not plan.halt_s:
        return
    await progress.reach(plan.calls // 2)
    victim = replicas[0]
    await victim.up.wait()
    victim.halt()
    print(f"replica {victim.port} is halted for {plan.halt_s:.0f} s", file=sys.stderr, flush=True)
    await asyncio.sleep(plan.halt_s)
    victim.go_on()


async def _settle(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Wait until no row is at work; the judgement finds those that still are."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_S):
            while await connection.fetchval(COUNT_WORKING):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(ASK_ROWS_S)


def _complaints(replicas: Sequence[Replica]) -> list[str]:
    """Lines of the logs that must not be there."""
    return [
        f"{replica.log}: {line}"
        for replica in replicas
        for line in replica.log.read_text(encoding="utf-8", errors="replace").splitlines()
        if "Traceback" in line or "ERROR" in line
    ]
