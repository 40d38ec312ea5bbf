"""Measure rows of requests in turn, round after round.

Peers run on one core and the load on another; a row's ratio is to the yardstick of the same round, so that what else
the machine does meanwhile weighs on both.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import seeding, upstream
from benchmarks.generating import still
from benchmarks.installing import UnavailableError
from benchmarks.load import Turns, press
from benchmarks.peers import PEERS, cores
from benchmarks.results import Results
from benchmarks.rows import Names, PictureRow, Row
from benchmarks.serving import CACHE, Served, launched

FEWEST: Final = 20


@dataclass(frozen=True)
class Measured:
    """One row in one round: requests a second, 99th percentile in ms, the peer's processor time for each in µs.

    `core` is the share of its core that the peer took, `busy` that of the load.
    """

    rate: float
    p99: float
    cpu: float
    core: float
    busy: float


@dataclass(frozen=True)
class Pace:
    """How long and with how many connections each row is pressed."""

    rounds: int
    seconds: float
    connections: int


async def measure(row: Row, peer: Served, turns: Sequence[Turns], seconds: float) -> Measured:
    """Press one row; longer where a slow peer on a busy machine has not answered `FEWEST` times."""
    while True:
        before = peer.cpu_s()
        tally = await press(peer.port, turns, seconds / 4, seconds, row.expected)
        cpu = peer.cpu_s() - before
        row.check(tally)
        if len(tally.latencies) >= FEWEST:
            break
        seconds *= 3
    p99 = statistics.quantiles(tally.latencies, n=100)[98] * 1000
    each = cpu / tally.count
    return Measured(tally.rate, p99, each * 1e6, each * tally.rate, tally.busy)


async def run(rows: Sequence[Row], pace: Pace, results: Results) -> None:
    """Measure the rounds that the results do not have yet, rows inside rounds."""
    if results.rounds >= pace.rounds:
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores()[1]})
    try:
        async with _running(rows, results) as (peers, names):
            pressed = [
                (row, peers[row.peer], row.turns(peers[row.peer].port, names, pace.connections))
                for row in rows
                if row.peer in peers
            ]
            while results.rounds < pace.rounds:
                await _round(pressed, pace, results)
    finally:
        os.sched_setaffinity(0, before)


async def _round(pressed: Sequence[tuple[Row, Served, Sequence[Turns]]], pace: Pace, results: Results) -> None:
    measured = {}
    for number, (row, peer, turns) in enumerate(pressed, start=1):
        say = f"requests: round {results.rounds + 1} of {pace.rounds}, row {number} of {len(pressed)}"
        print(f"\r{say} ", end="", file=sys.stderr, flush=True)
        measured[row.name] = await measure(row, peer, turns, pace.seconds)
    print(file=sys.stderr)
    results.add_round(measured)


@asynccontextmanager
async def _running(rows: Sequence[Row], results: Results) -> AsyncIterator[tuple[dict[str, Served], Names]]:
    """The peers of the rows, and the pictures that they serve."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "pictures").mkdir()
        peers: dict[str, Served] = {}
        names = Names({}, {})
        pictures = [row for row in rows if isinstance(row, PictureRow)]
        if pictures or any(row.peer == "service" for row in rows):
            peers["service"] = await _service(stack, folder)
        if pictures:
            with_cold = any(row.cold for row in pictures)
            names = await seeding.pictures(peers["service"], folder / "pictures", with_cold=with_cold)
        for name in dict.fromkeys(row.peer for row in rows if row.peer not in peers):
            try:
                peers[name] = await stack.enter_async_context(_started(name, folder, PEERS[name].env))
            except UnavailableError as reason:
                results.leave_out(name, str(reason))
        if "service" in peers:
            await still(peers["service"])
        yield peers, names


def _started(name: str, folder: Path, env: Mapping[str, str]) -> AbstractAsyncContextManager[Served]:
    """A peer on the core of the peers."""
    command = PEERS[name].command
    log = CACHE / "service.log" if name == "service" else None
    return launched(lambda port: command(port, folder / "pictures"), {cores()[0]}, env, log)


async def _service(stack: AsyncExitStack, folder: Path) -> Served:
    """All of Easel on a history, with an image service behind it that runs on the core of the load."""
    print("requests: making a history and pictures", file=sys.stderr, flush=True)
    await seeding.history(folder / "data")
    images = await stack.enter_async_context(launched(upstream.command, {cores()[1]}, {}))
    env = {**PEERS["service"].env, "EASEL_DATA_DIR": str(folder / "data"), **upstream.settings(images.port)}
    return await stack.enter_async_context(_started("service", folder, env))
