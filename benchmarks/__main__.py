"""Easel as it is shipped, and other servers on the same work: `python -m benchmarks`.

Words choose rows by their names: `history`, `pictures`, `304`, `generate`, `crowd`, `start`. With
`--resume` a run that ended early goes on.
"""

import argparse
import asyncio

from benchmarks import generations, pages, starts, throughput
from benchmarks.peers import cores
from benchmarks.results import FILE, Results
from benchmarks.rows import chosen
from benchmarks.serving import CACHE
from benchmarks.throughput import Pace


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="*", help="measure only rows whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.8, help="of one row of requests in one round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--resume", action="store_true", help="go on with the run that ended early")
    return parser.parse_args()


async def measure(asked: argparse.Namespace, results: Results) -> None:
    """Measure what is asked for and not there yet."""
    slow_rounds = min(asked.rounds, 3)
    await starts.run(starts.chosen(asked.only), slow_rounds, results)
    rows = chosen(asked.only)
    if rows:
        await throughput.run(rows, Pace(asked.rounds, asked.seconds, asked.connections), results)
    kinds, crowds = generations.chosen(asked.only)
    await generations.run(kinds, slow_rounds, results)
    for name in crowds:
        await generations.crowd(name, results)


def main() -> None:
    """Measure, print the tables, and write them where they belong."""
    asked = options()
    cores()
    file = CACHE / "chosen.json" if asked.only else FILE
    results = Results.read(file) if asked.resume and file.exists() else Results.begin(file)
    asyncio.run(measure(asked, results))
    text = pages.report(results)
    print(text)
    (CACHE / "report.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
