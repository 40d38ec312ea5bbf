"""The records of MCP tasks, in the file of the SQLite store.

A record is one row of JSON: nothing asks for its parts but its owner, its end and its time. A task of a process that
died is left working where its tool can tell how its work ended; any other can never be answered again, so the next
start keeps it as failed, and says so.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Final, Self

import orjson

from service.protocol.errors import INTERNAL_ERROR, RpcError
from service.protocol.task_records import ENDED, FAILED, WORKING, TaskKeeper, TaskRecord
from service.storage.sqlite import SqliteStore
from service.storage.sqlite_schema import transaction

SAVE: Final = """
    INSERT INTO tasks (id, owner, ended, expires_at, lease, record) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, expires_at = excluded.expires_at, record = excluded.record
"""
LOAD: Final = "SELECT record FROM tasks WHERE id = ? AND owner = ?"
UNENDED: Final = "SELECT lease, record FROM tasks WHERE NOT ended"
PURGE: Final = "DELETE FROM tasks WHERE expires_at <= ?"
INTERRUPTED: Final = RpcError(INTERNAL_ERROR, "This server stopped while the task ran. Call the tool again.")


class SqliteTasks(TaskKeeper):
    """Keeps records beside the jobs."""

    def __init__(self, store: SqliteStore, lease: str) -> None:
        self._store = store
        self._lease = lease

    @classmethod
    async def open(
        cls, store: SqliteStore, lease: str, alive: Callable[[str], bool], clock: Callable[[], float]
    ) -> Self:
        """Use the store's file; end what dead processes left open, and remove what has expired."""
        await store.run(lambda connection: _clear(connection, alive, clock()))
        return cls(store, lease)

    async def save(self, record: TaskRecord) -> None:
        """Keep a record in place of what was kept under its id."""
        await self._store.run(lambda connection: _save(connection, self._lease, record))

    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """The record of this owner's task, or None."""
        row = await self._store.run(lambda connection: connection.execute(LOAD, (task_id, owner)).fetchone())
        return None if row is None else TaskRecord(**orjson.loads(row[0]))


def _save(connection: sqlite3.Connection, lease: str, record: TaskRecord) -> None:
    expires = record.created_at + record.ttl_ms / 1000
    ended = record.status in ENDED
    row = (record.id, record.owner, ended, expires, lease, orjson.dumps(asdict(record)).decode())
    with transaction(connection, "IMMEDIATE"):
        connection.execute(SAVE, row)


def _clear(connection: sqlite3.Connection, alive: Callable[[str], bool], now: float) -> None:
    rows = connection.execute(UNENDED).fetchall()
    dead = {lease for lease in {row[0] for row in rows} if not alive(lease)}
    with transaction(connection, "IMMEDIATE"):
        connection.execute(PURGE, (now,))
    for lease, text in rows:
        record = TaskRecord(**orjson.loads(text))
        goes_on = record.status == WORKING and record.work
        if lease in dead and not goes_on and not record.expired(now):
            ended = replace(record, status=FAILED, message=INTERRUPTED.message, error=INTERRUPTED.body(),
                            input_requests={}, updated_at=now)  # fmt: skip
            _save(connection, lease, ended)
