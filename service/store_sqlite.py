"""Jobs in one SQLite file, which several processes may share.

1. One thread owns the connection; every query goes there and comes back by future. A caller that is cancelled while it
   waits takes nothing back: what was asked of the writer is done, wholly or not at all.
2. WAL with `synchronous=FULL`: a committed row survives a power cut (sqlite.org/pragma.html#pragma_synchronous).
3. What another process writes between two queries is never seen in part: each method is one transaction.
"""

import asyncio
import json
import logging
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, ParamSpec, Self, TypeVar

from service.data_folder import DataFolderError
from service.images import Failure, ImageRequest, Job, JobState, KeptPicture, WorkError
from service.store import Store, Totals
from service.store_sqlite_rows import picture_row, read_job, read_picture
from service.store_sqlite_schema import migrate, transaction

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

BUSY_TIMEOUT_S: Final = 10.0
"""How long a write waits for another process's write, which takes milliseconds."""

LARGEST_INTEGER: Final = 2**63 - 1
"""The largest number that SQLite keeps. A `history_id` beyond it is nobody's."""

INTERRUPTED: Final = Failure(
    kind="interrupted",
    reason="The service stopped while this picture was being made. The image service may have charged for it all the "
    "same. Call `generate` again if the picture is still wanted.",
)

INSERT_JOB: Final = """
    INSERT INTO jobs (owner, state, model, prompt, created_at, lease, parameters) VALUES (?, 'working', ?, ?, ?, ?, ?)
"""
END_JOB: Final = """
    UPDATE jobs SET state = ?, finished_at = ?, failure_kind = ?, failure_reason = ?
    WHERE history_id = ? AND owner = ? AND state = 'working'
"""
INSERT_PICTURE: Final = "INSERT INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
SELECT_JOBS: Final = """
    SELECT history_id, owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason,
        parameters, upstream, task
    FROM jobs
    WHERE owner = ? AND history_id BETWEEN ? AND ? ORDER BY history_id DESC LIMIT ?
"""
SELECT_PICTURES: Final = """
    SELECT history_id, name, media_type, width, height, size, note FROM pictures
    WHERE history_id IN (
        SELECT history_id FROM jobs
        WHERE owner = ? AND history_id BETWEEN ? AND ? ORDER BY history_id DESC LIMIT ?
    )
    ORDER BY history_id, position
"""
SELECT_TOTALS: Final = "SELECT working, done, failed, pictures, picture_bytes FROM totals WHERE owner = ?"
LEASES_AT_WORK: Final = "SELECT DISTINCT lease FROM jobs WHERE state = 'working'"
INTERRUPT_JOBS: Final = """
    UPDATE jobs SET state = 'failed', finished_at = ?, failure_kind = ?, failure_reason = ?
    WHERE lease = ? AND state = 'working' AND task = ''
"""
REMEMBER_TASK: Final = "UPDATE jobs SET upstream = ?, task = ? WHERE history_id = ? AND owner = ? AND state = 'working'"
RELEASE_JOB: Final = "UPDATE jobs SET lease = ? WHERE history_id = ? AND state = 'working' AND lease = ?"
CLAIM_JOBS: Final = """
    UPDATE jobs SET lease = ? WHERE lease = ? AND state = 'working' AND task <> ''
        AND owner = coalesce(?, owner) AND history_id BETWEEN ? AND ?
    RETURNING owner, history_id
"""
"""Who writes first takes it: the other then finds the winner's lease in the place of the dead one."""

NOBODY: Final = ""
"""The lease of a job that was released."""


class _Lease(NamedTuple):
    """What marks the jobs of this process, and whether that of another still holds."""

    id: str
    alive: Callable[[str], bool]


class SqliteStore(Store):
    """Keeps jobs in a file of SQLite."""

    def __init__(
        self, thread: ThreadPoolExecutor, connection: sqlite3.Connection, lease: _Lease, clock: Callable[[], float]
    ) -> None:
        self._thread = thread
        self._connection = connection
        self._lease = lease
        self._clock = clock
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
            connection = await _outcome(thread.submit(_open, path, alive, clock))
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(thread, connection, _Lease(lease, alive), clock)

    async def begin(self, owner: str, request: ImageRequest) -> Job:
        return await self._do(self._begin, owner, request)

    async def remember(self, job: Job, upstream: str, task: str) -> Job:
        return await self._do(self._remember, job, upstream, task)

    async def release(self, job: Job) -> None:
        await self._do(self._release, job)

    async def claim(self) -> list[Job]:
        return await self._do(self._claim, None, 1, LARGEST_INTEGER)

    async def claim_one(self, owner: str, history_id: int) -> Job | None:
        wanted = _within_range(history_id)
        return next(iter(await self._do(self._claim, owner, wanted, wanted)), None)

    async def finish(self, job: Job, pictures: Sequence[KeptPicture]) -> Job:
        return await self._do(self._end, job, JobState.DONE, tuple(pictures), None)

    async def fail(self, job: Job, failure: Failure) -> Job:
        return await self._do(self._end, job, JobState.FAILED, (), failure)

    async def job(self, owner: str, history_id: int) -> Job | None:
        wanted = _within_range(history_id)
        found = await self._do(self._read, owner, wanted, wanted, 1)
        return found[0] if found else None

    async def jobs(self, owner: str, limit: int, before: int | None = None) -> list[Job]:
        last = LARGEST_INTEGER if before is None else _within_range(before - 1)
        return await self._do(self._read, owner, 1, last, _within_range(limit))

    async def totals(self, owner: str) -> Totals:
        return await self._do(self._count, owner)

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
                f"The history could not be read or written: {error}. Whoever runs this service should look at the "
                "space and the permissions of the folder that EASEL_DATA_DIR names.",
                kind="storage",
            ) from error

    # From here on: in the writer's thread.

    def _begin(self, owner: str, request: ImageRequest) -> Job:
        created_at = self._clock()
        parameters = request.parameters
        row = (owner, request.model, request.prompt, created_at, self._lease.id, json.dumps(parameters))
        with transaction(self._connection, "IMMEDIATE"):
            history_id = self._connection.execute(INSERT_JOB, row).lastrowid
        assert history_id is not None  # noqa: S101 - the type allows None for statements that insert nothing
        return Job(
            history_id=history_id,
            owner=owner,
            state=JobState.WORKING,
            model=request.model,
            prompt=request.prompt,
            created_at=created_at,
            parameters=parameters,
        )

    def _remember(self, job: Job, upstream: str, task: str) -> Job:
        with transaction(self._connection, "IMMEDIATE"):
            self._connection.execute(REMEMBER_TASK, (upstream, task, job.history_id, job.owner))
            return self._one(job)

    def _release(self, job: Job) -> None:
        with transaction(self._connection, "IMMEDIATE"):
            self._connection.execute(RELEASE_JOB, (NOBODY, job.history_id, self._lease.id))

    def _claim(self, owner: str | None, first: int, last: int) -> list[Job]:
        """Take what released and dead leases hold, lease by lease; a lease that is dead once stays so."""
        taken: list[Job] = []
        for (lease,) in self._connection.execute(LEASES_AT_WORK).fetchall():
            if lease != NOBODY and self._lease.alive(lease):
                continue
            with transaction(self._connection, "IMMEDIATE"):
                rows = self._connection.execute(CLAIM_JOBS, (self._lease.id, lease, owner, first, last)).fetchall()
                taken += [job for whose, id_ in rows for job in self._select(whose, id_, id_, 1)]
        return taken

    def _end(self, job: Job, state: JobState, pictures: tuple[KeptPicture, ...], failure: Failure | None) -> Job:
        kind, reason = (failure.kind, failure.reason) if failure else (None, None)
        row = (state, self._clock(), kind, reason, job.history_id, job.owner)
        with transaction(self._connection, "IMMEDIATE"):
            if self._connection.execute(END_JOB, row).rowcount:
                rows = [picture_row(job, position, picture) for position, picture in enumerate(pictures)]
                self._connection.executemany(INSERT_PICTURE, rows)
            return self._one(job)

    def _one(self, job: Job) -> Job:
        found = self._select(job.owner, job.history_id, job.history_id, 1)
        if not found:
            raise LookupError(f"no job {job.history_id} of this owner")
        return found[0]

    def _read(self, *page: str | int) -> list[Job]:
        with transaction(self._connection, "DEFERRED"):  # one moment for both queries: other processes write too
            return self._select(*page)

    def _select(self, *page: str | int) -> list[Job]:
        """Jobs of an owner, from one id to another, at most so many, with their pictures in one query more."""
        rows = self._connection.execute(SELECT_JOBS, page).fetchall()
        pictures = defaultdict(list)
        for history_id, *picture in self._connection.execute(SELECT_PICTURES, page):
            pictures[history_id].append(read_picture(picture))
        return [read_job(row, tuple(pictures[row[0]])) for row in rows]

    def _count(self, owner: str) -> Totals:
        row = self._connection.execute(SELECT_TOTALS, (owner,)).fetchone() or (0, 0, 0, 0, 0)
        working, done, failed, pictures, picture_bytes = row
        return Totals(working=working, done=done, failed=failed, pictures=pictures, picture_bytes=picture_bytes)


async def _outcome(future: Future[R]) -> R:
    """Wait for the writer. To cancel the wait does not cancel the work."""
    return await asyncio.shield(asyncio.wrap_future(future))


def _open(path: Path, alive: Callable[[str], bool], clock: Callable[[], float]) -> sqlite3.Connection:
    """Connect, migrate, and end the jobs of the dead; a file that does not allow it is closed again."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except sqlite3.Error as error:
        raise DataFolderError(path, str(error)) from error
    try:
        migrate(connection, path)
        _interrupt(connection, alive, clock())
    except sqlite3.Error as error:
        connection.close()
        raise DataFolderError(path, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _interrupt(connection: sqlite3.Connection, alive: Callable[[str], bool], now: float) -> None:
    """End what dead processes left working. Nobody starts a job for a lease that is dead, so no order is needed."""
    for (lease,) in connection.execute(LEASES_AT_WORK).fetchall():
        if alive(lease):
            continue
        with transaction(connection, "IMMEDIATE"):
            ended = connection.execute(INTERRUPT_JOBS, (now, INTERRUPTED.kind, INTERRUPTED.reason, lease)).rowcount
        if ended:
            logger.info("%s jobs of a process that stopped are now failed", ended)


def _within_range(number: int) -> int:
    """Bring any integer into what SQLite keeps; neither 0 nor the largest is ever the id of a job."""
    return max(0, min(number, LARGEST_INTEGER))
