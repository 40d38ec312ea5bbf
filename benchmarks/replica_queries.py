"""The queries of a large history on PostgreSQL by the clock: the database is a process of its own."""

import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.growth_data import ENDS
from benchmarks.history_queries import QUERIES, Ask
from benchmarks.replica_history import fill
from service.storage.postgresql.database import Database
from service.storage.postgresql.leases import Held
from service.storage.postgresql.store import PostgresStore
from service.storage.store import Store
from tests.scale.postgres import Server, database_of

TRIES: Final = 5


async def least_ms(stores: Sequence[Store], ask: Ask, count: int) -> float:
    """The least of some tries, each at a store that has kept nothing of the ones before."""
    least = float("inf")
    for store in stores:
        began = time.perf_counter()
        await ask(store, count)
        least = min(least, time.perf_counter() - began)
    return least * 1000


async def measured(server: Server, count: int) -> dict[str, Any]:
    """Fill a database with so many generations, and ask."""
    async with server.database() as url:
        database = await Database.open(url)
        try:
            stores = [await PostgresStore.open(database, Held("bench"), lambda: ENDS) for _ in range(TRIES)]
            async with server.connected(database_of(url)) as connection:
                began = time.perf_counter()
                await fill(connection, count)
                filled_s = time.perf_counter() - began
                size = await connection.fetchval("SELECT pg_database_size(current_database())")
            milliseconds = {name: await least_ms(stores, ask, count) for name, ask in QUERIES.items()}
        finally:
            await database.close()
    return {
        "rows": count,
        "tries": TRIES,
        "memory": server.settings["shared_buffers"],
        "filled_s": filled_s,
        "size_mb": size / 1e6,
        "milliseconds": milliseconds,
    }
