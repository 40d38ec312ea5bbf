"""Records of MCP tasks on several machines, whose clocks differ."""

import time

from service.protocol.task_records import WORKING, TaskRecord
from service.storage.postgresql.database import Database
from service.storage.postgresql.leases import Held, claim_lease
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
