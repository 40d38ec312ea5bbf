"""What lies in the data folder, opened in order and closed in the reverse. Here alone it is known how each is kept."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from service.ended_sessions import EndedSessions
from service.files_disk import DiskFiles
from service.lease import Lease
from service.previews import Previews
from service.secret import Secret
from service.store_sqlite import SqliteStore
from service.store_tasks import SqliteTasks
from service.store_uploads import SqliteUploads


@dataclass(frozen=True, kw_only=True)
class Keepings:
    """The opened parts. `previews` draws what is shown of the files; it keeps nothing, but ends with them."""

    secret: Secret
    files: DiskFiles
    store: SqliteStore
    tasks: SqliteTasks
    uploads: SqliteUploads
    ended_sessions: EndedSessions
    previews: Previews


async def open_keepings(data: Path, stack: contextlib.AsyncExitStack) -> Keepings:
    """Open the data folder, and have `stack` close it. Raises `DataFolderError`."""
    lease = await asyncio.to_thread(Lease.claim, data)
    stack.callback(lease.release)
    secret = await asyncio.to_thread(Secret.open, data, lease.folder)
    files = await DiskFiles.open(data / "files", lease.folder, secret.derive("picture names"))
    store = await SqliteStore.open(data / "easel.db", lease.id, lease.alive)
    stack.push_async_callback(store.close)
    tasks = await SqliteTasks.open(store, lease.id, lease.alive, time.time)
    ended = await asyncio.to_thread(EndedSessions, data / "ended-sessions", time.time)
    previews = Previews()
    stack.push_async_callback(previews.close)
    return Keepings(
        secret=secret,
        files=files,
        store=store,
        tasks=tasks,
        uploads=SqliteUploads(store),
        ended_sessions=ended,
        previews=previews,
    )
