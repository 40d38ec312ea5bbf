"""Files of other versions: those of an earlier release are copied and converted, all others are refused."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.storage.data_folder import DataFolderError, make_private
from service.storage.sqlite.database import Database
from service.storage.sqlite.schema import VERSION, create_tables, version_of
from service.storage.sqlite.upgrade import Conversions, backup_of, copy_database, needs_upgrade

OLDER = VERSION - 2
"""The version of the files below, which lack the table of pauses and a column."""


def add_table(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE pauses (owner TEXT NOT NULL PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID")
    connection.execute("INSERT INTO pauses VALUES ('ann', 1.0)")


def add_column(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE pauses ADD COLUMN until REAL")


STEPS: Conversions = {OLDER: add_table, OLDER + 1: add_column}

START_AT_ONCE = """
import asyncio, sys
from pathlib import Path
from service.storage.sqlite.database import Database
from tests.storage.sqlite.test_upgrade import STEPS

async def main():
    await (await Database.open(Path(sys.argv[1]), STEPS)).close()

sys.stdin.readline()
asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "easel.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connected:
        yield connected


@pytest.fixture
def older(path: Path) -> Path:
    """A file of an earlier release, with an upload in it and a log beside it, as a killed process leaves them."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        create_tables(connection)
        connection.execute("DROP TABLE pauses")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA user_version = {OLDER}")
        connection.execute("INSERT INTO totals (owner, newest) VALUES ('ann', 7)")
    return path


async def open_and_close(path: Path) -> None:
    await (await Database.open(path, STEPS)).close()


def newest(path: Path) -> tuple[int, list[tuple[str, int]]]:
    """The version of the tables, and the number of each owner's newest job."""
    with closing(sqlite3.connect(path)) as connection:
        return version_of(connection), connection.execute("SELECT owner, newest FROM totals").fetchall()


@pytest.mark.parametrize(("version", "words"), [
    pytest.param(VERSION + 1, rf"a newer version .*tables {VERSION + 1}.*run that version.*easel\.db\.v{VERSION}\.bak"
                 ".*EASEL_DATA_DIR", id="newer"),
    pytest.param(5, r"a development version .*tables 5.*another folder.*EASEL_DATA_DIR", id="development"),
    pytest.param(OLDER - 1, r"a development version ", id="before the first step"),
])  # fmt: skip
def test_a_file_of_a_version_without_a_step_is_refused_and_stays_untouched(
    connection: sqlite3.Connection, path: Path, version: int, words: str
) -> None:
    """Ours: after a downgrade, the newer version's rows must not be misread."""
    connection.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(DataFolderError, match=words):
        asyncio.run(Database.open(path, STEPS))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("version", [0, VERSION])
def test_an_empty_file_and_one_of_this_version_need_no_upgrade(
    connection: sqlite3.Connection, path: Path, version: int
) -> None:
    connection.execute(f"PRAGMA user_version = {version}")
    assert not needs_upgrade(connection, path)


async def test_a_file_of_an_earlier_release_is_copied_then_converted(older: Path) -> None:
    database = await Database.open(older, STEPS)
    rows = await database.read(lambda one: one.execute("SELECT owner, since, until FROM pauses").fetchall())
    await database.close()
    assert rows == [("ann", 1.0, None)]
    assert newest(older) == (VERSION, [("ann", 7)])
    copy = backup_of(older, OLDER)
    assert copy.name == f"easel.db.v{OLDER}.bak"
    assert newest(copy) == (OLDER, [("ann", 7)])
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    await (await Database.open(older, STEPS)).close()
    assert sorted(each.name for each in older.parent.iterdir()) == [older.name, copy.name]


async def test_the_copy_is_no_strange_file_of_the_data_folder(older: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ours: the start would warn that others can look into the folder."""
    await (await Database.open(older, STEPS)).close()
    caplog.clear()
    older.parent.chmod(0o755)
    make_private(older.parent)
    assert not caplog.records
    assert stat.S_IMODE(older.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("fault", ["its statement is wrong", "a row refers to nothing"])
def test_a_conversion_that_fails_changes_nothing(older: Path, fault: str) -> None:
    """Ours: the earlier release still runs on the file, and the next try begins anew."""

    def fail(connection: sqlite3.Connection) -> None:
        add_column(connection)
        if fault == "its statement is wrong":
            connection.execute("ALTER TABLE nothing ADD COLUMN n")
        connection.execute("INSERT INTO working_files VALUES (1, 'a', 1)")

    before = older.read_bytes()
    with pytest.raises(DataFolderError, match=rf"from {OLDER} to {VERSION} and stay as they were: .*EASEL_DATA_DIR"):
        asyncio.run(Database.open(older, {**STEPS, OLDER + 1: fail}))
    assert older.read_bytes() == before
    asyncio.run(open_and_close(older))
    assert newest(older)[0] == VERSION


async def test_without_a_copy_nothing_is_converted(older: Path) -> None:
    """Ours: a full disk, or anything else that is in the way of the copy, ends the start."""
    (older.parent / f"{backup_of(older, OLDER).name}.part").mkdir()
    with pytest.raises(DataFolderError, match="stay as they were"):
        await Database.open(older, STEPS)
    assert newest(older)[0] == OLDER


async def test_processes_that_start_at_once_convert_once(older: Path) -> None:
    """Ours: a second conversion would fail, and a second copy would be one of the converted file."""
    starting = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", START_AT_ONCE, older, stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    await asyncio.gather(*(process.communicate(b"go\n") for process in starting))
    assert [process.returncode for process in starting] == [0] * 4
    assert newest(older)[0] == VERSION
    assert newest(backup_of(older, OLDER))[0] == OLDER


def test_a_copy_is_taken_while_another_connection_holds_the_lock_of_writers(older: Path, tmp_path: Path) -> None:
    """SQLite: VACUUM INTO only reads. Ours: a backup stops no picture that was paid for."""
    with closing(sqlite3.connect(older, isolation_level=None)) as writer:
        writer.execute("INSERT INTO totals (owner, newest) VALUES ('ben', 1)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO totals (owner, newest) VALUES ('cat', 1)")
        copy_database(older, tmp_path / "copy")
    assert newest(tmp_path / "copy") == (OLDER, [("ann", 7), ("ben", 1)])
