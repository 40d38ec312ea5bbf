"""Measure every row in turn, round after round, and print the table of medians.

Peers run on one core and the load on another; a row's ratio is to the yardstick of the same round, so that what else
the machine does meanwhile weighs on both.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.load import press
from benchmarks.rows import PEERS, ROWS, YARDSTICK, Row
from benchmarks.serving import Served, served
from service.limits import LIMITS

UNLIMITED: Final = {limit.setting: "0" if limit.overall is None else "0/0" for limit in LIMITS}
"""A load is more than any limit lets through."""

FULL = 0.9
"""A peer that takes less of its core was kept waiting, by the load or by what else the machine does."""


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


async def measure(row: Row, peer: Served, requests: Sequence[bytes], seconds: float) -> Measured:
    """Press one row."""
    before = peer.cpu_s()
    tally = await press(peer.port, requests, seconds / 4, seconds)
    cpu = peer.cpu_s() - before
    row.check(tally)
    if len(tally.latencies) < 2:
        raise SystemExit(f"{row.name}: no answers within {seconds} s; give it more --seconds")
    p99 = statistics.quantiles(tally.latencies, n=100)[98] * 1000
    each = cpu / tally.count
    return Measured(tally.rate, p99, each * 1e6, each * tally.rate, tally.busy)


async def run(rows: Sequence[Row], rounds: int, seconds: float, connections: int) -> list[list[Measured]]:
    """Every round of every row, rows inside rounds."""
    server_core, load_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {load_core})
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        env = {"EASEL_DATA_DIR": folder, "EASEL_LOG": "warning", "EASEL_TOKENS": "", **UNLIMITED}
        peers = {
            name: await stack.enter_async_context(served(PEERS[name], server_core, env))
            for name in dict.fromkeys(row.peer for row in rows)
        }
        requests = [row.requests(peers[row.peer].port, connections) for row in rows]
        measured: list[list[Measured]] = []
        for number in range(rounds):
            print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
            measured.append(
                [await measure(row, peers[row.peer], sent, seconds) for row, sent in zip(rows, requests, strict=True)]
            )
        print(file=sys.stderr)
        return measured


def table(rows: Sequence[Row], rounds: Sequence[Sequence[Measured]]) -> str:
    """Medians over the rounds; ratios are made within each round."""
    lines = [
        f"{'':<42}{'req/s':>8}{'ratio':>8}{'target':>8}{'p99 ms':>8}{'p99 x':>7}{'CPU µs':>8}{'CPU x':>7}{'core':>6}"
    ]
    for index, row in enumerate(rows):
        each = [measured[index] for measured in rounds]
        pairs = [(measured[index], measured[0]) for measured in rounds]
        rate, p99, cpu, core = (
            statistics.median(getattr(one, name) for one in each) for name in ("rate", "p99", "cpu", "core")
        )
        ratio = statistics.median(one.rate / bare.rate for one, bare in pairs)
        slower = statistics.median(one.p99 / bare.p99 for one, bare in pairs)
        dearer = statistics.median(one.cpu / bare.cpu for one, bare in pairs)
        target = "" if row.target is None else f"{row.target:.2f}"
        lines.append(
            f"{row.name:<42}{rate:>8.0f}{ratio:>8.2f}{target:>8}{p99:>8.1f}{slower:>7.1f}{cpu:>8.0f}{dearer:>7.2f}{core:>6.0%}"
        )
    idle = [row.name for index, row in enumerate(rows) if statistics.median(one[index].core for one in rounds) < FULL]
    if idle:
        among = "" if YARDSTICK.name in idle else "not "
        lines.append(
            f"{len(idle)} rows left their core idle, the yardstick {among}among them: something else ran. Go by CPU x; "
            "the ratio of rates says less."
        )
    busiest = max(one.busy for measured in rounds for one in measured)
    if busiest > 0.9:
        lines.append(f"The load itself took {busiest:.0%} of its core: the fastest rows are faster than they look.")
    return "\n".join(lines)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", help="measure only rows whose name holds one of these; the yardstick always")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one row in one round")
    parser.add_argument("--connections", type=int, default=64)
    asked = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("benchmarks need two cores: one for the peers, one for the load")
    rows = [row for row in ROWS if row is YARDSTICK or not asked.only or any(part in row.name for part in asked.only)]
    print(table(rows, asyncio.run(run(rows, asked.rounds, asked.seconds, asked.connections))))


if __name__ == "__main__":
    main()
