"""The record keeper in a PostgreSQL database, which any number of replicas share.

It owns the connections (`database`), knows the time and its own lease, and hands each method to the statements of its
concern: `jobs`, `files` for stored files and deletion, `searches` and `queries` for all that only reads.
"""

import asyncio
import logging
import math
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from service.bounds.limits import UNLIMITED, Allowances
from service.costs import DailyCost, Drawn
from service.images import Failure, ImageRequest, Job, KeptPicture, Parent, WorkError
from service.settings import Limits
from service.storage.arrivals import arrival_name
from service.storage.files import Arrivals
from service.storage.postgresql import files, jobs, queries, searches
from service.storage.postgresql import limits as counts_of_days
from service.storage.postgresql.database import Database
from service.storage.postgresql.kept_reads import KeptReads
from service.storage.postgresql.leases import Held, claim_lease
from service.storage.postgresql.values import LARGEST_INTEGER, dumped, plain, within_range
from service.storage.records.new_work import NewJob, is_disk_full
from service.storage.store import LINKS_LAST_S, Begun, FilesTotal, OwnedFile, Page, Search, Store, Totals
from service.troubles import STORAGE

logger = logging.getLogger(__name__)

JUST_ONE: Final = 1


class PostgresStore(Store):
    """Jobs and the index of files in a database, as the replica writes them that `lease` stands for."""

    def __init__(  # noqa: PLR0913 - all that a row is written or judged by
        self,
        database: Database,
        lease: Held,
        clock: Callable[[], float],
        *,
        allowances: Allowances,
        arrivals: Arrivals | None,
        folder: Path | None,
    ) -> None:
        self.database = database
        self.lease = lease
        self._allowances = allowances
        self._arrivals = arrivals
        self._folder = folder
        self._clock = clock
        self._unpriced: set[tuple[str, int]] = set()
        self._unheard: set[str] = set()
        """Ids of jobs that may have begun, though their call was told that the database does not answer."""
        self._kept = KeptReads(database)
        self._deliveries: dict[str, set[asyncio.Future[None]]] = defaultdict(set)

    @classmethod
    async def open(  # noqa: PLR0913 - as for `__init__`
        cls,
        database: Database,
        lease: Held,
        clock: Callable[[], float] = time.time,
        *,
        allowances: Allowances = UNLIMITED,
        arrivals: Arrivals | None = None,
        folder: Path | None = None,
    ) -> Self:
        """Enter the lease of this replica, and end the jobs of dead ones as interrupted.

        New jobs begin within `allowances`, and while the disk of `folder` has room. A job of a dead replica that can be
        followed, by what `arrivals` hold or by its task, can be claimed instead.
        """
        store = cls(database, lease, clock, allowances=allowances, arrivals=arrivals, folder=folder)
        await database.call(claim_lease, lease.id)
        await store._claim(takes=False)
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
        if owner in self._deliveries:  # of which nobody may have waited: what was handed over is not joined again
            await asyncio.wait(set(self._deliveries[owner]))
        now = self._clock()
        new = NewJob(
            owner=owner,
            request=request,
            upstream=upstream,
            fingerprint=fingerprint,
            lease=self.lease.id,
            created_at=now,
            failed_since=now - LINKS_LAST_S if join_failed else math.inf,
            submitted=submitted,
            allowances=self._allowances,
        )
        is_full = self._folder is not None and is_disk_full(self._folder, self._allowances.free_bytes)
        while True:
            begun, is_dead, is_unpriced = await self._begin(new, is_disk_full=is_full)
            key = begun.job.owner, begun.job.history_id
            if is_unpriced:
                self._unpriced.add(key)
            if not is_dead or arrival_name(*key) in await self._arrived():
                return begun
            await self._claim(takes=False, owner=owner, history_id=begun.job.history_id, ends=True)

    def mark_submitted(self, job: Job, pictures: int = 1) -> Awaitable[Job]:
        return self._change(job, submitted=pictures)

    def remember_task(self, job: Job, task: str, part: int = 0) -> Awaitable[Job]:
        return self._change(job, task={str(part): task})

    def add_pictures(self, job: Job, pictures: Sequence[KeptPicture], drawn: Drawn | None = None) -> Awaitable[Job]:
        return self._keep(job, pictures, drawn)

    def note_shortfall(self, job: Job, why: Failure) -> Awaitable[Job]:
        return self._change(job, shortfall=[why.kind, why.reason])

    def release(self, job: Job) -> Awaitable[None]:
        return self.database.call(jobs.release, job, self.lease.id)

    async def claim(self) -> list[Job]:
        return await self._claim(takes=True)

    async def claim_one(self, owner: str, history_id: int) -> Job | None:
        claimed = await self._claim(takes=True, owner=owner, history_id=within_range(history_id))
        return claimed[0] if claimed else None

    def finish(
        self,
        job: Job,
        pictures: Sequence[KeptPicture],
        links: Sequence[str] = (),
        shortfall: Failure | None = None,
        drawn: Drawn | None = None,
    ) -> Awaitable[Job]:
        return self._keep(job, pictures, drawn, end=_ending(shortfall, links))

    def recover(self, job: Job, pictures: Sequence[KeptPicture], links: Sequence[str] = ()) -> Awaitable[Job]:
        step = self._step(job, pictures=jobs.rows_of(pictures), links=_links(job.links), left=_links(links))
        return self.database.call(jobs.recover, step)

    def fail(self, job: Job, failure: Failure, links: Sequence[str] = ()) -> Awaitable[Job]:
        self._unpriced.discard((job.owner, job.history_id))
        return self._change(job, end=_ending(failure, links) | {"failed": True})

    def mark_delivered(self, owner: str, history_ids: Sequence[int]) -> Awaitable[None]:
        ids = [within_range(history_id) for history_id in history_ids]
        noted = self.database.call(jobs.mark_delivered, plain(owner), ids, self._clock())
        self._deliveries[owner].add(noted)
        noted.add_done_callback(partial(self._delivered, owner))
        return noted

    def _delivered(self, owner: str, noted: asyncio.Future[None]) -> None:
        self._deliveries[owner].discard(noted)
        if not self._deliveries[owner]:
            del self._deliveries[owner]

    def restore_picture(self, job: Job, position: int, picture: KeptPicture) -> Awaitable[Job]:
        step = self._step(job, position=position, pictures=jobs.rows_of([picture]))
        return self.database.call(jobs.restore_picture, step)

    def working(self) -> Awaitable[list[tuple[str, int]]]:
        return self.database.read(jobs.working)

    async def job(self, owner: str, history_id: int) -> Job | None:
        wanted = within_range(history_id)
        found = await self.database.read(jobs.jobs_between, plain(owner), wanted, wanted, JUST_ONE)
        return found[0] if found else None

    def jobs(self, owner: str, limit: int, before: int | None = None) -> Awaitable[list[Job]]:
        last = LARGEST_INTEGER if before is None else within_range(before - 1)
        return self.database.read(jobs.jobs_between, plain(owner), 1, last, within_range(limit))

    async def page(self, owner: str, search: Search, limit: int, before: int | None = None) -> Page:
        asked = searches.question(owner, search, limit, before)
        if asked is None:
            return searches.NOTHING
        read = partial(self.database.read, searches.page, asked)
        return await self._kept.get(plain(owner), (owner, search, limit, before), read)

    def children(self, owner: str, history_id: int) -> Awaitable[list[tuple[int, int]]]:
        return self.database.read(queries.children, plain(owner), within_range(history_id))

    def costs(self, owner: str, since: int) -> Awaitable[list[DailyCost]]:
        return self.database.read(counts_of_days.costs, plain(owner), since)

    def drawn_today(self, owner: str) -> Awaitable[int]:
        return self.database.read(counts_of_days.drawn_today, plain(owner), self._clock())

    def totals(self, owner: str) -> Awaitable[Totals]:
        return self.database.read(queries.totals, plain(owner))

    def counts(self, owner: str) -> Awaitable[tuple[Totals, FilesTotal]]:
        return self._kept.get(plain(owner), owner, partial(self.database.read, queries.counts, plain(owner)))

    def jobs_with_pictures(self, owner: str, limit: int, before: int | None = None) -> Awaitable[list[Job]]:
        return self.database.read(queries.jobs_with_pictures, plain(owner), limit, before)

    def history_ids(self, owner: str, beginning: str, limit: int) -> Awaitable[list[int]]:
        return self.database.read(queries.history_ids, plain(owner), beginning, limit)

    def file_names(self, owner: str, beginning: str, limit: int) -> Awaitable[list[str]]:
        return self.database.read(queries.file_names, plain(owner), plain(beginning), limit)

    async def delete(self, owner: str, history_id: int) -> list[str] | None:
        await self._claim(takes=False)
        return await self.database.call(files.delete_job, plain(owner), within_range(history_id))

    async def clear(self, owner: str, keep: int = 0) -> list[str]:
        await self._claim(takes=False)
        now = self._clock()
        last = await self.database.read(files.number_after_newest, plain(owner), within_range(keep))
        while await self.database.call(files.delete_some_jobs, plain(owner), last, now):
            pass
        return await self.database.call(files.unused_files, plain(owner))

    def unused_files(self, owner: str, names: Collection[str]) -> Awaitable[list[str]]:
        return self.database.call(files.unused_files, plain(owner), tuple(names))

    def add_file(self, owner: str, name: str, size: int) -> Awaitable[bool]:
        return self.database.call(files.add_file, plain(owner), name, size, self._clock())

    def add_derived(self, name: str, size: int) -> Awaitable[None]:
        return self.database.call(files.add_derived, name, size)

    def owner_of_file(self, name: str) -> Awaitable[str | None]:
        return self.database.read(files.owner_of_file, plain(name))

    def owns_file(self, owner: str, name: str) -> Awaitable[bool]:
        return self.database.read(queries.owns_file, plain(owner), plain(name))

    def picture_of(self, owner: str, name: str) -> Awaitable[Parent | None]:
        return self.database.read(queries.picture_of, plain(owner), plain(name))

    def files_total(self, owner: str | None) -> Awaitable[FilesTotal]:
        return self.database.read(files.files_total, owner)

    def files_over_limits(
        self, limits: Limits, before: float, spare: Collection[str] = ()
    ) -> Awaitable[list[OwnedFile]]:
        return self.database.read(files.files_over_limits, limits, before, spare)

    def files_beyond_newest(self, owner: str, count: int) -> Awaitable[list[str]]:
        return self.database.read(files.files_beyond_newest, plain(owner), within_range(count))

    def files_after(self, name: str, limit: int) -> Awaitable[list[str]]:
        return self.database.read(files.files_after, plain(name), limit)

    def newest_file(self) -> Awaitable[float]:
        return self.database.read(files.newest_file)

    def forget_files(self, names: Collection[str]) -> Awaitable[None]:
        return self.database.call(files.forget_files, tuple(names))

    async def close(self) -> None:
        await self._kept.close()
        await self.database.close()

    async def _begin(self, new: NewJob, *, is_disk_full: bool) -> tuple[Begun, bool, bool]:
        """Begin a job, or join one. Where the answer is lost, one may have begun: it is looked for and ended later."""
        begin_id = secrets.token_hex(8)
        try:
            return await self.database.call(jobs.begin, new, begin_id, is_disk_full=is_disk_full)
        except WorkError as error:
            if error.kind == STORAGE:
                self._unheard.add(begin_id)
            raise

    def _step(self, job: Job, **more: object) -> Mapping[str, Any]:
        return jobs.step(job, self.lease.id, self._clock(), **more)

    def _change(self, job: Job, **more: object) -> Awaitable[Job]:
        return self.database.call(jobs.change, self._step(job, **more))

    def _keep(
        self, job: Job, pictures: Sequence[KeptPicture], drawn: Drawn | None, **end: Mapping[str, Any]
    ) -> Awaitable[Job]:
        """Add pictures, and the cost of the answer that drew them: in one message where nothing has a price."""
        step, key = self._step(job, pictures=jobs.rows_of(pictures), **end), (job.owner, job.history_id)
        is_unpriced = key in self._unpriced
        if end:
            self._unpriced.discard(key)
        if is_unpriced and (drawn is None or drawn.usage is None):
            return self.database.call(jobs.change, step)
        return self.database.write(jobs.change_and_settle, step, drawn or Drawn(pictures=len(pictures)))

    async def _claim(
        self, *, takes: bool, owner: str | None = None, history_id: int | None = None, ends: bool = False
    ) -> list[Job]:
        """End what nobody can follow, and take what can be followed, as `jobs.claim` does; look first if there is any.

        No order is needed with other writes: nobody starts a job for a lease that is dead, or receives its pictures.
        """
        if unheard := tuple(self._unheard):
            if await self.database.call(jobs.end_unheard, self.lease.id, unheard, self._clock()):
                logger.warning(
                    "A job had begun though the database did not answer: it is ended; nothing was asked for."
                )
            self._unheard.difference_update(unheard)
        if not await self.database.read(jobs.is_any_left, self.lease.id, released=takes or ends):
            return []
        arrived = await self._arrived()
        ended, taken = await self.database.call(
            jobs.claim,
            self.lease.id,
            arrived,
            self._clock(),
            takes=takes,
            owner=owner,
            history_id=history_id,
            ends=ends,
        )
        if ended:
            logger.info("jobs of a process that stopped, which are now failed: %s", ended)
        return taken

    async def _arrived(self) -> Collection[str]:
        return await self._arrivals.listing() if self._arrivals is not None else ()


def _ending(failure: Failure | None, links: Sequence[str]) -> dict[str, Any]:
    """Return the end of a job, as the functions of the database take it."""
    kind, reason = (None, None) if failure is None else (failure.kind, failure.reason)
    return {"kind": kind, "reason": reason, "links": _links(links), "failed": False}


def _links(links: Sequence[str]) -> str:
    return dumped(list(links))
