"""The records in the data folder: the SQLite file, and the ends of sessions beside it.

The identity of this database is the secret of the folder, which backups have as well.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from service.bounds.limits import Allowances
from service.storage.disk_sessions import DiskSessions
from service.storage.files import Arrivals
from service.storage.lease import Lease
from service.storage.records.engine import Records
from service.storage.replicas import Replica
from service.storage.secret import Secret
from service.storage.sqlite.imports import SqliteImports
from service.storage.sqlite.notices import SqliteNotices
from service.storage.sqlite.people import SqlitePeople
from service.storage.sqlite.store import SqliteStore
from service.storage.sqlite.tasks import SqliteTasks
from service.storage.sqlite.uploads import SqliteUploads


async def open_records(
    data: Path,
    lease: Lease,
    arrive: Callable[[Secret], Awaitable[Arrivals]],
    allowances: Allowances,
    stack: contextlib.AsyncExitStack,
) -> Records:
    """Open the records of a data folder, and have `stack` close them. `arrive` opens the arrivals of an identity.

    Raises `DataFolderError`, and what `arrive` raises.
    """
    arrivals = await arrive(await asyncio.to_thread(Secret.open, data, lease.folder))
    store = await SqliteStore.open(data / "easel.db", lease.id, lease.alive, allowances=allowances, arrivals=arrivals)
    stack.push_async_callback(store.close)
    return Records(
        store=store,
        arrivals=arrivals,
        tasks=await SqliteTasks.open(store.database, lease.id, lease.alive, time.time),
        uploads=SqliteUploads(store.database, allowances),
        imports=SqliteImports(store.database),
        ended_sessions=await asyncio.to_thread(DiskSessions, data / "ended-sessions", time.time),
        people=SqlitePeople(store.database),
        notices=SqliteNotices(store),
        replica=Replica(),
        upkeep=store.database.keep_log_empty,
    )
