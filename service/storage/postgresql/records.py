"""The records in a PostgreSQL database, opened by one of the replicas that share it.

The replica has a lease in the database by the id of its claim in the data folder, which holds its temporary files.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.bounds.limits import Allowances
from service.images import WorkError
from service.storage.files import Arrivals
from service.storage.lease import Lease
from service.storage.notices import SessionEnded
from service.storage.postgresql.agreement import agree
from service.storage.postgresql.database import Database
from service.storage.postgresql.ended_sessions import PostgresSessions
from service.storage.postgresql.imports import PostgresImports
from service.storage.postgresql.leases import Held, release_lease
from service.storage.postgresql.notices import PostgresNotices
from service.storage.postgresql.people import PostgresPeople
from service.storage.postgresql.replica import PostgresReplica
from service.storage.postgresql.store import PostgresStore
from service.storage.postgresql.tasks import PostgresTasks
from service.storage.postgresql.uploads import PostgresUploads
from service.storage.records.engine import Records
from service.storage.secret import Secret

SWEEP_S: Final = 10.0
"""Between two looks for tasks whose replica is dead."""


@dataclass(frozen=True, kw_only=True)
class Ways:
    """The ways to the database: `url`, and `listen_url` past a pooler, of which `setting` is the name.

    `facts` are those that all replicas have to agree upon.
    """

    url: str
    listen_url: str
    setting: str
    facts: Mapping[str, str]


async def open_records(  # noqa: PLR0913, PLR0917 - the places and limits of all parts
    ways: Ways,
    data: Path,
    lease: Lease,
    arrive: Callable[[Secret], Awaitable[Arrivals]],
    allowances: Allowances,
    stack: contextlib.AsyncExitStack,
) -> Records:
    """Connect to the database, bring its tables up to date, and have `stack` close all.

    The data folder is that of this replica alone: its disk must have room for what is under way. `arrive` opens the
    arrivals by the identity of the database. Raises `WorkError`, and what `arrive` raises.
    """
    database, held = await Database.open(ways.url), Held(lease.id)
    stack.push_async_callback(database.close)
    identity = await database.write(agree, held.id, ways.facts, time.time)
    stack.push_async_callback(_let_go, database, held)
    for each in lease.dead:  # a replica that was killed, and begins anew, goes on with its work at once
        await database.call(release_lease, each)
    arrivals = await arrive(identity)
    store = await PostgresStore.open(database, held, time.time, allowances=allowances, arrivals=arrivals, folder=data)
    tasks = await PostgresTasks.open(database, held, time.time)
    sessions = await PostgresSessions.open(database, time.time)

    notices = PostgresNotices(database, held, ways.listen_url, ways.setting)
    notices.hear(lambda notice: sessions.look_soon() if isinstance(notice, SessionEnded) else None)
    sessions.ended = lambda: notices.tell(SessionEnded())
    await notices.start()
    stack.push_async_callback(notices.close)
    replica = PostgresReplica(database, held, notices)

    async def upkeep() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(replica.keep_alive())
            group.create_task(_keep_swept(tasks))
            group.create_task(sessions.keep_up())

    return Records(
        store=store,
        arrivals=arrivals,
        tasks=tasks,
        uploads=PostgresUploads(database, allowances, data),
        imports=PostgresImports(database),
        ended_sessions=sessions,
        people=PostgresPeople(database),
        notices=notices,
        replica=replica,
        upkeep=upkeep,
    )


async def _let_go(database: Database, held: Held) -> None:
    """Give the lease up, so that others need not wait until it is dead."""
    with contextlib.suppress(WorkError):  # the database is gone; the lease ends by itself
        await database.call(release_lease, held.id)


async def _keep_swept(tasks: PostgresTasks) -> None:
    """End the tasks of dead replicas until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_S)
        with contextlib.suppress(WorkError):
            await tasks.sweep()
