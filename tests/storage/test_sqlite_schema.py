"""The tables, and files of other versions."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.storage.data_folder import DataFolderError
from service.storage.sqlite_schema import VERSION, check_version, create_tables, version_of


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


@pytest.mark.parametrize(("version", "words"), [
    pytest.param(VERSION + 1, rf"a newer version .*tables {VERSION + 1}.*run that version.*EASEL_DATA_DIR", id="newer"),
    pytest.param(5, r"a development version .*tables 5.*another folder.*EASEL_DATA_DIR", id="development"),
])  # fmt: skip
def test_a_file_of_another_version_is_refused_and_stays_untouched(
    connection: sqlite3.Connection, path: Path, version: int, words: str
) -> None:
    """Ours: after a downgrade, the newer version's rows must not be misread."""
    connection.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(DataFolderError, match=words):
        check_version(connection, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", [0, VERSION])
def test_an_empty_file_and_one_of_this_version_are_taken(
    connection: sqlite3.Connection, path: Path, version: int
) -> None:
    connection.execute(f"PRAGMA user_version = {version}")
    check_version(connection, path)
