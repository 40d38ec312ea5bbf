"""The costs of a shared database and bucket, in round trips and processor time: `make bench-scale`.

Two cores say nothing of the rate that a hundred machines have. So one run compares processor time per call on SQLite
and on PostgreSQL, counts what crosses the wire at three replicas, and calculates from both what a hundred need. Pieces:
`costs`, `trips`, `queries`; all without a word. With `--docs` the section "Measured" of docs/scale.md is written anew.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import replica_costs, replica_pages, replica_queries, replica_trips
from benchmarks.results import commit, machine
from benchmarks.serving import CACHE, ROOT
from tests.scale import postgres, seaweed

RESULTS: Final = CACHE / "replicas.json"
PAGE: Final = ROOT / "docs" / "scale.md"
SECTION: Final = re.compile(r"^## Measured\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SHARED_BUFFERS: Final = "128MB"
"""The default of PostgreSQL; the server of the tests has less."""

PIECES: Final = ("costs", "trips", "queries")


async def measured(piece: str, rounds: int, rows: int) -> Any:
    """Measure one piece on servers of its own."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running(shared_buffers=SHARED_BUFFERS))
        if piece == "queries":
            return await replica_queries.measured(server, rows)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if piece == "costs":
            return await replica_costs.measured(server, folder, rounds)
        bucket = stack.enter_context(seaweed.running(folder / "s3"))
        return await replica_trips.measured(server, bucket, folder)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.replicas", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pieces", nargs="*", help=f"some of {', '.join(PIECES)}; all without a word")
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison with SQLite")
    parser.add_argument("--rows", type=int, default=1_000_000, help="generations in the history of the queries")
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/scale.md")
    asked = parser.parse_args()
    wrong = [each for each in asked.pieces if each not in PIECES]
    if wrong:
        parser.error(f"there is no piece {wrong[0]}; there are {', '.join(PIECES)}")
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    where = machine()  # before anything is bound to a core
    for piece in asked.pieces or PIECES:
        print(f"{piece}: measuring", file=sys.stderr, flush=True)
        results[piece] = asyncio.run(measured(piece, asked.rounds, asked.rows))
        results |= {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "commit": commit(), "machine": where}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    section = replica_pages.section(results)
    print(section)
    if asked.docs:
        write(PAGE, section)


def write(page: Path, section: str) -> None:
    """Put the section in the place of the one that the page has, or at its end."""
    text = page.read_text(encoding="utf-8")
    new, found = SECTION.subn(lambda old: section + ("\n" if old.end() < len(text) else ""), text)
    page.write_text(new if found else f"{text.rstrip()}\n\n{section}", encoding="utf-8")


if __name__ == "__main__":
    main()
