"""The record keeper in one SQLite file, which several processes may share.

It owns the file (`database`), knows the time and which processes live, and hands each method to the statements
of its concern: `jobs`, `files` for stored files and deletion, `queries` for all that only reads.
"""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self

from service.bounds.limits import UNLIMITED, Allowances
from service.costs import DailyCost, Drawn
from service.images import Failure, ImageRequest, Job, KeptPicture, Parent
from service.settings import Limits
from service.storage.arrivals import arrival_name
from service.storage.data_folder import DataFolderError
from service.storage.files import Arrivals
from service.storage.lease import RELEASED
from service.storage.records.new_work import NewJob
from service.storage.sqlite import files, jobs, queries, searches
from service.storage.sqlite import limits as sqlite_limits
from service.storage.sqlite.database import LARGEST_INTEGER, Database, within_range
from service.storage.sqlite.kept_reads import KeptReads
from service.storage.store import LINKS_LAST_S, Begun, FilesTotal, OwnedFile, Page, Search, Store, Totals

logger = logging.getLogger(__name__)


LONGEST_KEPT: Final = 20_000
"""Characters of the texts of a page that is kept in memory, where `OVERHEAD` stands for the rest of each job."""

OVERHEAD: Final = 1_000


class SqliteStore(Store):
    """Jobs and the index of files in a SQLite file, as the process writes them that `lease` stands for."""

    def __init__(  # noqa: PLR0913 - all that a row is written or judged by
        self,
        database: Database,
        kept: KeptReads,
        lease: str,
        alive: Callable[[str], bool],
        clock: Callable[[], float],
        *,
        allowances: Allowances,
        arrivals: Arrivals | None,
    ) -> None:
        self.database = database
        self._kept = kept
        self._allowances = allowances
        self._arrivals = arrivals
        self._lease = lease
        self._alive = alive
        self._clock = clock

    @classmethod
    async def open(  # noqa: PLR0913 - as for `__init__`
        cls,
        path: Path,
        lease: str,
        alive: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
        *,
        allowances: Allowances = UNLIMITED,
        arrivals: Arrivals | None = None,
    ) -> Self:
        """Open the file, make its tables where it is new, and end the jobs of dead processes as interrupted.

        `lease` marks the jobs of this process; `alive` tells of any lease if its process lives. New jobs begin within
        `allowances`. A job of a dead process that can be followed, by what `arrivals` hold or by its task, can be
        claimed instead. Raises `DataFolderError` for an unusable file.
        """
        database = await Database.open(path)
        try:
            kept = await KeptReads.open(path)
        except BaseException:
            await database.close()
            raise
        store = cls(database, kept, lease, alive, clock, allowances=allowances, arrivals=arrivals)
        try:
            await store._end_jobs_of_dead()
        except BaseException:
            await store.close()
            raise
        return store

    async def begin(  # noqa: PLR0913 - as in the contract
        self,
        owner: str,
        request: ImageRequest,
        upstream: str,
        fingerprint: str,
        *,
        join_failed: bool = True,
        submitted: int = 0,
    ) -> Begun:
        now = self._clock()
        new = NewJob(
            owner=owner,
            request=request,
            upstream=upstream,
            fingerprint=fingerprint,
            lease=self._lease,
            created_at=now,
            failed_since=now - LINKS_LAST_S if join_failed else math.inf,
            submitted=submitted,
            allowances=self._allowances,
        )
        while True:
            begun, lease = await self.database.write(jobs.begin, new)
            if lease is None or lease not in await self._dead_leases():
                return begun
            arrived = await self._arrived()
            if arrival_name(begun.job.owner, begun.job.history_id) in arrived:
                return begun
            await self.database.write(jobs.interrupt, [lease], arrived, self._clock(), begun.job)

    def mark_submitted(self, job: Job, pictures: int = 1) -> Awaitable[Job]:
        return self.database.write(jobs.mark_submitted, job, pictures, self._clock())

    def remember_task(self, job: Job, task: str, part: int = 0) -> Awaitable[Job]:
        return self.database.write(jobs.remember_task, job, task, part)

    def add_pictures(self, job: Job, pictures: Sequence[KeptPicture], drawn: Drawn | None = None) -> Awaitable[Job]:
        came = drawn or Drawn(pictures=len(pictures))
        return self.database.write(jobs.add_pictures, job, tuple(pictures), came, self._clock())

    def note_shortfall(self, job: Job, why: Failure) -> Awaitable[Job]:
        return self.database.write(jobs.note_shortfall, job, why)

    def release(self, job: Job) -> Awaitable[None]:
        return self.database.write(jobs.release, job, self._lease)

    async def claim(self) -> list[Job]:
        free, arrived = await self._end_jobs_of_dead()
        return await self.database.write(jobs.claim, self._lease, free, arrived)

    async def claim_one(self, owner: str, history_id: int) -> Job | None:
        free, arrived = await self._end_jobs_of_dead()
        only = owner, within_range(history_id)
        claimed = await self.database.write(jobs.claim, self._lease, free, arrived, only)
        return claimed[0] if claimed else None

    def finish(
        self,
        job: Job,
        pictures: Sequence[KeptPicture],
        links: Sequence[str] = (),
        shortfall: Failure | None = None,
        drawn: Drawn | None = None,
    ) -> Awaitable[Job]:
        came = drawn or Drawn(pictures=len(pictures))
        return self.database.write(jobs.finish, job, tuple(pictures), tuple(links), shortfall, came, self._clock())

    def recover(self, job: Job, pictures: Sequence[KeptPicture], links: Sequence[str] = ()) -> Awaitable[Job]:
        return self.database.write(jobs.recover, job, tuple(pictures), tuple(links), self._clock())

    def fail(self, job: Job, failure: Failure, links: Sequence[str] = ()) -> Awaitable[Job]:
        return self.database.write(jobs.fail, job, failure, links, self._clock())

    def mark_delivered(self, owner: str, history_ids: Sequence[int]) -> Awaitable[None]:
        ids = [within_range(history_id) for history_id in history_ids]
        return self.database.write(jobs.mark_delivered, owner, ids, self._clock())

    def restore_picture(self, job: Job, position: int, picture: KeptPicture) -> Awaitable[Job]:
        return self.database.write(jobs.restore_picture, job, position, picture, self._clock())

    def costs(self, owner: str, since: int) -> Awaitable[list[DailyCost]]:
        return self.database.read(sqlite_limits.costs, owner, since)

    def working(self) -> Awaitable[list[tuple[str, int]]]:
        return self.database.read(jobs.working)

    async def job(self, owner: str, history_id: int) -> Job | None:
        wanted = within_range(history_id)
        found = await self.database.read(jobs.jobs_between, owner, wanted, wanted, 1)
        return found[0] if found else None

    def jobs(self, owner: str, limit: int, before: int | None = None) -> Awaitable[list[Job]]:
        last = LARGEST_INTEGER if before is None else within_range(before - 1)
        return self.database.read(jobs.jobs_between, owner, 1, last, within_range(limit))

    def page(self, owner: str, search: Search, limit: int, before: int | None = None) -> Awaitable[Page]:
        way = self.database.read_at_length if search.query else self.database.read
        read = partial(way, searches.page, owner, search, limit, before)
        return self._kept.get((owner, search, limit, before), read, _is_small)

    def children(self, owner: str, history_id: int) -> Awaitable[list[tuple[int, int]]]:
        return self.database.read(queries.children, owner, within_range(history_id))

    def drawn_today(self, owner: str) -> Awaitable[int]:
        return self.database.read(sqlite_limits.drawn_today, owner, self._clock())

    def totals(self, owner: str) -> Awaitable[Totals]:
        return self.database.read(queries.totals, owner)

    def counts(self, owner: str) -> Awaitable[tuple[Totals, FilesTotal]]:
        return self._kept.get(owner, partial(self.database.read, queries.counts, owner), lambda _: True)

    def jobs_with_pictures(self, owner: str, limit: int, before: int | None = None) -> Awaitable[list[Job]]:
        return self.database.read(queries.jobs_with_pictures, owner, limit, before)

    def history_ids(self, owner: str, beginning: str, limit: int) -> Awaitable[list[int]]:
        return self.database.read(queries.history_ids, owner, beginning, limit)

    def file_names(self, owner: str, beginning: str, limit: int) -> Awaitable[list[str]]:
        return self.database.read(queries.file_names, owner, beginning, limit)

    async def delete(self, owner: str, history_id: int) -> list[str] | None:
        await self._end_jobs_of_dead()
        return await self.database.write(files.delete_job, owner, within_range(history_id))

    async def clear(self, owner: str, keep: int = 0) -> list[str]:
        await self._end_jobs_of_dead()
        now = self._clock()
        last = await self.database.read(files.id_after_newest, owner, within_range(keep))
        while await self.database.write(files.delete_some_jobs, owner, last, now):
            pass
        return await self.database.write(files.unused_files, owner)

    def unused_files(self, owner: str, names: Collection[str]) -> Awaitable[list[str]]:
        return self.database.write(files.unused_files, owner, tuple(names))

    def add_file(self, owner: str, name: str, size: int) -> Awaitable[bool]:
        return self.database.write(files.add_file, owner, name, size, self._clock())

    def add_derived(self, name: str, size: int) -> Awaitable[None]:
        return self.database.write(files.add_derived, name, size)

    def owner_of_file(self, name: str) -> Awaitable[str | None]:
        return self.database.read(files.owner_of_file, name)

    def owns_file(self, owner: str, name: str) -> Awaitable[bool]:
        return self.database.read(queries.owns_file, owner, name)

    def picture_of(self, owner: str, name: str) -> Awaitable[Parent | None]:
        return self.database.read(queries.picture_of, owner, name)

    def files_total(self, owner: str | None) -> Awaitable[FilesTotal]:
        return self.database.read(files.files_total, owner)

    def files_over_limits(
        self, limits: Limits, before: float, spare: Collection[str] = ()
    ) -> Awaitable[list[OwnedFile]]:
        return self.database.read_at_length(files.files_over_limits, limits, before, spare)

    def files_beyond_newest(self, owner: str, count: int) -> Awaitable[list[str]]:
        return self.database.read_at_length(files.files_beyond_newest, owner, within_range(count))

    def files_after(self, name: str, limit: int) -> Awaitable[list[str]]:
        return self.database.read(files.files_after, name, limit)

    def newest_file(self) -> Awaitable[float]:
        return self.database.read(files.newest_file)

    def forget_files(self, names: Collection[str]) -> Awaitable[None]:
        return self.database.write(files.forget_files, tuple(names))

    async def close(self) -> None:
        self._kept.close()  # first: the last connection to close writes the log back into the file
        await self.database.close()

    async def _end_jobs_of_dead(self) -> tuple[list[str], Collection[str]]:
        """End as interrupted the work that nobody can follow.

        Returns the leases under which work can be claimed, and the names of what has arrived. No order is
        needed with other writes: nobody starts a job for a lease that is dead, or receives its pictures.
        """
        free = await self._dead_leases()
        arrived = await self._arrived() if free else ()
        dead = [lease for lease in free if lease != RELEASED]
        ended = await self.database.write(jobs.interrupt, dead, arrived, self._clock()) if dead else 0
        if ended:
            logger.info("jobs of a process that stopped, which are now failed: %s", ended)
        return free, arrived

    async def _arrived(self) -> Collection[str]:
        return await self._arrivals.listing() if self._arrivals is not None else ()

    async def _dead_leases(self) -> list[str]:
        """The leases at work whose process is dead, once and for all, and that of released jobs.

        A process is looked for in a reading thread: the look waits for a lock of its own.
        """
        return await self.database.read(
            lambda one: [lease for lease in jobs.leases_at_work(one) if self._is_dead(lease)]
        )

    def _is_dead(self, lease: str) -> bool:
        if lease in {RELEASED, self._lease}:
            return lease == RELEASED
        try:
            return not self._alive(lease)
        except DataFolderError as error:  # dead is for good, so it has to be sure
            logger.warning("It is not known which processes live: %s", error)
            return False


def _is_small(page: Page) -> bool:
    """Tell whether a page takes little room: thousands of people may look at theirs."""
    texts = (text for job in page.jobs for text in (job.prompt, *job.parameters.values()) if isinstance(text, str))
    return sum(map(len, texts)) + OVERHEAD * len(page.jobs) <= LONGEST_KEPT
