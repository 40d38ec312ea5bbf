"""Records of MCP tasks on several machines, whose clocks differ."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from service.protocol.task_records import FAILED, WORKING, TaskRecord
from service.storage.postgresql.database import Database
from service.storage.postgresql.leases import Held, claim_lease, release_lease
from service.storage.postgresql.tasks import PostgresTasks
from tests.scale.postgres import Server
from tests.stores import Clock, make_tables

HOURS = 10 * 3600.0


async def test_a_replica_whose_clock_is_ahead_leaves_the_tasks_of_others(postgres_server: Server) -> None:
    right = time.time()
    async with postgres_server.database(make_tables) as url:
        database = await Database.open(url)
        try:
            await database.call(claim_lease, "a")
            tasks = await PostgresTasks.open(database, Held("a"), Clock(right))
            record = TaskRecord(
                id="t", owner="anna", status=WORKING, created_at=right, updated_at=right, ttl_ms=600_000
            )
            await tasks.save(record)
            await PostgresTasks.open(database, Held("b"), Clock(right + HOURS))
            assert await tasks.load("anna", "t") == record
        finally:
            await database.close()


class Counted(Database):
    """A database that counts its transactions of several messages."""

    transactions = 0

    def write(self, work: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        self.transactions += 1
        return super().write(work, *args, **kwargs)


async def test_a_look_for_tasks_of_dead_replicas_that_finds_none_is_one_message(postgres_server: Server) -> None:
    """Ours: a hundred replicas look every few seconds."""
    now = time.time()
    async with postgres_server.database(make_tables) as url:
        database = await Counted.open(url)
        try:
            await database.call(claim_lease, "dead")
            dead = await PostgresTasks.open(database, Held("dead"), Clock(now))
            await dead.save(
                TaskRecord(id="t", owner="anna", status=WORKING, created_at=now, updated_at=now, ttl_ms=600_000)
            )
            living = await PostgresTasks.open(database, Held("living"), Clock(now))
            await living.sweep()
            assert database.transactions == 0
            await database.call(release_lease, "dead")
            await living.sweep()
            found = await living.load("anna", "t")
        finally:
            await database.close()
    assert database.transactions == 1
    assert found is not None
    assert found.status == FAILED
