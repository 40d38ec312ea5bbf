"""Calls of `generate`: any number at once, each for another picture, and what the service took for them."""

import asyncio
import itertools
import re
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from benchmarks import wire
from benchmarks.load import ask
from benchmarks.serving import Served
from benchmarks.upstream import MODEL, prompt

NAME: Final = re.compile(rb"/mcp-cache/([\w.-]+)")
STILL_S: Final = 0.4
"""A service that took next to nothing for so long has done what it does after its answers."""

STILL_SHARE: Final = 0.2
"""The share of a core that is next to nothing: a client that pings takes half of it on a slow machine."""

_numbers: Final = itertools.count(1)


@dataclass(frozen=True)
class Made:
    """Outcome of some calls: their pictures, latencies, and processor time until the service was still again."""

    names: Sequence[str]
    latencies: Sequence[float]
    seconds: float
    cpu_s: float
    loop_s: float

    @property
    def latency_ms(self) -> float:
        """The median of the times to answer."""
        return statistics.median(self.latencies) * 1000

    @property
    def cpu_ms(self) -> float:
        """Processor time of all processes for one picture."""
        return self.cpu_s / len(self.names) * 1000

    @property
    def loop_ms(self) -> float:
        """Processor time of the event loop's thread for one picture."""
        return self.loop_s / len(self.names) * 1000


async def made(peer: Served, size: str, way: str, count: int, at_once: int) -> Made:
    """Make so many pictures, and wait until the service is still."""
    await still(peer)
    cpu, loop, began = peer.all_cpu_s(), peer.loop_cpu_s(), time.perf_counter()
    free = asyncio.Semaphore(at_once)
    answers = await asyncio.gather(*(_one(peer.port, size, way, free) for _ in range(count)))
    seconds = time.perf_counter() - began
    await still(peer)
    names, latencies = zip(*answers, strict=True)
    return Made(names, latencies, seconds, peer.all_cpu_s() - cpu, peer.loop_cpu_s() - loop)


async def _one(port: int, size: str, way: str, free: asyncio.Semaphore) -> tuple[str, float]:
    params = {"name": "generate", "arguments": {"prompt": prompt(next(_numbers), size, way), "model": MODEL}}
    request = wire.modern(port, 1, "tools/call", params, progress=False)
    async with free:
        began = time.perf_counter()
        answer = await ask(port, request)
        taken = time.perf_counter() - began
    found = NAME.search(answer)
    if found is None or b'"isError":true' in answer:
        raise RuntimeError(f"{size} {way}: no picture came: {answer[:1500]!r}")
    return found[1].decode(), taken


async def still(peer: Served) -> None:
    """Wait until the service takes next to nothing of the processor, at most a minute."""
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            before = -1.0
            while (now := peer.all_cpu_s()) - before > STILL_SHARE * STILL_S:
                before = now
                await asyncio.sleep(STILL_S)
