"""One SQLite file, its connections and threads."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.storage.data_folder import DataFolderError
from service.storage.sqlite.database import READERS, Database, ReaderThreads
from service.storage.sqlite.schema import VERSION

OPEN_AND_CLOSE = """
import asyncio, sys
from pathlib import Path
from service.storage.sqlite.database import Database

async def main():
    await (await Database.open(Path(sys.argv[1]))).close()

sys.stdin.readline()
asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "easel.sqlite3"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """A database with one more table, for numbers."""
    opened = await Database.open(path)
    await opened.write(lambda one: one.execute("CREATE TABLE numbers (n)"))
    yield opened
    await opened.close()


def insert(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("INSERT INTO numbers VALUES (?)", (number,))


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT n FROM numbers ORDER BY n")]


def held_until(
    release: threading.Event, started: threading.Event | None = None
) -> Callable[[sqlite3.Connection], bool]:
    """Work that takes until it is released; false when that never happens."""

    def hold(_: sqlite3.Connection) -> bool:
        if started is not None:
            started.set()
        return release.wait(10)

    return hold


async def test_a_write_survives_a_power_cut_and_checks_foreign_keys(database: Database) -> None:
    """SQLite: WAL with FULL (2) syncs at every commit."""
    names = ("user_version", "journal_mode", "synchronous", "foreign_keys")

    def settings(connection: sqlite3.Connection) -> list[object]:
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await database.write(settings) == [VERSION, "wal", 2, 1]


async def test_work_is_done_wholly_or_not_at_all(database: Database) -> None:
    """Ours: and the connection is ready for the next piece of work."""

    def insert_and_fail(connection: sqlite3.Connection) -> None:
        insert(connection, 1)
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        await database.write(insert_and_fail)
    await database.write(insert, 2)
    assert await database.read(numbers) == [2]


async def test_a_read_sees_every_write_that_was_awaited(database: Database) -> None:
    """Ours: a call that ends a job and then shows it shows its end."""
    for number in range(50):
        await database.write(insert, number)
        assert len(await database.read(numbers)) == number + 1


async def test_a_read_sees_one_moment(database: Database) -> None:
    """Ours: a page and its total agree, whatever is written meanwhile."""
    started, release = threading.Event(), threading.Event()

    def twice(connection: sqlite3.Connection) -> tuple[list[int], list[int]]:
        first = numbers(connection)
        started.set()
        release.wait(10)
        return first, numbers(connection)

    reading = asyncio.ensure_future(database.read(twice))
    await asyncio.to_thread(started.wait, 10)
    await database.write(insert, 1)
    release.set()
    assert await reading == ([], [])


async def test_no_read_waits_for_a_write(database: Database) -> None:
    """Ours: pages of the history are shown while a long history is cleared."""
    release = threading.Event()
    writing = asyncio.ensure_future(database.write(held_until(release)))
    assert await database.read(numbers) == []
    release.set()
    assert await writing


async def test_no_write_waits_for_reads(database: Database) -> None:
    """Ours: searches of many must not hold up a picture that was paid for. Nor does one of them hold up all reads."""
    release = threading.Event()
    searching = [asyncio.ensure_future(database.read(held_until(release))) for _ in range(READERS - 1)]
    await database.write(insert, 1)
    assert await database.read(numbers) == [1]
    searching.append(asyncio.ensure_future(database.read(held_until(release))))
    await database.write(insert, 2)
    release.set()
    assert all(await asyncio.gather(*searching))


async def test_no_short_read_waits_for_long_ones(database: Database) -> None:
    """Ours: a page is shown at once while somebody searches for words that stand everywhere."""
    release = threading.Event()
    searching = [asyncio.ensure_future(database.read_at_length(held_until(release))) for _ in range(3)]
    await database.write(insert, 1)
    assert await database.read(numbers) == [1]
    release.set()
    assert all(await asyncio.gather(*searching))
    assert await database.read_at_length(numbers) == [1]


async def test_writes_of_other_processes_alone_are_changes_from_elsewhere(database: Database, path: Path) -> None:
    before = await database.changes_elsewhere()
    await database.write(insert, 1)
    assert await database.changes_elsewhere() == before
    with closing(sqlite3.connect(path)) as other, other:
        insert(other, 2)
    assert await database.changes_elsewhere() != before


async def test_reading_writes_nothing(database: Database) -> None:
    """Ours: a write on a reading connection would wait for the writer and fail at random."""
    with pytest.raises(Exception, match="readonly"):
        await database.read(insert, 1)
    assert await database.read(numbers) == []


async def test_closing_finishes_what_was_handed_over(path: Path) -> None:
    """Ours: and leaves one whole file, without a log beside it."""
    database = await Database.open(path)
    await database.write(lambda one: one.execute("CREATE TABLE numbers (n)"))
    release, started = threading.Event(), threading.Event()
    reading = asyncio.ensure_future(database.read(held_until(release, started)))
    await asyncio.to_thread(started.wait, 10)
    writing = [asyncio.ensure_future(database.write(insert, number)) for number in range(20)]
    await asyncio.sleep(0)  # lets each task hand its write over
    closing_now = asyncio.create_task(database.close())
    await asyncio.gather(*writing)
    assert not closing_now.done()
    release.set()
    await asyncio.gather(closing_now, database.close())
    assert await reading
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    with closing(sqlite3.connect(path)) as connection:
        assert numbers(connection) == list(range(20))
    with pytest.raises(RuntimeError, match="the store is closed"):
        await database.read(numbers)


async def test_a_failed_opening_leaves_nothing_open(path: Path) -> None:
    """Ours: a crash between two statements must not leave tables that no version knows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE pictures (in_the_way)")
        with pytest.raises(DataFolderError, match="already exists"):
            await Database.open(path)
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("pictures",)]
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("INSERT INTO pictures VALUES (1)")  # would wait for a connection that was left open


def copied_rows(path: Path, target: Path) -> list[int]:
    """The numbers in a copy of the one file, without the log beside it."""
    shutil.copy(path, target)
    with closing(sqlite3.connect(target)) as copy:
        return numbers(copy)


async def test_a_copy_of_the_one_file_has_the_history_once_nothing_is_written(path: Path, tmp_path: Path) -> None:
    """Bug: `cp easel.db` of a running service gave an empty history, since all of it stood in the log."""
    database = await Database.open(path)
    try:
        await database.write(lambda one: one.execute("CREATE TABLE numbers (n)"))
        await database.write(insert, 1)
        async with asyncio.timeout(60):
            keeping = asyncio.create_task(database.keep_log_empty(look_s=0.01))
            while path.with_name(f"{path.name}-wal").stat().st_size:  # noqa: ASYNC110 - another process would see it so
                await asyncio.sleep(0.01)
        keeping.cancel()
        assert copied_rows(path, tmp_path / "copy") == [1]
    finally:
        await database.close()


async def test_a_reader_in_the_way_puts_the_emptying_off(database: Database, path: Path, tmp_path: Path) -> None:
    """SQLite: the log cannot be emptied under a reader; nobody waits for it, and the next look tries again."""
    release, started = threading.Event(), threading.Event()

    def read_slowly(connection: sqlite3.Connection) -> bool:
        numbers(connection)
        return held_until(release, started)(connection)

    reading = asyncio.ensure_future(database.read(read_slowly))
    await asyncio.to_thread(started.wait, 10)
    await database.write(insert, 1)
    assert not await database.empty_log()
    release.set()
    assert await reading
    assert await database.empty_log()
    assert copied_rows(path, tmp_path / "copy") == [1]


def test_what_is_no_database_stops_the_start(path: Path) -> None:
    """Ours: the message names the file, the reason and the setting; the file stays for whoever can mend it."""
    path.write_bytes(b"no database, but long enough to be read as the header of one, which it is not" * 20)
    before = path.read_bytes()
    with pytest.raises(DataFolderError, match=r"easel\.sqlite3: file is not a database.*EASEL_DATA_DIR"):
        asyncio.run(Database.open(path))
    assert path.read_bytes() == before


async def test_a_path_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    """Ours: as above."""
    with pytest.raises(DataFolderError, match="No such file or directory"):
        await Database.open(tmp_path / "missing" / "easel.sqlite3")


async def test_processes_that_start_at_once_all_get_the_tables(path: Path) -> None:
    """Ours: an orchestrator starts several on an empty folder; one makes the tables, and the others wait for it."""
    starting = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN_AND_CLOSE, path, stdin=subprocess.PIPE)
        for _ in range(8)
    ]
    await asyncio.gather(*(process.communicate(b"go\n") for process in starting))
    assert [process.returncode for process in starting] == [0] * 8


@pytest.fixture
def connections() -> list[sqlite3.Connection]:
    return [sqlite3.connect(":memory:", check_same_thread=False) for _ in range(2)]


def test_all_connections_read_at_once_and_end_closed(connections: list[sqlite3.Connection]) -> None:
    threads = ReaderThreads("test", connections)
    meeting = threading.Barrier(3, timeout=60)
    seen: list[sqlite3.Connection] = []

    def meet(connection: sqlite3.Connection) -> None:
        seen.append(connection)
        meeting.wait()

    threads.submit(meet)
    threads.submit(meet)
    meeting.wait()
    threads.close()
    assert sorted(map(id, seen)) == sorted(map(id, connections))
    for each in connections:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            each.execute("SELECT 1")


def test_what_was_asked_before_the_end_is_done_in_its_order(connections: list[sqlite3.Connection]) -> None:
    threads = ReaderThreads("test", connections[:1])
    done: list[int] = []
    for number in range(100):
        threads.submit(lambda _, number=number: done.append(number))  # type: ignore[misc]
    threads.close()
    assert done == list(range(100))
