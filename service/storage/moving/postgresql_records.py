"""The records in PostgreSQL, for a move: read at one moment, or written in one transaction.

The table of leases is locked meanwhile, so that no replica can start. One that was halted has lost its lease when it
wakes up.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import asyncpg

from service.storage.moving.records import (
    BATCH,
    JOBS,
    TABLES,
    TASKS,
    MoveError,
    RecordReader,
    Records,
    RecordWriter,
    Rows,
    Table,
)
from service.storage.postgresql.agreement import identity_of
from service.storage.postgresql.leases import DEAD_S
from service.storage.postgresql.schema import SchemaError, check_encoding, migrate
from service.storage.postgresql.troubles import of_connecting, trouble_of
from service.storage.records.words import search_text
from service.storage.secret import Secret
from service.storage_urls import DATABASE_URL, DatabaseUrl

CONNECT_S: Final = 10.0
BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = '5s'"
LOCK: Final = "LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE"
"""The first statement: the moment that is read comes after it."""

LIVING: Final = f"SELECT count(*) FROM leases WHERE seen_at > clock_timestamp() - interval '{DEAD_S} s'"  # noqa: S608 - a number
"""Unlike a replica, a move does not wait for those that a database which was gone has silenced."""

FORGET_DEAD: Final = "DELETE FROM leases"

WITH_TRIGGERS: Final = ("jobs", "pictures", "lineage", "files")
"""Their triggers would count what is copied with its counts."""

FOLLOWING: Final = (
    """
    INSERT INTO kept_jobs (owner, history_id)
    SELECT DISTINCT jobs.owner, jobs.history_id FROM pictures JOIN files USING (name) JOIN jobs ON jobs.id = job_id
    """,
    "INSERT INTO file_totals (owner, entries, bytes) SELECT owner, count(*), sum(size) FROM files GROUP BY owner",
    "SELECT setval(pg_get_serial_sequence('jobs', 'id'), max(id)) FROM jobs",
)
FORGET_DERIVED: Final = "UPDATE files SET derived = 0 WHERE derived <> 0"
SELECT_PROMPTS: Final = "SELECT id, prompt FROM jobs WHERE id > $1 ORDER BY id LIMIT $2"
INSERT_WORDS: Final = "SELECT insert_words(id, words) FROM unnest($1::bigint[], $2::text[]) AS entered (id, words)"


class PostgresRecords(Records):
    """The records of a database."""

    def __init__(self, place: DatabaseUrl) -> None:
        """Take its address; nothing is opened yet."""
        self._place = place
        self.shown = place.shown

    async def identity(self) -> Secret:
        """Return the secret that the database has of its own, whose tables are made if need be. Raises `MoveError`."""
        async with self._locked() as connection:
            return await identity_of(connection)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[RecordReader]:
        async with self._locked() as connection:
            living = await connection.fetchval(LIVING)
            if living:
                raise MoveError(
                    f"{living} {'replica runs' if living == 1 else 'replicas run'} on {self.shown}: stop them first "
                    f"and wait {DEAD_S} seconds, so that nothing is drawn meanwhile"
                )
            await connection.execute(FORGET_DEAD)
            yield _Reader(connection)

    async def check_empty(self) -> None:
        async with self._locked() as connection:
            await self._check_empty(connection)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[RecordWriter]:
        async with self._locked() as connection:
            await self._check_empty(connection)
            for name in WITH_TRIGGERS:
                await connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
            yield _Writer(connection)
            for name in WITH_TRIGGERS:
                await connection.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")

    async def _check_empty(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        for table in TABLES:
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table.name})"):  # noqa: S608 - a name of our own
                raise MoveError(f"{self.shown} has records already, in {table.name}: name an empty database")

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Open a transaction in which no replica can start; it is kept when the block ends in order."""
        connection = None
        try:
            connection = await asyncpg.connect(self._place.url, timeout=CONNECT_S, statement_cache_size=0)
            try:
                await check_encoding(connection)
                await migrate(connection)
                await connection.execute(BEGIN)
                await connection.execute(LOCK)
                yield connection
                await connection.execute("COMMIT")
            finally:
                await connection.close(timeout=CONNECT_S)
        except SchemaError as error:
            raise MoveError(f"{self.shown}: {error}") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            trouble = of_connecting(error) if connection is None else trouble_of(error)
            if trouble is None:
                raise
            raise MoveError(f"{DATABASE_URL}: {self.shown}: {trouble.fact}; {trouble.advice}") from error


class _Reader(RecordReader):
    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def count(self, table: Table) -> int:
        return await _count(self._connection, table)

    async def batches(self, table: Table) -> AsyncIterator[Rows]:
        query = f"SELECT {table.listed} FROM {table.name}"  # noqa: S608 - names of our own
        name = f"rows_of_{table.name}"
        await self._connection.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {query}")
        while rows := await self._connection.fetch(f"FETCH {BATCH} FROM {name}"):
            yield [_neutral(table, row) for row in rows]
        await self._connection.execute(f"CLOSE {name}")

    async def forget_derived(self) -> None:
        await self._connection.execute(FORGET_DERIVED)


class _Writer(RecordWriter):
    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def write(self, table: Table, rows: AsyncIterator[Rows]) -> None:
        columns = (*table.columns, "unread") if table == TASKS else table.columns
        async for batch in rows:
            records = [_own(table, row) for row in batch]
            await self._connection.copy_records_to_table(table.name, records=records, columns=columns)

    async def count(self, table: Table) -> int:
        return await _count(self._connection, table)

    async def complete(self) -> None:
        for statement in FOLLOWING:
            await self._connection.execute(statement)
        last = 0
        while jobs := await self._connection.fetch(SELECT_PROMPTS, last, BATCH):
            words = [search_text(prompt) for _, prompt in jobs]
            await self._connection.execute(INSERT_WORDS, [id_ for id_, _ in jobs], words)
            last = jobs[-1][0]


async def _count(connection: "asyncpg.Connection[asyncpg.Record]", table: Table) -> int:
    counted: int = await connection.fetchval(f"SELECT count(*) FROM {table.name}")  # noqa: S608 - a name of our own
    return counted


def _neutral(table: Table, row: Iterable[Any]) -> list[Any]:
    """Return a row as other engines have it."""
    values = list(row)
    if table == JOBS:
        at = table.columns.index("tasks")
        values[at] = json.dumps(json.loads(values[at]), separators=(",", ":"))  # as SQLite writes it
    if table == TASKS:
        at = table.columns.index("messages")
        values[at] = f"[{','.join(values[at])}]"
    return values


def _own(table: Table, row: Sequence[Any]) -> list[Any]:
    """Return a row as this engine has it: it knows no NUL, and keeps the messages of a task apart and counted."""
    values = [each.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(each, str) else each for each in row]
    if table == TASKS:
        at = table.columns.index("messages")
        values[at] = [json.dumps(each, ensure_ascii=False) for each in json.loads(values[at])]
        values.append(sum(map(len, values[at])))
    return values
