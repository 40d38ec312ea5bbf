"""The data folder, opened part by part and closed in the reverse order. Only this module knows the implementations."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from service.limits import UNLIMITED, Allowances
from service.protocol.task_records import TaskKeeper
from service.storage.arrivals import DiskArrivals
from service.storage.data_folder import Secret, make_private
from service.storage.disk import DiskFiles
from service.storage.disk_sessions import DiskSessions
from service.storage.files import Arrivals, Files
from service.storage.lease import Lease
from service.storage.sqlite import SqliteStore
from service.storage.sqlite_tasks import SqliteTasks
from service.storage.sqlite_uploads import SqliteUploads
from service.storage.store import EndedSessions, Store, UploadKeeper


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The opened parts, each as its contract."""

    secret: Secret
    files: Files
    arrivals: Arrivals
    store: Store
    tasks: TaskKeeper
    uploads: UploadKeeper
    ended_sessions: EndedSessions


async def open_storage(data: Path, stack: contextlib.AsyncExitStack, allowances: Allowances = UNLIMITED) -> Storage:
    """Open the data folder, and have `stack` close it. New work begins within the allowances.

    Raises `DataFolderError`.
    """
    lease = await asyncio.to_thread(Lease.claim, data)
    stack.callback(lease.release)
    await asyncio.to_thread(make_private, data)
    secret = await asyncio.to_thread(Secret.open, data, lease.folder)
    files = await DiskFiles.open(data / "files", lease.folder, secret.derive("picture names"))
    arrivals = await DiskArrivals.open(data / "arrived", lease.folder)
    arrived = await arrivals.listing()  # before the rows: a job works before its pictures arrive
    store = await SqliteStore.open(data / "easel.db", lease.id, lease.alive, allowances=allowances, arrivals=arrivals)
    stack.push_async_callback(store.close)
    await arrivals.remove_ended(arrived, await store.working())
    tasks = await SqliteTasks.open(store.database, lease.id, lease.alive, time.time)
    ended = await asyncio.to_thread(DiskSessions, data / "ended-sessions", time.time)
    return Storage(
        secret=secret,
        files=files,
        arrivals=arrivals,
        store=store,
        tasks=tasks,
        uploads=SqliteUploads(store.database, allowances),
        ended_sessions=ended,
    )
