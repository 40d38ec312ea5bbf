"""The cost of each query as a history grows: no more, by the steps of SQLite, and nothing is sorted or scanned.

`make bench-growth` measures the same with a million rows.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from benchmarks import history_queries
from benchmarks.growth_data import history
from benchmarks.growth_store import answer, store_on
from benchmarks.history_queries import QUERIES
from service.storage import store as contract

SMALL: Final = 300
LARGE: Final = 3_000
STEPS_AT_ONCE: Final = 10

SORTS: Final = {"names, two characters", "costs"}
"""Looked up by name or day, and shown by age or sum: a few of all."""

WHOLE_INDEX: Final = {"SCAN jobs USING INDEX jobs_working"}
"""An index of the jobs at work alone."""

FOUND_ALREADY: Final = {"found", "(subquery", "json_each", "totals", "file_totals"}
"""A result of another step, what was asked for, and the tables with a row for each owner."""


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sqlite3.Connection, ...]]:
    """Two histories, one ten times as long as the other."""
    folder = tmp_path_factory.mktemp("histories")
    paths: list[Path] = [history(folder, count) for count in (SMALL, LARGE)]
    opened = [sqlite3.connect(path, isolation_level=None) for path in paths]
    with closing(opened[0]), closing(opened[1]):
        yield tuple(opened)


def steps_of(connection: sqlite3.Connection, name: str, count: int) -> int:
    """Ten steps of SQLite's machine at a time."""
    taken = 0

    def count_them() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(count_them, STEPS_AT_ONCE)
    answer(QUERIES[name](store_on(connection), count))
    connection.set_progress_handler(None, 0)
    return taken


@pytest.mark.parametrize("name", [name for name in QUERIES if name not in SORTS])
def test_a_query_takes_as_many_steps_in_a_history_ten_times_as_long(
    histories: tuple[sqlite3.Connection, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "COUNTED", 20)
    monkeypatch.setattr(contract, "COUNTED_WORDS", 20)
    monkeypatch.setattr(history_queries, "COMPLETED", 10)
    few, many = (steps_of(each, name, count) for each, count in zip(histories, (SMALL, LARGE), strict=True))
    assert many <= 2 * few + 600


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_goes_by_an_index_and_sorts_nothing(histories: tuple[sqlite3.Connection, ...], name: str) -> None:
    said: list[str] = []
    connection = histories[0]
    connection.set_trace_callback(said.append)
    answer(QUERIES[name](store_on(connection), SMALL))
    connection.set_trace_callback(None)
    # FTS5 traces queries of its own, by the names of its tables.
    asked = [sql for sql in said if sql.lstrip().startswith("SELECT") and "prompts_" not in sql]
    assert asked
    for sql in asked:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        scans = [each for each in steps if each.startswith("SCAN") and each not in WHOLE_INDEX and not is_small(each)]
        assert not scans, sql
        assert name in SORTS or not any("TEMP B-TREE" in each for each in steps), (sql, steps)


def is_small(step: str) -> bool:
    """Tell a scan of what was found already, and the walk of the full-text index, from that of a table."""
    return "VIRTUAL TABLE INDEX" in step or re.split("[ -]", step)[1] in FOUND_ALREADY
