"""The tables."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.storage.sqlite.schema import VERSION, create_tables, version_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "easel.sqlite3"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connected:
        yield connected


def test_a_fresh_file_gets_the_tables_once(connection: sqlite3.Connection) -> None:
    """Ours: every start calls this."""
    create_tables(connection)
    tables = connection.execute("SELECT * FROM sqlite_schema").fetchall()
    create_tables(connection)
    assert version_of(connection) == VERSION
    assert connection.execute("SELECT * FROM sqlite_schema").fetchall() == tables
