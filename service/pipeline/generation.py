"""The pipeline as tools see it: have a picture made, wait for it, look at it again.

1. A job's row is written before anything costs money: its `history_id` is the ticket. A request that is the same as
   one which runs, or whose picture nobody has got yet, joins that job: it is paid for once. Two requests are the same
   when their fingerprints are.
2. The job runs by itself (`pipeline/running_jobs.py`, `pipeline/worker.py`); a call waits beside it no longer than its
   client does, and may come again for it, here, in another process, or after a restart.
3. A picture counts as delivered once the answer that shows it has reached its client; the same request then asks for
   a new one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from service.images import ImageRequest, Job, JobState, KeptPicture, WorkError
from service.pictures.library import Pictures
from service.pipeline.elsewhere import JobsElsewhere
from service.pipeline.requests import NOT_CHARGED, Part, fingerprint_of
from service.pipeline.restoration import DELETED, RESTORE_S, Restoration
from service.pipeline.running_jobs import RunningJob, RunningJobs, Step, Waiter, finish_despite_cancel
from service.pipeline.worker import CANCELLED_KIND, Worker
from service.storage.notices import StopWanted
from service.storage.replicas import LOST, Replica
from service.storage.store import Begun, Store
from service.troubles import STORAGE

logger = logging.getLogger(__name__)

STOPPED_S: Final = 5.0
"""Longest wait until another process has cancelled a job."""

STOP_LOOK_S: Final = 1.0
"""Between two looks whether it has."""

STOPPING: Final = "This server is being stopped and takes nothing new. Nothing was charged. Call again in a minute."


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A job as it stands, and the preview of one `picture` of it, counted from 1; `others` are those of its others.

    `preview` is None where that picture is not kept and could not be had from its image service either.
    `joined`: an earlier call had asked for the same.
    """

    job: Job
    preview: bytes | None = field(default=None, repr=False)
    others: tuple[bytes, ...] = field(default=(), repr=False)
    joined: bool = False
    picture: int = 1


@dataclass(frozen=True, kw_only=True)
class _Order:
    """One request with what its row is written from."""

    owner: str
    request: ImageRequest
    upstream: str
    fingerprint: str
    join_failed: bool = True


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Makes pictures and shows them again, for the process: built once, it knows nothing of the models on offer."""

    store: Store
    pictures: Pictures
    jobs: RunningJobs
    worker: Worker
    restoration: Restoration
    elsewhere: JobsElsewhere
    resume_each_s: float = Replica.claims_each_s
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def generate(self, owner: str, request: ImageRequest, waiter: Waiter, *, upstream: str) -> Outcome:
        """Make the pictures of one request, or join the job that makes them. A failure is an outcome too.

        `upstream` names the image service that draws. The job of the outcome is still `working` when the waiter's
        patience has ended: then `wait` goes on from there.
        """
        fingerprint = await fingerprint_of(owner, upstream, request)
        order = _Order(owner=owner, request=request, upstream=upstream, fingerprint=fingerprint)
        while True:
            outcome = await self._begin_and_wait(order, waiter)
            if not outcome.joined or not _came_to_nothing(outcome.job):
                return outcome
            # Now its row says so, and the same request begins anew.
            if outcome.job.links:
                order = replace(order, join_failed=False)

    async def resume(self) -> None:
        """Follow, in tasks of their own, the jobs at image services that no living process follows."""
        for job in [] if self.jobs.closing else await self.store.claim():
            logger.info("history_id %d of %s goes on at %s", job.history_id, job.owner, job.upstream)
            self._follow(job)

    async def keep_resuming(self) -> None:
        """Resume every `resume_each_s` seconds, until cancelled."""
        level = logging.WARNING
        while True:
            await self.pause(self.resume_each_s)
            try:
                await self.resume()
            except WorkError as error:  # said once for a trouble that lasts
                logger.log(level, "Jobs that nobody follows could not be looked for: %s", error.fact)
                level = logging.DEBUG
            else:
                level = logging.WARNING

    async def wait(self, owner: str, history_id: int, waiter: Waiter) -> None:
        """Wait for a working job to end, within the waiter's patience. One that nobody follows is resumed."""
        job = await self.store.job(owner, history_id)
        if job is not None:
            await self._wait(job, waiter)

    async def stop(self, job: Job) -> bool:
        """Cancel a job that is at work, for its owner. Returns False where another process works on it, and goes on."""
        running = self.jobs.find((job.owner, job.history_id)) or await self._claim(job)
        if running is None:
            return await self._stop_elsewhere(job, for_good=True)
        await running.stop()
        await self._end_unbegun(job)
        return True

    async def cancel(self, owner: str, history_id: int) -> bool:
        """Cancel a job that no call waits for; return False where another process works on it, and goes on."""
        job = await self.store.job(owner, history_id)
        if job is None or job.state is not JobState.WORKING:
            return True
        running = self.jobs.find((owner, history_id)) or await self._claim(job)
        if running is None:
            return await self._stop_elsewhere(job, for_good=False)
        await running.cancel()
        await self._end_unbegun(job)
        return True

    async def _stop_elsewhere(self, job: Job, *, for_good: bool) -> bool:
        """Have the process cancel a job that works on it; return whether its row says that it has ended."""
        asked = False
        with self.elsewhere.waiting(job, Waiter(until=asyncio.get_running_loop().time() + STOPPED_S)) as wait:
            while True:
                # Looking for a process to claim it from ended it, if that died.
                current = await self.store.job(job.owner, job.history_id)
                if current is None or current.state is not JobState.WORKING:
                    return True
                wanted = StopWanted(job.owner, job.history_id, for_good)
                asked = asked or await self.elsewhere.notices.ask_to_stop(wanted)
                if not asked or not wait.waiter.left_s:
                    return False
                await wait.next(self.pause(min(STOP_LOOK_S, wait.waiter.left_s)))

    def stop_here(self, wanted: StopWanted) -> None:
        """Cancel a job that is at work here, as another process was asked to."""
        running = self.jobs.find((wanted.owner, wanted.history_id))
        if running is not None:
            self.jobs.run_in_background(running.stop() if wanted.for_good else running.cancel())

    def newest(self, job: Job) -> Step | None:
        """Return the newest step of a job at work, here or elsewhere, where it is known."""
        running = self.jobs.find((job.owner, job.history_id))
        if running is not None:
            return running.newest
        self.elsewhere.ask_for_progress(job.owner, job.history_id)
        return self.elsewhere.newest(job.owner, job.history_id)

    def is_at_work(self, owner: str, history_id: int) -> bool:
        """Tell whether a job is at work here, or steps of it were heard of elsewhere."""
        found = self.jobs.find((owner, history_id))
        return found is not None or self.elsewhere.newest(owner, history_id) is not None

    async def _end_unbegun(self, job: Job) -> None:
        """Have the row say that a job was cancelled whose turn to be resumed had not come."""
        current = await self.store.job(job.owner, job.history_id)
        if (
            current is not None
            and current.state is JobState.WORKING
            and not self.jobs.find((job.owner, job.history_id))
        ):
            await self.worker.cancel(current)

    async def result_if_ended(self, owner: str, history_id: int) -> Outcome | None:
        """Return the outcome of a job that has ended; None for one at work, which is resumed if nobody follows it.

        Raises `WorkError` of kind `deleted` when there is no such job.
        """
        job = await self.store.job(owner, history_id)
        if job is not None and job.state is JobState.WORKING:
            running = self.jobs.find((owner, history_id)) or await self._claim(job)
            if running is not None:
                running.detached = True  # its task is looked for again and again, by no call that stays
        outcome = await self.show(owner, history_id)
        if outcome is None:
            raise WorkError(f"history_id {history_id} was deleted.", kind=DELETED)
        return None if outcome.job.state is JobState.WORKING else outcome

    async def show(
        self, owner: str, history_id: int, chosen: int | None = None, patience_s: float = RESTORE_S
    ) -> Outcome | None:
        """Return a job of this owner, with the preview of the chosen picture, or all; None when there is no such job.

        A picture whose bytes are gone is fetched again where that can be in `patience_s` seconds; else its row says
        that it is gone. So is one that could not be downloaded when it was drawn.
        """
        job, picture = await self._find(owner, history_id, patience_s), chosen or 1
        if job is None or not 0 < picture <= len(job.pictures):
            return None if job is None else Outcome(job=job, picture=picture)
        if await self.pictures.files.find(job.pictures[picture - 1].name) is None:
            job, data = await self.restoration.restore(job, picture, patience_s)
            if data is None:
                return Outcome(job=job, picture=picture)
        return await self._outcome(job, chosen)

    async def picture(self, owner: str, history_id: int, picture: int) -> tuple[KeptPicture, bytes] | None:
        """Return one picture of this owner's job with its bytes, restored if need be; None when they cannot be had."""
        job = await self._find(owner, history_id, RESTORE_S)
        if job is None or not 0 < picture <= len(job.pictures):
            return None
        data = await self.pictures.read(job.pictures[picture - 1].name)
        if data is None:
            job, data = await self.restoration.restore(job, picture, RESTORE_S)
        return None if data is None else (job.pictures[picture - 1], data)

    async def _find(self, owner: str, history_id: int, patience_s: float) -> Job | None:
        """Find a job. One some of whose pictures could not be downloaded has them if they can be now."""
        job = await self.store.job(owner, history_id)
        if job is not None and job.state is not JobState.WORKING and job.links:
            return await self.restoration.recover(job, patience_s)
        return job

    def delivered(self, job: Job) -> None:
        """Note that the pictures of this job have reached a client; it is written down before `jobs.close` ends."""
        if job.state is JobState.DONE and job.delivered_at is None:
            self.jobs.run_in_background(self._mark_delivered(job))

    async def _mark_delivered(self, job: Job) -> None:
        try:
            await self.store.mark_delivered(job.owner, [job.history_id])
        except WorkError as error:  # the same request will join the job once more: nothing is lost
            logger.warning(
                "history_id %d of %s: its delivery could not be written down: %s", job.history_id, job.owner, error
            )

    async def _outcome(self, job: Job, chosen: int | None = None) -> Outcome:
        """Return a job with the preview of the chosen picture, or with those of all, the first of them apart."""
        if not job.pictures:
            return Outcome(job=job, picture=chosen or 1)
        first, *more = job.pictures if chosen is None else job.pictures[chosen - 1 : chosen]
        preview = await self.pictures.preview(job.owner, first.name)
        others = [await self.pictures.preview(job.owner, each.name) for each in more if each.kept]
        return Outcome(job=job, preview=preview, others=tuple(filter(None, others)), picture=chosen or 1)

    async def _begin_and_wait(self, order: _Order, waiter: Waiter) -> Outcome:
        begun = await self._begin(order, waiter)
        ended = await self._wait(begun.job, waiter)
        if ended is not None:
            return replace(await self._outcome(ended), joined=begun.joined)
        outcome = await self.show(order.owner, begun.job.history_id, patience_s=waiter.left_s)
        if outcome is None:
            raise WorkError(f"history_id {begun.job.history_id} was deleted meanwhile.", kind=DELETED)
        return replace(outcome, joined=begun.joined)

    async def _begin(self, order: _Order, waiter: Waiter) -> Begun:
        """Write the row and start the job, or find the one to join. A call cancelled meanwhile leaves none working."""
        if self.jobs.closing:
            raise WorkError(STOPPING, kind="stopping")
        cancelled = asyncio.Event()
        beginning = asyncio.create_task(self._write_and_start(order, waiter, cancelled))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            cancelled.set()
            await finish_despite_cancel(self._leave(beginning, waiter))
            raise

    async def _leave(self, beginning: asyncio.Task[Begun], waiter: Waiter) -> None:
        begun = await beginning
        running = self.jobs.find((begun.job.owner, begun.job.history_id))
        if not begun.joined and running is not None:
            await running.leave(waiter.leaving())

    async def _write_and_start(self, order: _Order, waiter: Waiter, cancelled: asyncio.Event) -> Begun:
        asking, upstream = self.worker.asking, self.worker.upstreams.get(order.upstream)
        ready = asking.reserve(order.owner, order.request, upstream)
        try:
            begun = await self._write(order, ready)
            if await self._is_to_start(begun, ready, waiter, cancelled):
                draw = partial(self.worker.draw, begun.job, order.request, ready)
                running = self.jobs.start((begun.job.owner, begun.job.history_id), draw)
                if ready is not None:
                    running.at_end(partial(asking.give_back, order.owner, ready))
                ready = None
        finally:
            if ready is not None:
                asking.give_back(order.owner, ready)
        return begun

    async def _is_to_start(self, begun: Begun, ready: Part | None, waiter: Waiter, cancelled: asyncio.Event) -> bool:
        """Hand the waiter its ticket. Returns False for a job to join, and for a new one that was cancelled."""
        try:
            if waiter.begun is not None:
                await waiter.begun(begun.job.history_id)
        except WorkError:
            cancelled.set()
            raise
        finally:
            if cancelled.is_set() and not begun.joined:
                await self.worker.cancel(begun.job, ready)
        return not begun.joined and not cancelled.is_set()

    async def _write(self, order: _Order, ready: Part | None) -> Begun:
        """Write the row, or find the job to join. That of a request whose turn has come says that it is asked."""
        submitted = ready.count if ready is not None and ready.charged else 0
        begin = partial(self.store.begin, join_failed=order.join_failed, submitted=submitted)
        try:
            return await begin(order.owner, order.request, order.upstream, order.fingerprint)
        except WorkError as error:
            if error.kind == LOST:  # nothing has begun: it begins with another lease
                await self.worker.asking.replica.begin_anew()
                return await begin(order.owner, order.request, order.upstream, order.fingerprint)
            if error.kind != STORAGE:
                raise
            raise WorkError(f"{error} {NOT_CHARGED} Call again then.", kind=STORAGE) from error

    async def _wait(self, job: Job, waiter: Waiter) -> Job | None:
        """Wait beside the job where it runs; one that nobody follows is resumed, another process's row is watched.

        Returns the job as it ended here, None where only its row can tell.
        """
        if job.state is not JobState.WORKING:
            return None
        running = (
            self.jobs.find((job.owner, job.history_id)) or await self._claim(job) or await self._watch(job, waiter)
        )
        if running is None:
            return None
        ended = await running.wait(waiter)
        if running.stopped:  # else a call that joined it would begin it anew
            raise WorkError(f"history_id {job.history_id} was deleted meanwhile.", kind=DELETED)
        if ended is None and running.abandoned:
            again = await self._watch(job, waiter)
            return None if again is None else await again.wait(waiter)
        return ended

    async def _claim(self, job: Job) -> RunningJob | None:
        """Resume the job if nobody follows it; whole, since nobody can claim a job that is claimed and not followed."""
        return await finish_despite_cancel(self._claim_and_follow(job))

    async def _claim_and_follow(self, job: Job) -> RunningJob | None:
        claimed = await self.store.claim_one(job.owner, job.history_id)
        return self._follow(claimed) if claimed is not None and not self.jobs.closing else None

    def _follow(self, job: Job) -> RunningJob:
        return self.jobs.resume((job.owner, job.history_id), partial(self.worker.follow, job))

    async def _watch(self, job: Job, waiter: Waiter) -> RunningJob | None:
        """Look at a job until it has ended: another process works on it, or it is just beginning here.

        If that process dies or lets go, resume it.
        """
        if waiter.report is not None:
            waiter.report(f"history_id {job.history_id} is being drawn", None)
        look_s, left_s = self.elsewhere.notices.look_s, waiter.left_s
        with self.elsewhere.waiting(job, waiter) as wait:
            while left_s > 0:
                current = await self.store.job(job.owner, job.history_id)
                if current is None or current.state is not JobState.WORKING:
                    break
                self.elsewhere.ask_for_progress(job.owner, job.history_id)
                hinted = await wait.next(self.pause(min(look_s, left_s)))
                left_s = min(left_s - (0 if hinted else look_s), waiter.left_s)
                if (running := self.jobs.find((job.owner, job.history_id))) is not None:
                    return running
                if not hinted and (running := await self._claim(job)) is not None:
                    return running
        return None


def _came_to_nothing(job: Job) -> bool:
    """Tell whether a call that joined this job has nothing from it: cancelled, or bytes out of reach."""
    cancelled = job.failure is not None and job.failure.kind == CANCELLED_KIND
    return cancelled or bool(job.links) or not all(picture.kept for picture in job.pictures)
