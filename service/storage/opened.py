"""The data folder, opened part by part and closed in the reverse order. Only this module knows the implementations."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from service.limits import UNLIMITED, Allowances
from service.protocol.task_records import TaskKeeper
from service.storage.data_folder import make_private
from service.storage.disk import DiskFiles
from service.storage.disk_arrivals import DiskArrivals
from service.storage.disk_sessions import DiskSessions
from service.storage.ended_sessions import EndedSessions
from service.storage.file_system import share_of
from service.storage.files import Arrivals, Files
from service.storage.imports import Imports
from service.storage.lease import Lease
from service.storage.notices import Notices
from service.storage.people import People, as_sent
from service.storage.replicas import Replica
from service.storage.secret import Secret
from service.storage.sqlite.imports import SqliteImports
from service.storage.sqlite.notices import SqliteNotices
from service.storage.sqlite.people import SqlitePeople
from service.storage.sqlite.store import SqliteStore
from service.storage.sqlite.tasks import SqliteTasks
from service.storage.sqlite.uploads import SqliteUploads
from service.storage.store import Store
from service.storage.upload_records import UploadKeeper
from service.tokens import StaticToken

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The opened parts, each as its contract. `upkeep` is work that goes on as long as they are open."""

    secret: Secret
    files: Files
    arrivals: Arrivals
    store: Store
    tasks: TaskKeeper
    uploads: UploadKeeper
    imports: Imports
    ended_sessions: EndedSessions
    people: People
    notices: Notices
    replica: Replica
    upkeep: Callable[[], Coroutine[Any, Any, None]]

    async def stored_tokens(self) -> tuple[StaticToken, ...]:
        """The tokens of `token add`, as they are compared with those that are sent."""
        return as_sent(await self.people.tokens())


OpenFiles: TypeAlias = Callable[[bytes], Awaitable[Files]]
"""Opens the pictures elsewhere, with the key that their names are made with."""


async def open_storage(
    data: Path,
    stack: contextlib.AsyncExitStack,
    allowances: Allowances = UNLIMITED,
    open_files: OpenFiles | None = None,
    secret: Secret | None = None,
) -> Storage:
    """Open the data folder, and have `stack` close it. New work begins within the allowances.

    Pictures are kept in the data folder, or where `open_files` says. Without a `secret` that of the folder counts.
    Raises `DataFolderError`.
    """
    lease = await asyncio.to_thread(Lease.claim, data)
    stack.callback(lease.release)
    await asyncio.to_thread(make_private, data)
    if share := await asyncio.to_thread(share_of, data):
        logger.warning(
            "EASEL_DATA_DIR lies on %s: processes of one machine may use it together if its locks hold, those of two "
            "machines may not. A folder on a disk of this machine is safer.", share,
        )  # fmt: skip
    own = await asyncio.to_thread(Secret.open, data, lease.folder)  # also beside another: a backup is whole with it
    secret = own if secret is None else secret
    key = secret.derive("picture names")
    files = await (open_files(key) if open_files else DiskFiles.open(data / "files", lease.folder, key))
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
        imports=SqliteImports(store.database),
        ended_sessions=ended,
        people=SqlitePeople(store.database),
        notices=SqliteNotices(store),
        replica=Replica(),
        upkeep=store.database.keep_log_empty,
    )
