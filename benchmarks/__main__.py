"""Easel as it is shipped, and other servers on the same work: `python -m benchmarks`.

Words choose rows by their names: `history`, `pictures`, `304`, `generate`, `crowd`, `start`. With
`--resume` a run that ended early goes on. `--docs` writes tables and plot into `docs/` and README too; with `--resume`
after a whole run it measures nothing again.
"""

import argparse
import asyncio
import sys

from benchmarks import generations, pages, starts, throughput
from benchmarks.peers import cores
from benchmarks.results import FILE, Results
from benchmarks.rows import chosen
from benchmarks.serving import CACHE, ROOT
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
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/ and README")
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
    if asked.docs and asked.only:
        sys.exit("docs/ shows all rows: leave the words out, or --docs")
    cores()
    file = CACHE / "chosen.json" if asked.only else FILE
    results = Results.read(file) if asked.resume and file.exists() else Results.begin(file)
    asyncio.run(measure(asked, results))
    results.write()
    results = Results.read(file)  # rounded, as the figures in docs/ are, of which the pages are made anew
    text = pages.report(results)
    print(text)
    (CACHE / "report.md").write_text(text, encoding="utf-8")
    (CACHE / "speed.svg").write_text(pages.plot_of(results), encoding="utf-8")
    if asked.docs:
        for path in pages.write(results):
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
