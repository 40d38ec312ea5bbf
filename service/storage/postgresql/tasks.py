"""The records of MCP tasks in PostgreSQL (`task_rows`).

Every replica looks now and then (`sweep`) for the tasks that dead ones left open, and ends them. A replica that was
taken for dead finds the ends that others wrote, and leaves them as they are.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

import orjson

from service.protocol.task_records import TaskKeeper, TaskRecord
from service.storage.lease import RELEASED
from service.storage.postgresql.database import Connection, Database, change, is_text
from service.storage.postgresql.leases import Held
from service.storage.task_rows import MAX_UNREAD, expiry_of, interrupted, is_ended, read, text_of

logger = logging.getLogger(__name__)

SAVE: Final = """
    INSERT INTO tasks (id, owner, ended, expires_at, lease, record) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, expires_at = excluded.expires_at, record = excluded.record
    WHERE NOT tasks.ended
"""
LOAD: Final = "SELECT record FROM tasks WHERE id = $1 AND owner = $2"
RELEASE: Final = "UPDATE tasks SET lease = $1 WHERE id = $2 AND lease = $3"
SEND: Final = """
    UPDATE tasks SET messages = array_append(messages, $2), unread = unread + length($2)
    WHERE id = $1 AND NOT ended AND lease NOT IN ($3, $4) AND unread < $5 AND lives(lease)
"""
RECEIVE: Final = """
    WITH received AS (SELECT id, messages FROM tasks WHERE id = $1 AND unread > 0 FOR UPDATE),
        emptied AS (UPDATE tasks SET messages = '{}', unread = 0 FROM received WHERE tasks.id = received.id)
    SELECT messages FROM received
"""
"""One round trip, which nearly always finds nothing."""

LEFT: Final = "FROM tasks WHERE NOT ended AND lease <> $1 AND NOT lives(lease)"
PURGE_AND_LOOK: Final = f"""
    WITH purged AS (
        DELETE FROM tasks WHERE expires_at <= least($2, extract(epoch FROM clock_timestamp())::double precision)
    )
    SELECT EXISTS (SELECT {LEFT})
"""  # noqa: S608 - our own condition
"""Over by both clocks: a replica whose own is hours ahead must not remove the tasks that others work on."""

SELECT_LEFT: Final = f"SELECT record {LEFT} FOR UPDATE SKIP LOCKED"


class PostgresTasks(TaskKeeper):
    """Task records of all replicas; `held` marks those of this one."""

    def __init__(self, database: Database, held: Held, clock: Callable[[], float]) -> None:
        """Keep the tasks of a database, as the holder of a lease."""
        self._database = database
        self._held = held
        self._clock = clock

    @classmethod
    async def open(cls, database: Database, held: Held, clock: Callable[[], float]) -> Self:
        """End the tasks that dead replicas left open, and remove the expired ones."""
        tasks = cls(database, held, clock)
        await tasks.sweep()
        return tasks

    async def sweep(self) -> None:
        """End the tasks that dead replicas left open, and remove the expired ones; of two replicas one does it."""
        now = self._clock()
        if not await self._database.call(_value, PURGE_AND_LOOK, RELEASED, now):
            return
        ended = await self._database.write(_end_left, now)
        if ended:
            logger.info("tasks of a replica that stopped, which are now failed: %s", ended)

    async def save(self, record: TaskRecord) -> None:
        """Insert a record, or replace the one of its id that has not ended."""
        await self._database.call(_save, self._held.id, record)

    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """The record of this owner's task, or None."""
        if not is_text(task_id):
            return None
        text = await self._database.read(_value, LOAD, task_id, owner)
        return None if text is None else read(text)

    async def release(self, task_id: str) -> None:
        """Take the lease of this replica off a task."""
        await self._database.call(change, RELEASE, RELEASED, task_id, self._held.id)

    async def send(self, task_id: str, message: Mapping[str, Any]) -> bool:
        """Append a message for the other, living replica that runs a task; False where there is none."""
        if not is_text(task_id):
            return False
        values = (task_id, orjson.dumps(message).decode(), RELEASED, self._held.id, MAX_UNREAD)
        return await self._database.call(change, SEND, *values) > 0

    async def receive(self, task_id: str) -> Sequence[Mapping[str, Any]]:
        """Take the messages for a task of this replica."""
        texts = await self._database.call(_value, RECEIVE, task_id)
        return [orjson.loads(each) for each in texts or ()]


async def _save(connection: Connection, lease: str, record: TaskRecord) -> None:
    row = (record.id, record.owner, is_ended(record), expiry_of(record), lease, text_of(record))
    await connection.execute(SAVE, *row)


async def _value(connection: Connection, query: str, *values: object) -> Any:
    return await connection.fetchval(query, *values)


async def _end_left(connection: Connection, now: float) -> int:
    rows = await connection.fetch(SELECT_LEFT, RELEASED)
    ends = [ended for row in rows if (ended := interrupted(read(row[0]), now)) is not None]
    for each in ends:
        await _save(connection, RELEASED, each)
    return len(ends)
