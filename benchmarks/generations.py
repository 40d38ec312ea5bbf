"""Measure `generate` beside the floor of a picture, and crowds of calls: processor, loop, memory, and a ping meanwhile.

The image service behind it answers at once, so that all that is measured is Easel. It has all cores here: its decoder
processes run beside its loop, as on a machine that serves a team.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks import pinging, upstream, watched_service
from benchmarks.generating import Made, made
from benchmarks.peers import PEERS, UNLIMITED
from benchmarks.results import Results
from benchmarks.serving import CACHE, ROOT, Served, launched

SIZES: Final = ("1.1 MB", "4.2 MB")
KINDS: Final = tuple(f"{size} {way}" for size in SIZES for way in ("by URL", "base64"))
AT_ONCE: Final = {1: 6, 16: 32}
"""How many pictures are made for the row of so many at once."""

CROWDS: Final = {
    **{f"200 × {kind}": (kind, 200) for kind in KINDS},
    "500 × 4.2 MB base64": ("4.2 MB base64", 500),
}
SAMPLE_S: Final = 0.2


def parts(kind: str) -> tuple[str, str]:
    """The size and the way of one of the `KINDS`."""
    number, unit, way = kind.split(" ", 2)
    return f"{number} {unit}", way


def chosen(words: list[str]) -> tuple[list[str], list[str]]:
    """The kinds of generations and the crowds that hold one of the words; all where there is no word."""
    kinds = [kind for kind in KINDS if _holds(f"generate {kind}", words)]
    return kinds, [crowd for crowd in CROWDS if _holds(f"crowd {crowd}", words)]


def _holds(name: str, words: list[str]) -> bool:
    return not words or any(word.lower() in name.lower() for word in words)


@asynccontextmanager
async def running(stack: AsyncExitStack) -> AsyncIterator[tuple[Served, Path]]:
    """A watched service on an empty data folder, and the file of its watcher."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    report = folder / "hold.json"
    cores = os.sched_getaffinity(0)
    async with launched(upstream.command, cores, {}) as images:
        env = {**UNLIMITED, "EASEL_DATA_DIR": str(folder / "data"), **upstream.settings(images.port)}
        async with launched(watched_service.command(report), cores, env, CACHE / "service.log") as service:
            await made(service, "1.1 MB", "by URL", 4, 4)  # its decoders start with the first pictures
            yield service, report


async def run(kinds: list[str], rounds: int, results: Results) -> None:
    """Measure the rounds that the results do not have yet."""
    if not kinds or len(results.generations) >= rounds:
        return
    async with AsyncExitStack() as stack:
        service, report = await stack.enter_async_context(running(stack))
        while len(results.generations) < rounds:
            print(f"generate: round {len(results.generations) + 1} of {rounds}", file=sys.stderr, flush=True)
            floors = {size: await floor(size) for size in SIZES if any(size in kind for kind in kinds)}
            measured = {
                f"{kind}, {at_once} at once": await _batch(service, report, kind, count, at_once)
                for kind in kinds
                for at_once, count in AT_ONCE.items()
            }
            results.floors.append(floors)
            results.generations.append(measured)
            results.write()


async def floor(size: str) -> float:
    """Processor time that a picture of this size takes at least, in milliseconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.floor", size, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the floor of {size} ended with status {process.returncode}")
    return float(said)


async def _batch(service: Served, report: Path, kind: str, count: int, at_once: int) -> dict[str, Any]:
    watched_service.longest_hold(service.pid, report)
    batch = await made(service, *parts(kind), count, at_once)
    return {**_figures(batch), **_holds_of(service, report)}


def _figures(batch: Made) -> dict[str, float]:
    return {
        "pictures_s": len(batch.names) / batch.seconds,
        "latency_ms": batch.latency_ms,
        "cpu_ms": batch.cpu_ms,
        "loop_ms": batch.loop_ms,
    }


def _holds_of(service: Served, report: Path) -> dict[str, Any]:
    held = watched_service.longest_hold(service.pid, report)
    return {"hold_ms": held["wall"][0] * 1000, "hold_cpu_ms": held["cpu"][0] * 1000, "holder": held["cpu"][1]}


async def crowd(name: str, results: Results) -> None:
    """Measure many calls at once on a service of their own, unless the results have them."""
    if name in results.crowds:
        return
    print(f"generate: {name} at once", file=sys.stderr, flush=True)
    kind, count = CROWDS[name]
    async with AsyncExitStack() as stack:
        service, report = await stack.enter_async_context(running(stack))
        bare = await stack.enter_async_context(
            launched(lambda port: PEERS["bare"].command(port, Path()), os.sched_getaffinity(0), {})
        )
        watched_service.longest_hold(service.pid, report)
        memory: list[float] = []
        sampling = asyncio.create_task(_sample(service, memory))
        with pinging.to_bare(bare.port) as control, pinging.to_service(service.port) as pings:
            batch = await made(service, *parts(kind), count, count)
        sampling.cancel()
        results.crowds[name] = {
            **_figures(batch),
            **_holds_of(service, report),
            "ping_p99_ms": pings.p99_ms,
            "ping_longest_ms": pings.longest_ms,
            "bare_ping_p99_ms": control.p99_ms,
            "peak_mb": service.peak_mb(),
            "peak_all_mb": max(memory),
        }
        results.write()


async def _sample(service: Served, memory: list[float]) -> None:
    """Note the memory of all its processes again and again."""
    while True:
        memory.append(await asyncio.to_thread(service.all_mb))
        await asyncio.sleep(SAMPLE_S)
