"""The store in one SQLite file, which several processes may share.

1. One thread owns the connection; every query goes there and comes back by future. A caller that is cancelled while it
   waits takes nothing back: what was asked of the writer is done, wholly or not at all.
2. WAL with `synchronous=FULL`: a committed row survives a power cut (sqlite.org/pragma.html#pragma_synchronous).
3. What another process writes between two queries is never seen in part: each method is one transaction, only
   `clear` is several.
4. Each concern has a file of its own: `store_sqlite_jobs`, `_rows`, `_search`, `_lists`, `_files`, `_delete` and
   `_schema`.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, ParamSpec, Self, TypeVar

from service.images import Failure, ImageRequest, Job, JobState, KeptPicture, Parent, WorkError
from service.storage import sqlite_files as files
from service.storage import sqlite_lists as lists
from service.storage.data_folder import DataFolderError
from service.storage.sqlite_delete import clear_some, delete, newest_id, unused_files, unused_of
from service.storage.sqlite_jobs import Jobs
from service.storage.sqlite_rows import LARGEST_INTEGER, jobs_between, within_range
from service.storage.sqlite_schema import migrate, transaction
from service.storage.sqlite_search import page
from service.storage.store import Begun, FilesTotal, Page, Search, Store, Totals

P = ParamSpec("P")
R = TypeVar("R")

BUSY_TIMEOUT_S: Final = 10.0
"""How long a write waits for another process's write, which takes milliseconds."""

SELECT_TOTALS: Final = "SELECT working, done, failed, pictures, picture_bytes FROM totals WHERE owner = ?"
SELECT_CHILDREN: Final = """
    SELECT history_id, picture FROM lineage JOIN jobs USING (history_id)
    WHERE parent = ? AND owner = ? ORDER BY history_id, position
"""


class SqliteStore(Store):
    """Keeps jobs in a file of SQLite."""

    def __init__(self, thread: ThreadPoolExecutor, jobs: Jobs) -> None:
        self._thread = thread
        self._connection = jobs.connection
        self._jobs = jobs
        self._closed: Future[None] | None = None

    @classmethod
    async def open(
        cls, path: Path, lease: str, alive: Callable[[str], bool], clock: Callable[[], float] = time.time
    ) -> Self:
        """Open the file, bring it up to date, and end as `interrupted` what processes no longer `alive` left working.

        What goes on without them at an image service can be claimed. `lease` marks the jobs of this process. Raises
        `DataFolderError`, also for a file that a newer version wrote.
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        try:
            jobs = await _outcome(thread.submit(_open, path, lease, alive, clock))
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(thread, jobs)

    async def begin(self, owner: str, request: ImageRequest, upstream: str, fingerprint: str) -> Begun:
        return await self._do(self._jobs.begin, owner, request, upstream, fingerprint)

    async def submitted(self, job: Job, *, refused: bool = False) -> Job:
        return await self._do(self._jobs.submitted, job, refused)

    async def remember(self, job: Job, task: str) -> Job:
        return await self._do(self._jobs.remember, job, task)

    async def release(self, job: Job) -> None:
        await self._do(self._jobs.release, job)

    async def claim(self) -> list[Job]:
        return await self._do(self._jobs.claim, None, 1, LARGEST_INTEGER)

    async def claim_one(self, owner: str, history_id: int) -> Job | None:
        wanted = within_range(history_id)
        return next(iter(await self._do(self._jobs.claim, owner, wanted, wanted)), None)

    async def finish(self, job: Job, pictures: Sequence[KeptPicture]) -> Job:
        return await self._do(self._jobs.end, job, JobState.DONE, tuple(pictures), None)

    async def fail(self, job: Job, failure: Failure) -> Job:
        return await self._do(self._jobs.end, job, JobState.FAILED, (), failure)

    async def delivered(self, owner: str, history_ids: Sequence[int]) -> None:
        await self._do(self._jobs.delivered, owner, tuple(history_ids))

    async def restored(self, job: Job, position: int, picture: KeptPicture) -> Job:
        return await self._do(self._jobs.restored, job, position, picture)

    async def job(self, owner: str, history_id: int) -> Job | None:
        wanted = within_range(history_id)
        found = await self._do(self._read, owner, wanted, wanted, 1)
        return found[0] if found else None

    async def jobs(self, owner: str, limit: int, before: int | None = None) -> list[Job]:
        last = LARGEST_INTEGER if before is None else within_range(before - 1)
        return await self._do(self._read, owner, 1, last, within_range(limit))

    async def page(self, owner: str, search: Search, limit: int, before: int | None = None) -> Page:
        return await self._do(page, self._connection, owner, search, limit, before)

    async def children(self, owner: str, history_id: int) -> list[tuple[int, int]]:
        return await self._do(self._children, owner, within_range(history_id))

    async def totals(self, owner: str) -> Totals:
        return await self._do(self._count, owner)

    async def pictured(self, owner: str, limit: int, before: int | None = None) -> list[Job]:
        return await self._do(lists.pictured, self._connection, owner, limit, before)

    async def history_ids(self, owner: str, beginning: str, limit: int) -> list[int]:
        return await self._do(lists.history_ids, self._connection, owner, beginning, limit)

    async def file_names(self, owner: str, beginning: str, limit: int) -> list[str]:
        return await self._do(lists.file_names, self._connection, owner, beginning, limit)

    async def counts(self, owner: str) -> tuple[Totals, FilesTotal]:
        return await self._do(lambda: (self._count(owner), files.total(self._connection, owner)))

    async def delete(self, owner: str, history_id: int) -> list[str] | None:
        await self._do(self._jobs.interrupt_dead)
        return await self._do(delete, self._connection, owner, within_range(history_id))

    async def clear(self, owner: str, keep: int = 0) -> list[str]:
        await self._do(self._jobs.interrupt_dead)
        now = self._jobs.clock()
        newest = await self._do(newest_id, self._connection, owner, within_range(keep))
        while await self._do(clear_some, self._connection, owner, newest, now):
            pass
        return await self._do(unused_files, self._connection, owner)

    async def unused(self, owner: str, names: Collection[str]) -> list[str]:
        return await self._do(unused_of, self._connection, owner, tuple(names))

    async def file_kept(self, owner: str, name: str, size: int) -> None:
        await self._do(files.kept, self._connection, owner, name, size, self._jobs.clock())

    async def owns_file(self, owner: str, name: str) -> bool:
        return await self._do(lists.owns_file, self._connection, owner, name)

    async def picture_of(self, owner: str, name: str) -> Parent | None:
        return await self._do(files.picture_of, self._connection, owner, name)

    async def files_total(self, owner: str | None) -> FilesTotal:
        return await self._do(files.total, self._connection, owner)

    async def files_beyond(
        self, *, entries: int, size: int, before: float, owner: str | None = None, spare: Collection[str] = ()
    ) -> list[str]:
        return await self._do(files.beyond, self._connection, (entries, size), before, owner, frozenset(spare))

    async def files_gone(self, names: Collection[str]) -> None:
        await self._do(files.gone, self._connection, tuple(names))

    async def run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Have the writer do `work` on its connection: for the tables of other concerns in the same file."""
        return await self._do(work, self._connection)

    async def close(self) -> None:
        if self._closed is None:
            self._closed = self._thread.submit(self._connection.close)
            self._thread.shutdown(wait=False)  # takes no more work, and still does what it has
        await _outcome(self._closed)

    async def _do(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Have the writer do one thing; what SQLite refuses is work that failed."""
        if self._closed is not None:
            raise RuntimeError("the store is closed")
        try:
            return await _outcome(self._thread.submit(work, *args, **kwargs))
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise  # our own mistake, whatever the disk does
        except sqlite3.Error as error:
            raise WorkError(
                f"The history could not be read or written: {error}. Whoever runs this server should look at the "
                "space and the permissions of the folder that EASEL_DATA_DIR names.",
                kind="storage",
            ) from error

    # From here on: in the writer's thread.

    def _read(self, owner: str, first: int, last: int, limit: int) -> list[Job]:
        with transaction(self._connection, "DEFERRED"):  # one moment for all queries: other processes write too
            return jobs_between(self._connection, owner, first, last, limit)

    def _children(self, owner: str, history_id: int) -> list[tuple[int, int]]:
        return self._connection.execute(SELECT_CHILDREN, (history_id, owner)).fetchall()

    def _count(self, owner: str) -> Totals:
        row = self._connection.execute(SELECT_TOTALS, (owner,)).fetchone() or (0, 0, 0, 0, 0)
        working, done, failed, pictures, picture_bytes = row
        return Totals(working=working, done=done, failed=failed, pictures=pictures, picture_bytes=picture_bytes)


async def _outcome(future: Future[R]) -> R:
    """Wait for the writer. To cancel the wait does not cancel the work."""
    return await asyncio.shield(asyncio.wrap_future(future))


def _open(path: Path, lease: str, alive: Callable[[str], bool], clock: Callable[[], float]) -> Jobs:
    """Connect, migrate, and end the jobs of the dead; a file that does not allow it is closed again."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except sqlite3.Error as error:
        raise DataFolderError(path, str(error)) from error
    try:
        migrate(connection, path)
        jobs = Jobs(connection=connection, lease=lease, alive=alive, clock=clock)
        jobs.interrupt_dead()
    except sqlite3.Error as error:
        connection.close()
        raise DataFolderError(path, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return jobs
