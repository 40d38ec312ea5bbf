"""The work on one job, from asking the image service to the end that its row tells.

1. A job has one part for each request to its image service (`pipeline/requests.py`); they are at work side by side.
2. Draw each part in its turn (`pipeline/asking.py`): the row says that the image service is asked before it is, and
   that it refused before the pause until it is asked again.
3. A task at the service, which goes on without us, is written down before the first question about it, and the URLs of
   an answer before the first download. Both are followed until the deadline, even when all callers have gone; after
   that, or after this process, the job stays `working` and can be resumed.
4. Keep (`pipeline/keeping.py`): the pictures of one of several parts are in the row, and shown, while the others are
   drawn; those of the last part in one transaction with the end.
5. However else a job ends, cancellation included, the row says so before any caller hears of it. A job of which some
   pictures came is `done` with these, and says why the others did not.
6. A failure says whether it may be charged: after the image service has given something, it may.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from service import telemetry
from service.bounds.byte_budget import ByteBudget, Share, deadline
from service.images import (
    INTERRUPTED,
    INTERRUPTED_SUBMITTED,
    Failure,
    ImageRequest,
    Job,
    JobState,
    Picture,
    Progress,
    WorkError,
)
from service.pipeline.asking import MAY_BE_CHARGED, Asking
from service.pipeline.clock_watch import ClockWatch
from service.pipeline.keeping import Keeping, arrivals_left, download
from service.pipeline.requests import NOT_CHARGED, Part, Parts, prepared, split
from service.pipeline.running_jobs import RunningJob, RunningJobs, finish_despite_cancel
from service.storage.replicas import LOST
from service.storage.store import Store
from service.troubles import STORAGE
from service.upstreams.base import RemoteTask, Upstream

logger = logging.getLogger(__name__)

CANCELLED_KIND: Final = "cancelled"
CANCELLED: Final = "It was cancelled by the client before it was done."
STOPPED: Final = "This server was stopped while the picture was being drawn."
AGAIN: Final = "Call again if the picture is still wanted."
BROKEN: Final = "Internal error."
LOOK: Final = "The server's log has the details."

UNFINISHED: Final = frozenset({"timeout", "internal"})
"""Kinds of failure after which the links of an answer may still be good."""

GIVE_UP_S: Final = 24 * 3600.0
"""Age at which a task that has not ended is given up: after a day it never will."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Works on jobs. `ended` is called with each job that came to its end, after its row says so."""

    upstreams: Mapping[str, Upstream]
    store: Store
    jobs: RunningJobs
    asking: Asking
    keeping: Keeping
    ended: Callable[[Job], Awaitable[None]]
    clock: ClockWatch = field(default_factory=ClockWatch)
    budget: ByteBudget = field(default_factory=ByteBudget)

    async def draw(self, job: Job, request: ImageRequest, ready: Part | None, running: RunningJob) -> Job | None:
        """Make the pictures of a job that has just begun. Returns the job as it ended, None while it has not.

        `ready` is its one part where that has its turn (`Asking.reserve`).
        """
        return await self._finish(job, running, self._draw(job, request, ready, running))

    async def follow(self, job: Job, running: RunningJob) -> Job | None:
        """Resume a job whose task goes on at its image service. Returns the job as it ended, None while it has not."""
        return await self._finish(job, running, self._follow(job, running))

    async def _finish(self, job: Job, running: RunningJob, work: Awaitable[Job | None]) -> Job | None:
        """Do the work, and have the row say how it ended. None: it has not, and can be resumed."""
        started, setting = time.monotonic(), ""
        try:
            ended = await work
        except WorkError as error:
            setting = error.setting
            running.abandoned = error.kind == LOST
            ended = await self._failed(job, running, error)
        except asyncio.CancelledError:
            cancelled = await finish_despite_cancel(self.cancel(job))
            await finish_despite_cancel(self.keeping.forget_arrival(running, cancelled))
            raise
        except BaseException:
            charge = await self._charge(job)
            mistake = WorkError(f"{BROKEN} {charge}\n{LOOK}", kind="internal", may_be_charged=charge == MAY_BE_CHARGED)
            ended = await self._failed(job, running, mistake)
            telemetry.generation_ended(job, ended, time.monotonic() - started, "")
            await self.keeping.forget_arrival(running, ended)
            raise
        telemetry.generation_ended(job, ended, time.monotonic() - started, setting)
        if ended is not None:
            await self.keeping.forget_arrival(running, ended)
            await self.ended(ended)
        return ended

    async def cancel(self, job: Job, ready: Part | None = None) -> Job | None:
        """End a job as cancelled; where this process ends and it can go on without it, release it instead.

        `ready` is its part where it was to be asked and was not. Returns the job as it ended, None where it has not.
        """
        try:
            if ready is not None:
                await self.keeping.write(lambda: self.asking.take_back(job, Parts([ready]), ready))
            ended = await self.keeping.write(lambda: self._end_cancelled(job))
        except WorkError as error:  # the cancellation goes on: the next start finds the row and ends it
            logger.warning("history_id %d of %s could not be ended: %s", job.history_id, job.owner, error)
            return None
        if ended is not None:
            await self.ended(ended)
        return ended

    async def _end_cancelled(self, job: Job) -> Job | None:
        current = await self.store.job(job.owner, job.history_id) or job
        can_go_on = current.state is JobState.WORKING and (current.task or await self.keeping.arrivals.read(job))
        if self.jobs.closing and can_go_on:
            await self.store.release(current)
            return None
        kind, reason = ("interrupted", STOPPED) if self.jobs.closing else (CANCELLED_KIND, CANCELLED)
        reason = f"{reason} {_charge_of(current)}\n{AGAIN}"
        logger.info("history_id %d of %s: %s", job.history_id, job.owner, kind)
        links = await self.keeping.arrived_links(current) if job.count > 1 else ()
        return await self.store.fail(job, Failure(kind=kind, reason=reason), links)

    async def _failed(self, job: Job, running: RunningJob, error: WorkError) -> Job | None:
        """Have the row say why it failed. None where the service stops and the disk did not take it."""
        running.detached = True  # nothing is left that a cancellation could save
        if self._is_for_next_start(error, running):
            return None
        failure, links = Failure(kind=error.kind, reason=str(error)), error.links
        if error.kind in UNFINISHED:
            links = await self.keeping.arrived_links(await self.store.job(job.owner, job.history_id) or job)

        async def fail() -> Job:
            if not (error.may_be_charged or links or error.task):  # the day's limits count it no longer
                await self.store.mark_submitted(job, 0)
            if error.task:
                await self.store.remember_task(job, error.task)
            return await self.store.fail(job, failure, links)

        try:
            return await finish_despite_cancel(self.keeping.write(fail, running, told=error))
        except WorkError as problem:
            logger.warning("history_id %d of %s could not be ended: %s", job.history_id, job.owner, problem)
            return None

    def _is_for_next_start(self, error: WorkError, running: RunningJob) -> bool:
        """Tell that the service stops and the disk did not take it: the next start finishes it, or says its fate."""
        return self.jobs.closing and running.has_arrivals and error.kind == STORAGE

    async def _charge(self, job: Job) -> str:
        try:
            return _charge_of(await self.store.job(job.owner, job.history_id) or job)
        except WorkError:
            return MAY_BE_CHARGED

    async def _draw(self, job: Job, request: ImageRequest, ready: Part | None, running: RunningJob) -> Job | None:
        upstream = self.upstreams[job.upstream]
        if ready is not None:
            return await self._work(job, Parts([ready]), running, upstream)
        if request.references:
            request = await prepared(self.keeping.pictures, job.owner, request, upstream.reference_types(request.model))
        each = list(split(request))
        return await self._work(job, Parts(each, several=len(each) > 1), running, upstream)

    async def _follow(self, job: Job, running: RunningJob) -> Job | None:
        """Finish a job by what has arrived, its tasks or its links. After the deadline any process may resume it."""
        arrived = await self.keeping.write(lambda: self.keeping.arrivals.read(job), running)
        running.has_arrivals = bool(arrived)
        entered = {picture.part for picture in job.pictures}
        left = arrivals_left(job, arrived)
        numbers = sorted((job.tasks.keys() - entered) | left.keys()) if job.count > 1 else [0]
        each = [Part(number=number, task=job.tasks.get(number, ""), arrived=left.get(number, ())) for number in numbers]
        parts = Parts(each, several=job.count > 1)
        return await self._work(job, parts, running, self.upstreams.get(job.upstream))

    async def _work(self, job: Job, parts: Parts, running: RunningJob, upstream: Upstream | None) -> Job | None:
        """Work on all parts side by side, then end the job; None where it can be finished later alone."""
        if not parts.several:
            [part] = parts.each
            ended = await self._work_on(job, parts, part, running, upstream)
            if part.left:
                await self._leave(job, part.left)
            return ended
        async with asyncio.TaskGroup() as group:
            for part in parts.each:
                group.create_task(self._try(job, parts, part, running, upstream))
        if left := next((part.left for part in parts.each if part.left), ""):
            await self._leave(job, left)
            return None
        running.detached = True
        return await finish_despite_cancel(self._conclude(job, parts, running))

    async def _try(self, job: Job, parts: Parts, part: Part, running: RunningJob, upstream: Upstream | None) -> None:
        """Work on one of several parts; its failure is noted and leaves the others as they are."""
        try:
            await self._work_on(job, parts, part, running, upstream)
        except WorkError as error:
            if self._is_for_next_start(error, running):
                part.left = error.fact
                return
            await self._fail_part(job, parts, part, running, error)
        except Exception:  # a mistake of ours in one part may not end the others, which are paid for
            logger.exception("history_id %d of %s: part %d", job.history_id, job.owner, part.number)
            charge = MAY_BE_CHARGED if part.charged else NOT_CHARGED
            mistake = WorkError(f"{BROKEN} {charge}\n{LOOK}", kind="internal", may_be_charged=part.charged)
            await self._fail_part(job, parts, part, running, mistake)
        part.ended = True

    async def _fail_part(self, job: Job, parts: Parts, part: Part, running: RunningJob, error: WorkError) -> None:
        part.error = error
        part.links = [*error.links]
        await finish_despite_cancel(self.keeping.write(partial(self._note_failure, job, parts, part, error), running))

    async def _note_failure(self, job: Job, parts: Parts, part: Part, error: WorkError) -> None:
        if error.kind in UNFINISHED and not part.links:
            arrived = (await self.keeping.arrivals.read(job)).get(part.number, [])
            part.links = [each.source for each in arrived if each.source]
        if not (error.may_be_charged or part.links or error.task):
            await self.asking.take_back(job, parts, part)
        if error.task:
            await self.store.remember_task(job, error.task, part.number)
        if not part.links:
            await self.store.note_shortfall(job, Failure(kind=error.kind, reason=str(error)))

    async def _conclude(self, job: Job, parts: Parts, running: RunningJob) -> Job:
        """End a job all of whose parts have ended. Raises the failure of one that has no picture."""
        came = len(job.pictures) + sum(part.came for part in parts.each)
        links = [link for part in parts.each for link in part.links]
        if not came and (failure := parts.failure(job.count)) is not None:
            raise failure
        current = await self.store.job(job.owner, job.history_id) or job
        stopped = INTERRUPTED_SUBMITTED if current.submitted > came else INTERRUPTED
        why = stopped if came + len(links) < job.count else None  # a reason that was noted before goes before this
        if not came:
            return await self.keeping.write(lambda: self.store.fail(job, stopped, links), running)
        return await self.keeping.write(lambda: self.store.finish(job, (), links, why), running)

    async def _work_on(
        self, job: Job, parts: Parts, part: Part, running: RunningJob, upstream: Upstream | None
    ) -> Job | None:
        """Draw or follow one part, and keep what came of it. Returns the job if it ended by that."""
        with self.budget.share() as share:
            if part.request is None or upstream is None:
                return await self._work_with(job, parts, part, running, upstream, share)
            waited = await self.asking.take_turn(job.owner, part, self._progress(job, parts, part, running))
            try:
                if waited and self.jobs.closing:
                    raise WorkError(INTERRUPTED.reason, kind=INTERRUPTED.kind)
                return await self._work_with(job, parts, part, running, upstream, share)
            finally:
                self.asking.give_back(job.owner, part)

    async def _work_with(  # noqa: PLR0913, PLR0917 - the part with all that stands around it
        self, job: Job, parts: Parts, part: Part, running: RunningJob, upstream: Upstream | None, share: Share
    ) -> Job | None:
        """Work on a part whose turn has come, or that needs none."""
        given = await self._given(job, parts, part, running, upstream)
        if given is None:
            return None
        share.hold(sum(len(picture.data) for picture in given))
        charges = upstream is None or upstream.charges  # without one, of a service that is not configured any more
        return await self.keeping.keep(job, parts, part, given, running, charges=charges)

    async def _given(
        self, job: Job, parts: Parts, part: Part, running: RunningJob, upstream: Upstream | None
    ) -> Sequence[Picture] | None:
        """Return the pictures that an image service gives for a part; None where they can be had later alone."""
        progress = self._progress(job, parts, part, running)
        if part.request is None or upstream is None:
            return await self._follow_part(job, part, upstream, progress)
        made = await self.asking.ask(job, parts, part, upstream, running, progress)
        if not isinstance(made, RemoteTask):
            return made
        part.task = made.id
        remember = partial(self.store.remember_task, job, made.id, part.number)
        await finish_despite_cancel(self.keeping.write(remember, running))
        return await self._follow_part(job, part, upstream, progress)

    async def _follow_part(
        self, job: Job, part: Part, upstream: Upstream | None, progress: Progress
    ) -> Sequence[Picture] | None:
        """Return the pictures of a part that was asked for before; None where it can be finished later alone."""
        if part.arrived and all(picture.data for picture in part.arrived):
            return part.arrived
        if upstream is None:
            part.left = f"{job.upstream}, which has it, is not configured any more."
            return None
        try:
            async with deadline(upstream.deadline_s):
                if part.task:
                    return await upstream.follow(RemoteTask(part.task), progress)
                return [each if each.data else await download(upstream, each.source) for each in part.arrived]
        except TimeoutError:
            part.left = f"{job.upstream} has not finished it."
            return None

    def _progress(self, job: Job, parts: Parts, part: Part, running: RunningJob) -> Progress:
        """Return the receiver of a part's progress, which writes down the links of an answer without a task."""

        async def report(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
            if named := [] if part.task else [Picture(data=b"", source=link) for link in links]:
                # Paid for: from here on it is finished, whoever leaves, unless there is more that can be cancelled.
                running.detached = running.detached or not parts.several or parts.is_last(part)
                await finish_despite_cancel(self.keeping.note_arrival(job, part, named, running))
            await running.report(message, parts.advance(part, percent) if parts.several else percent)

        return report

    async def _leave(self, job: Job, why: str) -> None:
        if self.clock.is_even() and self.clock.now() - job.created_at > GIVE_UP_S:
            raise WorkError(
                f"{why} It was asked for more than a day ago, and is given up. {MAY_BE_CHARGED}",
                kind="timeout",
                may_be_charged=True,
            )
        await finish_despite_cancel(self.keeping.write(lambda: self.store.release(job)))


def _charge_of(job: Job) -> str:
    return MAY_BE_CHARGED if job.submitted > len(job.pictures) else NOT_CHARGED
