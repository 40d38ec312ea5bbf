"""The records of MCP tasks in the SQLite file (`task_rows`). The next start ends those of a process that died."""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Self

import orjson

from service.protocol.task_records import TaskKeeper, TaskRecord
from service.storage.lease import RELEASED
from service.storage.sqlite.database import Database
from service.storage.task_rows import MAX_UNREAD, expiry_of, interrupted, is_ended, read, text_of

SAVE: Final = """
    INSERT INTO tasks (id, owner, ended, expires_at, lease, record) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, expires_at = excluded.expires_at, record = excluded.record
    WHERE NOT ended
"""
LOAD: Final = "SELECT record FROM tasks WHERE id = ? AND owner = ?"
LEASES_AT_WORK: Final = "SELECT DISTINCT lease FROM tasks WHERE NOT ended"
UNENDED: Final = "SELECT record FROM tasks WHERE NOT ended AND lease = ?"
RELEASE: Final = "UPDATE tasks SET lease = ? WHERE id = ? AND lease = ?"
RUNS_IT: Final = "SELECT lease FROM tasks WHERE id = ? AND NOT ended"
SEND: Final = """
    UPDATE tasks SET messages = json_insert(messages, '$[#]', json(?))
    WHERE id = ? AND lease = ? AND NOT ended AND length(messages) < ?
"""
UNREAD: Final = "SELECT messages FROM tasks WHERE id = ? AND messages <> '[]'"
RECEIVE: Final = "UPDATE tasks SET messages = '[]' WHERE id = ?"
PURGE: Final = "DELETE FROM tasks WHERE expires_at <= ?"


class SqliteTasks(TaskKeeper):
    """Task records of all processes; `lease` marks those of this one."""

    def __init__(self, database: Database, lease: str, alive: Callable[[str], bool]) -> None:
        self._database = database
        self._lease = lease
        self._alive = alive

    @classmethod
    async def open(
        cls, database: Database, lease: str, alive: Callable[[str], bool], clock: Callable[[], float]
    ) -> Self:
        """End the tasks that dead processes left open, and remove the expired ones."""
        dead = await database.read(_dead_leases, alive)
        await database.write(_clear, dead, clock())
        return cls(database, lease, alive)

    async def save(self, record: TaskRecord) -> None:
        """Insert a record, or replace the one of its id."""
        await self._database.write(_save, self._lease, record)

    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """The record of this owner's task, or None."""
        return await self._database.read(_load, owner, task_id)

    async def release(self, task_id: str) -> None:
        """Take the lease of this process off a task."""
        await self._database.write(lambda one: one.execute(RELEASE, (RELEASED, task_id, self._lease)))

    async def send(self, task_id: str, message: Mapping[str, Any]) -> bool:
        """Append a message for the other, living process that runs a task; False where there is none."""
        lease = await self._database.read(self._other_lease, task_id)
        if lease is None:
            return False
        values = (orjson.dumps(message).decode(), task_id, lease, MAX_UNREAD)
        return await self._database.write(lambda one: one.execute(SEND, values).rowcount > 0)

    async def receive(self, task_id: str) -> Sequence[Mapping[str, Any]]:
        """Take the messages for a task of this process."""
        if await self._database.read(_unread, task_id) is None:  # nearly always, and nobody waits for a read
            return []
        return await self._database.write(_receive, task_id)

    def _other_lease(self, connection: sqlite3.Connection, task_id: str) -> str | None:
        """The lease of the other, living process that runs a task. The look waits for a lock: do it in a read."""
        row = connection.execute(RUNS_IT, (task_id,)).fetchone()
        return row[0] if row and row[0] not in (RELEASED, self._lease) and self._alive(row[0]) else None


def _save(connection: sqlite3.Connection, lease: str, record: TaskRecord) -> None:
    row = (record.id, record.owner, is_ended(record), expiry_of(record), lease, text_of(record))
    connection.execute(SAVE, row)


def _load(connection: sqlite3.Connection, owner: str, task_id: str) -> TaskRecord | None:
    row = connection.execute(LOAD, (task_id, owner)).fetchone()
    return None if row is None else read(row[0])


def _unread(connection: sqlite3.Connection, task_id: str) -> str | None:
    row = connection.execute(UNREAD, (task_id,)).fetchone()
    return None if row is None else row[0]


def _receive(connection: sqlite3.Connection, task_id: str) -> list[Mapping[str, Any]]:
    unread = _unread(connection, task_id)
    connection.execute(RECEIVE, (task_id,))
    return [] if unread is None else orjson.loads(unread)


def _dead_leases(connection: sqlite3.Connection, alive: Callable[[str], bool]) -> list[str]:
    return [lease for (lease,) in connection.execute(LEASES_AT_WORK).fetchall() if not alive(lease)]


def _clear(connection: sqlite3.Connection, dead: Collection[str], now: float) -> None:
    connection.execute(PURGE, (now,))
    for lease in dead:
        for (text,) in connection.execute(UNENDED, (lease,)).fetchall():
            ended = interrupted(read(text), now)
            if ended is not None:
                _save(connection, lease, ended)
