"""The records of a data folder: the SQLite file, and the files of sessions that ended.

The file of the new place is written beside its name and gets that in the end, as a backup does. While a file is read,
a transaction of this process keeps every other one from writing to it.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from service.storage import disk_sessions
from service.storage.backup_folder import DATABASE, FORGET_DERIVED, NEW_DATABASE
from service.storage.data_folder import PRIVATE_FOLDER, DataFolderError, make_private_file, sync_folder
from service.storage.lease import living
from service.storage.moving.records import (
    BATCH,
    ENDED_SESSIONS,
    MoveError,
    RecordReader,
    Records,
    RecordWriter,
    Rows,
    Table,
)
from service.storage.records.words import search_text
from service.storage.sqlite.facets import INSERT_WORDS
from service.storage.sqlite.schema import STATEMENTS, VERSION, version_of
from service.troubles import described

R = TypeVar("R")

SESSIONS: Final = "ended-sessions"
NEW_SESSIONS: Final = "ended-sessions.new"

TRIGGERS: Final = tuple(each for each in STATEMENTS if each.lstrip().startswith("CREATE TRIGGER"))
FOLLOWING: Final = (
    "INSERT OR IGNORE INTO names (name) SELECT owner FROM jobs UNION SELECT model FROM jobs",
    """
    INSERT OR IGNORE INTO kept_jobs (owner, job_id)
    SELECT jobs.owner, jobs.id FROM pictures JOIN files USING (name) JOIN jobs ON jobs.id = job_id
    """,
    "INSERT INTO file_totals (owner, entries, bytes) SELECT owner, count(*), sum(size) FROM files GROUP BY owner",
)
"""Rows that triggers keep in step from then on."""

SELECT_PROMPTS: Final = "SELECT id, prompt FROM jobs WHERE id > ? ORDER BY id LIMIT ?"


class FolderRecords(Records):
    """The records of a data folder."""

    def __init__(self, data: Path) -> None:
        """Take the folder; nothing is opened yet."""
        self._data = data
        self.shown = str(data)

    async def check_empty(self) -> None:
        await _telling(self.shown, self._check_empty)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[RecordReader]:
        connection = await _telling(self.shown, self._connect)
        try:
            yield _Reader(connection, self._data / SESSIONS)
            await asyncio.to_thread(connection.execute, "COMMIT")
        finally:
            connection.close()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[RecordWriter]:
        connection = await _telling(self.shown, self._create)
        try:
            writer = _Writer(connection, self._data / NEW_SESSIONS)
            yield writer
            await _telling(self.shown, lambda: self._finish(connection))
        finally:
            connection.close()
            self._remove_drafts()

    def _connect(self) -> sqlite3.Connection:
        path = self._data / DATABASE
        if not path.is_file():
            raise MoveError(f"{path} is not there: EASEL_DATA_DIR names the data folder of the service")
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        if version_of(connection) != VERSION:
            connection.close()
            raise MoveError(f"{path} is of another release: start this one on it once, and stop it again")
        connection.execute("BEGIN IMMEDIATE")  # one that starts now waits in vain, and says so
        return connection

    def _check_empty(self) -> None:
        if (self._data / DATABASE).exists():
            raise MoveError(f"{self._data / DATABASE} is there already: name a new data folder, or move that file away")

    def _create(self) -> sqlite3.Connection:
        self._data.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._remove_drafts()
        make_private_file(self._data / NEW_DATABASE)
        connection = sqlite3.connect(self._data / NEW_DATABASE, isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
        for statement in STATEMENTS:
            if statement not in TRIGGERS:
                connection.execute(statement)
        return connection

    def _finish(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        connection.close()
        shutil.rmtree(self._data / SESSIONS, ignore_errors=True)
        if (self._data / NEW_SESSIONS).is_dir():
            (self._data / NEW_SESSIONS).replace(self._data / SESSIONS)
        (self._data / NEW_DATABASE).replace(self._data / DATABASE)
        sync_folder(self._data)

    def _remove_drafts(self) -> None:
        shutil.rmtree(self._data / NEW_SESSIONS, ignore_errors=True)
        for name in (NEW_DATABASE, f"{NEW_DATABASE}-journal"):
            (self._data / name).unlink(missing_ok=True)


class _Reader(RecordReader):
    def __init__(self, connection: sqlite3.Connection, sessions: Path) -> None:
        self._connection = connection
        self._sessions = sessions

    async def count(self, table: Table) -> int:
        return await asyncio.to_thread(self._count, table)

    async def batches(self, table: Table) -> AsyncIterator[Rows]:
        rows = self._rows(table)
        while batch := await asyncio.to_thread(_some, rows):
            yield batch

    async def forget_derived(self) -> None:
        await asyncio.to_thread(self._connection.execute, FORGET_DERIVED)

    def _count(self, table: Table) -> int:
        return sum(1 for _ in self._rows(table)) if table == ENDED_SESSIONS else _count(self._connection, table)

    def _rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        if table == ENDED_SESSIONS:
            return disk_sessions.all_ends(self._sessions)
        flags = [column in table.flags for column in table.columns]
        rows = self._connection.execute(f"SELECT {table.listed} FROM {table.name}")  # noqa: S608 - names of our own
        return (tuple(bool(v) if flag else v for v, flag in zip(row, flags, strict=True)) for row in rows)


class _Writer(RecordWriter):
    def __init__(self, connection: sqlite3.Connection, sessions: Path) -> None:
        self._connection = connection
        self._sessions = sessions
        self._ends = 0

    async def write(self, table: Table, rows: AsyncIterator[Rows]) -> None:
        async for batch in rows:
            await asyncio.to_thread(self._write, table, batch)

    async def count(self, table: Table) -> int:
        return self._ends if table == ENDED_SESSIONS else await asyncio.to_thread(_count, self._connection, table)

    async def complete(self) -> None:
        await asyncio.to_thread(self._complete)

    def _write(self, table: Table, batch: Rows) -> None:
        if table == ENDED_SESSIONS:
            disk_sessions.write_ends(self._sessions, batch)
            self._ends += len(batch)
            return
        places = ", ".join("?" * len(table.columns))
        self._connection.executemany(f"INSERT INTO {table.name} ({table.listed}) VALUES ({places})", batch)  # noqa: S608 - as above

    def _complete(self) -> None:
        for statement in FOLLOWING:
            self._connection.execute(statement)
        last = 0
        while jobs := self._connection.execute(SELECT_PROMPTS, (last, BATCH)).fetchall():
            self._connection.executemany(INSERT_WORDS, [(search_text(prompt), id_) for id_, prompt in jobs])
            last = jobs[-1][0]
        for statement in TRIGGERS:
            self._connection.execute(statement)


def _some(rows: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row for _, row in zip(range(BATCH), rows, strict=False)]


def _count(connection: sqlite3.Connection, table: Table) -> int:
    counted: int = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0]  # noqa: S608 - as above
    return counted


def check_idle(data: Path) -> None:
    """Raise `MoveError` while a service, or another move, runs on a data folder. Blocks for a moment."""
    try:
        running = living(data)
    except DataFolderError as error:
        raise MoveError(str(error)) from error
    if running:
        raise MoveError(
            f"a service, or another move, runs on {data}: stop it first, so that nothing is drawn meanwhile"
        )


async def _telling(where: str, work: Callable[[], R]) -> R:
    """Do blocking work; what the disk or SQLite refuses becomes a `MoveError`."""
    try:
        return await asyncio.to_thread(work)
    except (OSError, sqlite3.Error) as error:
        raise MoveError(f"{where}: {described(error)}") from error
    except DataFolderError as error:
        raise MoveError(str(error)) from error
