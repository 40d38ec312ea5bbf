"""A bucket or a database that is away for a while, under two replicas that draw: what they say meanwhile, what is left.

1. All that is drawn is asked for before, and comes while the storage is away: its bytes are kept in memory.
2. Meanwhile both replicas live, are not ready, and show the pictures that they have in memory.
3. Once it is back, every picture is in the history and at its URL, paid once, and nobody was started anew.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.emulators import slow_pictures
from tests.emulators.slow_pictures import SlowPictures
from tests.scale import seaweed
from tests.scale.cluster import Cluster, running
from tests.scale.postgres import Server
from tests.wire import ANNA, WireClient, wire_client

MODEL: Final = "gpt-image-1.5"
PICTURES: Final = 12
"""Drawn while the storage is away, at both replicas in turn."""

HANGS_S: Final = 120.0
"""After so long what has to come does not come."""

LOOK_S: Final = 1.0
MOST_GROWTH_MB: Final = 32.0
"""Memory that a replica may take in the second half beyond that of the first, however often it tries to store."""

WAYS: Final = ("bucket halted", "bucket stopped", "database halted", "database stopped")


@dataclass
class Found:
    """The outcome of one outage. `faults` is empty where all went well."""

    way: str
    away_s: float = 0.0
    memory_mb: list[float] = field(default_factory=list)
    """At each look, that of the replica that has most."""

    faults: list[str] = field(default_factory=list)

    @property
    def growth_mb(self) -> float:
        """The memory of the second half beyond that of the first."""
        half = len(self.memory_mb) // 2
        return max(self.memory_mb[half:]) - max(self.memory_mb[:half]) if half else 0.0

    @property
    def line(self) -> str:
        """All of it in a line, or more where there are faults."""
        told = f"{'BROKEN' if self.faults else 'holds '}  {self.way} for {self.away_s:.0f} s, {PICTURES} pictures drawn"
        told += f" meanwhile, {len(self.memory_mb)} looks at both replicas, {self.growth_mb:.0f} MB more in the end"
        return "\n        ".join([told, *self.faults[:5]])


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """Two replicas, a client at each, and the URL of a picture that each has in memory."""

    cluster: Cluster
    clients: list[WireClient]
    painter: SlowPictures
    hot: list[str]

    async def status(self, client: WireClient, url: str) -> int:
        async with client.session.get(url) as answer:
            await answer.read()
            return answer.status

    async def health(self, path: str) -> list[int]:
        """The answers of both replicas."""
        urls = [client.url.replace("/mcp", path) for client in self.clients]
        return [await self.status(client, url) for client, url in zip(self.clients, urls, strict=True)]

    async def shown(self) -> list[int]:
        """The answers for the pictures in memory."""
        return [await self.status(client, url) for client, url in zip(self.clients, self.hot, strict=True)]

    def memory_mb(self) -> float:
        """The memory of the replica that has most."""
        pids = [replica.process.pid for replica in self.cluster.replicas if replica.process is not None]
        return max(map(_memory_mb, pids))


async def run(way: str, away_s: float, folder: Path, server: Server, bucket: seaweed.Server) -> Found:
    """Have the storage away for so long, or until everything was looked at once, and judge what came of it."""
    found = Found(way)
    async with _stage(folder, server, bucket) as stage:
        prompts = [f"away {number} [inline]" for number in range(PICTURES)]
        calls = [
            asyncio.create_task(stage.clients[number % 2].call("generate", {"prompt": prompt, "model": MODEL}))
            for number, prompt in enumerate(prompts)
        ]
        await _until(lambda: all(stage.painter.charges[prompt] for prompt in prompts))
        async with _away(way, server, bucket):
            began = time.monotonic()
            await _until(lambda: stage.painter.told >= set(prompts))
            await _eventually(lambda: _is(stage.health("/readyz"), 503))
            while not found.memory_mb or time.monotonic() - began < away_s:
                await _look(stage, found)
                await asyncio.sleep(LOOK_S if away_s else 0)
            found.away_s = time.monotonic() - began
        await _eventually(lambda: _is(stage.health("/readyz"), 200))
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        found.faults += [fault for number, prompt in enumerate(prompts) for fault in await _lost(stage, number, prompt)]
        if found.growth_mb > MOST_GROWTH_MB:
            found.faults.append(f"a replica grew by {found.growth_mb:.0f} MB")
        if any(replica.process is None or replica.process.returncode is not None for replica in stage.cluster.replicas):
            found.faults.append("a replica ended")
    return found


async def _look(stage: _Stage, found: Found) -> None:
    """Look at both replicas while the storage is away."""
    found.memory_mb.append(stage.memory_mb())
    for what, answers, wanted in (
        ("/readyz", await stage.health("/readyz"), 503),
        ("/healthz", await stage.health("/healthz"), 200),
        ("a picture in memory", await stage.shown(), 200),
    ):
        if answers != [wanted, wanted]:
            found.faults.append(f"look {len(found.memory_mb)}: {what} is answered with {answers}")


async def _lost(stage: _Stage, number: int, prompt: str) -> list[str]:
    """Return what is wrong with a picture that was drawn meanwhile, asked for at the other replica than before."""
    client = stage.clients[(number + 1) % 2]
    result: dict[str, Any] = {}

    async def is_there() -> bool:
        nonlocal result
        result = await client.call("generate", {"prompt": prompt, "model": MODEL})
        return bool(result.get("structuredContent", {}).get("images"))

    try:
        await _eventually(is_there)
    except TimeoutError:
        return [f"{prompt}: {result}"[:300]]
    [image] = result["structuredContent"]["images"]
    async with client.session.get(image["url"]) as answer:
        is_whole = answer.status == 200 and await answer.read() in stage.painter.drawn(prompt)
    faults = [] if is_whole else [f"{prompt}: {image['url']} is not the picture that was drawn"]
    return [*faults, *([f"{prompt}: {charged} charges"] if (charged := stage.painter.charges[prompt]) != 1 else [])]


@contextlib.asynccontextmanager
async def _stage(folder: Path, server: Server, bucket: seaweed.Server) -> AsyncIterator[_Stage]:
    async with contextlib.AsyncExitStack() as stack:
        painter = await stack.enter_async_context(slow_pictures.running(1.5, 0.0))
        cluster = await stack.enter_async_context(
            running(folder, 2, server, bucket.url, painter.settings(), proxy=False)
        )
        clients = [await stack.enter_async_context(wire_client(url, ANNA)) for url in cluster.urls]
        hot = []
        for number, client in enumerate(clients):
            made = await client.call("generate", {"prompt": f"hot {number} [inline]", "model": MODEL})
            hot.append(made["structuredContent"]["images"][0]["url"])
        stage = _Stage(cluster=cluster, clients=clients, painter=painter, hot=hot)
        for _ in range(2):  # the second time it is asked for it comes from memory
            assert await stage.shown() == [200, 200]
        yield stage


@contextlib.asynccontextmanager
async def _away(way: str, server: Server, bucket: seaweed.Server) -> AsyncIterator[None]:
    """Have a storage away inside. A start is waited for in a thread: the image service lives in this process."""
    if way == "database halted":
        await server.pause()
    else:
        away = {"bucket halted": bucket.pause, "bucket stopped": bucket.stop, "database stopped": server.stop}
        await asyncio.to_thread(away[way])
    try:
        yield
    finally:
        back = {"bucket halted": bucket.resume, "bucket stopped": bucket.start, "database halted": server.resume}
        await asyncio.to_thread(back.get(way, server.start))


async def _is(answers: Awaitable[list[int]], wanted: int) -> bool:
    return set(await answers) == {wanted}


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANGS_S):
        while not true():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


async def _eventually(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(HANGS_S):
        while not await true():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.2)


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024
