"""The engines that keep records: one database of a test, opened by as many processes as the test likes.

The tests of `tests/storage/contract` run on each of them.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from service.bounds.limits import UNLIMITED, Allowances
from service.protocol.task_records import TaskKeeper
from service.storage.disk_sessions import DiskSessions
from service.storage.ended_sessions import EndedSessions
from service.storage.imports import Imports
from service.storage.people import People
from service.storage.postgresql.database import Database
from service.storage.postgresql.ended_sessions import PostgresSessions
from service.storage.postgresql.imports import PostgresImports
from service.storage.postgresql.leases import Held
from service.storage.postgresql.people import PostgresPeople
from service.storage.postgresql.store import PostgresStore
from service.storage.postgresql.tasks import PostgresTasks
from service.storage.postgresql.uploads import PostgresUploads
from service.storage.sqlite.imports import SqliteImports
from service.storage.sqlite.people import SqlitePeople
from service.storage.sqlite.store import SqliteStore
from service.storage.sqlite.tasks import SqliteTasks
from service.storage.sqlite.uploads import SqliteUploads
from service.storage.store import Store
from service.storage.upload_records import UploadKeeper

NOW: Final = 1_800_000_000.0


async def nothing() -> None:
    """Do nothing: the clock of the test brings it."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """All that one process has of the database. Closing the store lets go of it."""

    store: Store
    tasks: TaskKeeper
    uploads: UploadKeeper
    imports: Imports
    people: People
    sessions: EndedSessions
    catch_up: Callable[[], Awaitable[None]] = nothing
    """Brings the process up to the ends that others noted, as it does by itself in a moment."""

    async def close(self) -> None:
        await self.store.close()


class Engine(ABC):
    """One database. A process is alive until it `dies`, also when it was closed."""

    @abstractmethod
    async def open(
        self, lease: str = "a", clock: Callable[[], float] = lambda: NOW, allowances: Allowances = UNLIMITED
    ) -> Process:
        """Open the database as another process, which looks for dead ones then."""

    @abstractmethod
    async def die(self, lease: str) -> None:
        """Let a process be one that was killed, for those that look for it from now on."""

    @abstractmethod
    async def change_by_hand(self, statement: str) -> None:
        """Run a statement that every engine knows, as somebody would beside all processes."""

    @abstractmethod
    async def count(self, table: str) -> int:
        """The number of rows in a table."""

    @abstractmethod
    async def text(self) -> str:
        """All that stands in the tables of tokens, as whoever reads a backup of the database sees it."""


class SqliteEngine(Engine):
    """A file in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "easel.db"
        self._alive: set[str] = set()

    async def open(
        self, lease: str = "a", clock: Callable[[], float] = lambda: NOW, allowances: Allowances = UNLIMITED
    ) -> Process:
        self._alive.add(lease)
        alive = self._alive.__contains__
        store = await SqliteStore.open(self._path, lease, alive, clock, allowances=allowances)
        return Process(
            store=store,
            tasks=await SqliteTasks.open(store.database, lease, alive, clock),
            uploads=SqliteUploads(store.database, allowances),
            imports=SqliteImports(store.database),
            people=SqlitePeople(store.database),
            sessions=DiskSessions(self._path.parent / "ended-sessions", clock),
        )

    async def die(self, lease: str) -> None:
        self._alive.discard(lease)

    async def change_by_hand(self, statement: str) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute(statement)

    async def count(self, table: str) -> int:
        with closing(sqlite3.connect(self._path)) as connection:
            counted: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own name
        return counted

    async def text(self) -> str:
        with closing(sqlite3.connect(self._path)) as connection:
            return "\n".join(connection.iterdump())


class PostgresEngine(Engine):
    """A database of a PostgreSQL server."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder

    async def open(
        self, lease: str = "a", clock: Callable[[], float] = lambda: NOW, allowances: Allowances = UNLIMITED
    ) -> Process:
        database = await Database.open(self._url)
        held = Held(lease)
        store = await PostgresStore.open(database, held, clock, allowances=allowances, folder=self._folder)
        sessions = await PostgresSessions.open(database, clock)
        return Process(
            store=store,
            tasks=await PostgresTasks.open(database, held, clock),
            uploads=PostgresUploads(database, allowances),
            imports=PostgresImports(database),
            people=PostgresPeople(database),
            sessions=sessions,
            catch_up=sessions.look,
        )

    async def die(self, lease: str) -> None:
        await self._run("UPDATE leases SET seen_at = '-infinity' WHERE id = $1", lease)

    async def change_by_hand(self, statement: str) -> None:
        await self._run(statement)

    async def count(self, table: str) -> int:
        return len(await self._run(f"SELECT FROM {table}"))

    async def text(self) -> str:
        return "\n".join(str(dict(row)) for row in await self._run("SELECT * FROM tokens"))

    async def _run(self, statement: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._url)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()
