"""Measure what grows: queries of a history up to a million, its file, a cache of many files, starts, open streams.

    python -m benchmarks.growth              # all pieces, about ten minutes the first time, which builds the histories
    python -m benchmarks.growth queries      # some pieces

Every piece of work is kept in `.cache/growth/results.json` at once: a run that ended early goes on, and `--again`
begins anew. When all is there, `docs/growth.md`, `docs/growth.json` and `docs/images/growth.svg` are written.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.growth_pieces import HISTORIES, PIECES, Numbers
from benchmarks.growth_plot import plot
from benchmarks.results import commit, machine
from benchmarks.serving import ROOT
from benchmarks.tables import markdown

RESULTS: Final = HISTORIES / "results.json"
MOST_MS: Final = 5.0
SHOWN: Final = (
    "list", "by id", "search, frequent word", "search, Chinese", "beginning of 3 letters", "word + state",
    "all filters", "pictured, last page", "completion, one digit",
)  # fmt: skip

HEADS: Final[Mapping[str, str]] = {
    "queries": "## Queries: milliseconds of a thread of the store, by generations in the history",
    "writes": "## A generation written, from its beginning to its delivery, by generations in the history",
    "cache": "## The cache, by files",
    "start": "## Start and memory, by generations in the history",
    "streams": "## Open streams of notices, by their number",
}
NAMES: Final[Mapping[str, str]] = {
    "sweep_s": "comparison of index and disk after the start, s of processor",
    "sweep_loop_ms": "longest hold of the event loop by it, ms",
    "lookup_us": "one file looked up in both, µs of processor",
    "evict_s": "93 % removed after the limit was lowered, s of processor",
    "evict_us_each": "each of them, µs",
    "evict_loop_ms": "longest hold of the event loop by it, ms",
    "evict_write_ms": "longest write meanwhile, ms",
}


def measured(pieces: Sequence[str], results: dict[str, Any]) -> dict[str, Any]:
    """Measure what the results do not have yet, and write them after each piece."""
    for name in pieces:
        measure, sizes = PIECES[name]
        kept: dict[str, Numbers] = results.setdefault(name, {})
        for size in sizes:
            if str(size) not in kept:
                print(f"{name}: {size:,}", file=sys.stderr, flush=True)
                numbers = asyncio.run(_awaited(measure(size)))
                kept[str(size)] = {each: float(f"{value:.3g}") for each, value in numbers.items()}
                _write(RESULTS, json.dumps(results, indent=1) + "\n")
    return results


async def _awaited(numbers: Any) -> Numbers:
    found: Numbers = await numbers
    return found


def table(piece: str, kept: Mapping[str, Numbers]) -> str:
    """Return the table of one piece: a row for each number, a column for each size."""
    sizes = list(kept)
    rows = [
        [NAMES.get(name, name), *[f"{kept[size][name]:g}" for size in sizes], _verdict(piece, kept[sizes[-1]][name])]
        for name in kept[sizes[0]]
    ]
    return markdown(["", *[f"{int(size):,}" for size in sizes], ""], rows)


def _verdict(piece: str, value: float) -> str:
    return f"over {MOST_MS:g}" if piece == "queries" and value > MOST_MS else ""


def page(results: Mapping[str, Any]) -> str:
    """Return the page of all tables."""
    where = results["machine"]
    made = (
        f"Measured {results['date']} at {results['commit']} on {where['processor']}, {where['cores']} cores, "
        f"{where['system']}, Python {where['python']}; {where['waiting']} processes waited for a core. "
        "Times are those of the processor, the least of some tries, so that what else the machine did adds little."
    )
    parts = [
        "# How Easel grows\n\n`make bench-growth` measures this anew; `growth.json` beside this page has the numbers.",
        made,
        "![Milliseconds of each query, from a hundred to a million generations](images/growth.svg)",
    ]
    for piece, head in HEADS.items():
        parts += [head, table(piece, results[piece])]
    return "\n\n".join(parts) + "\n"


def picture(results: Mapping[str, Any]) -> str:
    """Return the plot of some queries."""
    kept: Mapping[str, Numbers] = results["queries"]
    lines = {name: {int(size): numbers[name] for size, numbers in kept.items()} for name in SHOWN}
    return plot("Time of a query, by generations in the history", "ms", lines, MOST_MS)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=__doc__)
    parser.add_argument("pieces", nargs="*", help=f"some of {', '.join(PIECES)}; all without a word")
    parser.add_argument("--again", action="store_true", help="measure these pieces again, and forget what was measured")
    asked = parser.parse_args()
    wrong = [each for each in asked.pieces if each not in PIECES]
    if wrong:
        parser.error(f"there is no piece {wrong[0]}; there are {', '.join(PIECES)}")
    pieces = asked.pieces or list(PIECES)
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if asked.again:
        results = {name: each for name, each in results.items() if name not in pieces}
    results |= {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "commit": commit(), "machine": machine()}
    measured(pieces, results)
    print("\n\n".join(f"{HEADS[piece]}\n\n{table(piece, results[piece])}" for piece in pieces))
    if all(piece in results for piece in PIECES):
        _write(ROOT / "docs" / "growth.md", page(results))
        _write(ROOT / "docs" / "growth.json", json.dumps(results, indent=1) + "\n")
        _write(ROOT / "docs" / "images" / "growth.svg", picture(results))


if __name__ == "__main__":
    main()
