"""The tables, and how a file gets them."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.images import Failure, ImageRequest
from service.storage.data_folder import DataFolderError
from service.storage.sqlite import SqliteStore
from service.storage.sqlite_schema import MIGRATIONS, migrate, transaction
from service.storage.store import FilesTotal, Search, Totals
from tests.paths import RECORDINGS
from tests.stores import begin

STORES = RECORDINGS / "store"
VERSION_1 = STORES / "version_1.sqlite3"
VERSION_3 = STORES / "version_3.sqlite3"

OPEN_AND_CLOSE = """
import sqlite3, sys
from pathlib import Path
from service.storage.sqlite_schema import migrate
sys.stdin.readline()
connection = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
migrate(connection, Path(sys.argv[1]))
connection.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "easel.sqlite3"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connected:
        yield connected


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_fresh_file_gets_every_migration(connection: sqlite3.Connection, path: Path) -> None:
    """Ours: and a write survives a power cut: WAL, FULL (2), with foreign keys."""
    migrate(connection, path)
    names = ("user_version", "journal_mode", "synchronous", "foreign_keys")
    assert [pragma(connection, name) for name in names] == [len(MIGRATIONS), "wal", 2, 1]


def test_migrating_again_changes_nothing(connection: sqlite3.Connection, path: Path) -> None:
    """Ours: every start migrates."""
    migrate(connection, path)
    tables = connection.execute("SELECT * FROM sqlite_schema").fetchall()
    migrate(connection, path)
    assert connection.execute("SELECT * FROM sqlite_schema").fetchall() == tables


def test_a_file_of_a_newer_version_is_refused_and_stays_untouched(connection: sqlite3.Connection, path: Path) -> None:
    """Ours: after a downgrade, the newer version's rows must not be misread."""
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(DataFolderError, match=r"newer version.*EASEL_DATA_DIR"):
        migrate(connection, path)
    assert path.read_bytes() == before


async def test_a_file_of_version_1_is_read_as_it_was_and_written_on(path: Path) -> None:
    """Ours: the file is one that version 1 wrote: two people's jobs, one of them working when its process ended."""
    shutil.copy(VERSION_1, path)
    store = await SqliteStore.open(path, "lease", lambda _: False)
    interrupted, done = await store.jobs("local", 10)
    (refused,) = await store.jobs("anna", 10)
    assert (done.state, done.prompt, done.created_at) == ("done", "一只猫 in a hat", 1_795_000_030.0)
    assert [kept.note for kept in done.pictures] == ["1K"]
    assert (refused.failure, interrupted.failure and interrupted.failure.kind) == (
        Failure(kind="policy", reason="The image service refused this prompt."), "interrupted",
    )  # fmt: skip
    assert [(job.parameters, job.upstream, job.task) for job in (done, refused, interrupted)] == [({}, "", "")] * 3
    new = await store.remember(await begin(store, "local", ImageRequest(model="m", prompt="p", seed=1)), "1")
    assert (new.history_id, new.parameters, new.task) == (4, {"seed": 1}, "1")
    assert (await store.totals("local")).done == 1
    await store.close()


async def test_a_file_of_version_3_has_its_files_words_and_charges(path: Path) -> None:
    """Ours: what was shown before counts as delivered, and what was being made may have been charged."""
    shutil.copy(VERSION_3, path)
    store = await SqliteStore.open(path, "lease", lambda _: False, lambda: 1_800_000_000.0)
    mug, vase, *done = await store.jobs("local", 10)
    assert [(job.delivered_at, job.submitted, job.parents) for job in done] == [
        (job.finished_at, True, ()) for job in done
    ]
    assert (vase.state, vase.task, vase.submitted, vase.delivered_at) == ("working", "vase 1", True, None)
    assert mug.failure is not None
    assert "may have charged" in mug.failure.reason
    assert await store.files_total("local") == FilesTotal(entries=2, bytes=2000, oldest=1_795_000_090.0)
    assert (await store.files_total(None)).entries == 3
    assert all(picture.kept and picture.source == "" for job in done for picture in job.pictures)
    assert [job.history_id for job in (await store.page("local", Search(query="猫"), 10)).jobs] == [4, 1]
    assert (await store.page("anna", Search(query="cat"), 10)).total == 1
    assert await store.delete("local", 4) == []
    assert await store.delete("local", 1) == ["a" * 32 + ".png", "b" * 32 + ".png"]
    assert await store.totals("local") == Totals(working=1, done=0, failed=1, pictures=0, picture_bytes=0)
    await store.close()


def test_a_migration_that_fails_leaves_the_version_before_it(connection: sqlite3.Connection, path: Path) -> None:
    """Ours: a crash between two statements must not leave tables that no version knows."""
    connection.execute("CREATE TABLE pictures (in_the_way)")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, path)
    assert pragma(connection, "user_version") == 0
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("pictures",)]


def test_a_transaction_is_all_or_nothing(connection: sqlite3.Connection, path: Path) -> None:
    """Ours: and the connection is ready for the next one."""
    connection.execute("CREATE TABLE t (n)")
    with pytest.raises(ValueError, match="bug"), transaction(connection, "IMMEDIATE"):
        connection.execute("INSERT INTO t VALUES (1)")
        raise ValueError("bug")
    with transaction(connection, "IMMEDIATE"):
        connection.execute("INSERT INTO t VALUES (2)")
    assert connection.execute("SELECT n FROM t").fetchall() == [(2,)]


def test_what_is_no_database_stops_the_start(path: Path) -> None:
    """Ours: the message names the file, the reason and the setting; the file stays for whoever can mend it."""
    path.write_bytes(b"no database, but long enough to be read as the header of one, which it is not" * 20)
    before = path.read_bytes()
    with pytest.raises(DataFolderError, match=r"easel\.sqlite3: file is not a database.*EASEL_DATA_DIR"):
        asyncio.run(SqliteStore.open(path, "lease", lambda _: True))
    assert path.read_bytes() == before


async def test_a_path_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    """Ours: as above."""
    with pytest.raises(DataFolderError, match="unable to open database file"):
        await SqliteStore.open(tmp_path / "missing" / "easel.sqlite3", "lease", lambda _: True)


async def test_processes_that_start_at_once_all_get_the_tables(path: Path) -> None:
    """Ours: an orchestrator starts several on an empty folder; each either migrates or waits for who does."""
    starting = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN_AND_CLOSE, path, stdin=subprocess.PIPE)
        for _ in range(8)
    ]
    await asyncio.gather(*(process.communicate(b"go\n") for process in starting))
    assert [process.returncode for process in starting] == [0] * 8
