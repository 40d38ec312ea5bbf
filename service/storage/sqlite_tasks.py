"""The records of MCP tasks in the SQLite file.

A record is one row of JSON: nothing asks for its parts but its owner, its end and its time. A task of a process that
died is left working where its tool can tell how its work ended; any other can never be answered again, so the next
start ends it as failed, and says so.
"""

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from typing import Final, Self

import orjson

from service.protocol.errors import INTERNAL_ERROR, RpcError
from service.protocol.task_records import ENDED, FAILED, WORKING, TaskKeeper, TaskRecord
from service.storage.sqlite_database import Database

SAVE: Final = """
    INSERT INTO tasks (id, owner, ended, expires_at, lease, record) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, expires_at = excluded.expires_at, record = excluded.record
"""
LOAD: Final = "SELECT record FROM tasks WHERE id = ? AND owner = ?"
LEASES_AT_WORK: Final = "SELECT DISTINCT lease FROM tasks WHERE NOT ended"
UNENDED: Final = "SELECT record FROM tasks WHERE NOT ended AND lease = ?"
PURGE: Final = "DELETE FROM tasks WHERE expires_at <= ?"
INTERRUPTED: Final = RpcError(INTERNAL_ERROR, "This server stopped while the task ran. Call the tool again.")


class SqliteTasks(TaskKeeper):
    """Task records of all processes; `lease` marks those of this one."""

    def __init__(self, database: Database, lease: str) -> None:
        self._database = database
        self._lease = lease

    @classmethod
    async def open(
        cls, database: Database, lease: str, alive: Callable[[str], bool], clock: Callable[[], float]
    ) -> Self:
        """End the tasks that dead processes left open, and remove the expired ones."""
        dead = await database.read(_dead_leases, alive)
        await database.write(_clear, dead, clock())
        return cls(database, lease)

    async def save(self, record: TaskRecord) -> None:
        """Insert a record, or replace the one of its id."""
        await self._database.write(_save, self._lease, record)

    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """The record of this owner's task, or None."""
        return await self._database.read(_load, owner, task_id)


def _save(connection: sqlite3.Connection, lease: str, record: TaskRecord) -> None:
    expires = record.created_at + record.ttl_ms / 1000
    ended = record.status in ENDED
    row = (record.id, record.owner, ended, expires, lease, orjson.dumps(asdict(record)).decode())
    connection.execute(SAVE, row)


def _load(connection: sqlite3.Connection, owner: str, task_id: str) -> TaskRecord | None:
    row = connection.execute(LOAD, (task_id, owner)).fetchone()
    return None if row is None else _read(row[0])


def _read(text: str) -> TaskRecord:
    return TaskRecord(**orjson.loads(text))


def _dead_leases(connection: sqlite3.Connection, alive: Callable[[str], bool]) -> list[str]:
    return [lease for (lease,) in connection.execute(LEASES_AT_WORK).fetchall() if not alive(lease)]


def _clear(connection: sqlite3.Connection, dead: Collection[str], now: float) -> None:
    connection.execute(PURGE, (now,))
    for lease in dead:
        for (text,) in connection.execute(UNENDED, (lease,)).fetchall():
            record = _read(text)
            if record.status == WORKING and record.work:  # its tool can tell how the work ended
                continue
            ended = replace(record, status=FAILED, message=INTERRUPTED.message, error=INTERRUPTED.body(),
                            input_requests={}, updated_at=now)  # fmt: skip
            _save(connection, lease, ended)
