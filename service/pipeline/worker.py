"""The work on one job, from asking the image service to the end that its row tells.

1. Draw, in its turn (`pipeline/turns.py`): the row says that the image service is asked before it is, and that it
   refused before the pause until it is asked again; retries are those that the failure allows.
2. A task at the service, which goes on without us, is written down before the first question about it. Then it is
   followed until the deadline, even when all its callers have gone; after that, or after this process, the job stays
   `working` and can be resumed.
3. Keep: from here on neither a cancellation nor a stop loses a picture that is paid for. The bytes are examined,
   stored, and the row becomes `done` in one transaction.
4. However else a job ends, cancellation included, the row says so before any caller hears of it; a disk that does not
   take that is asked again.
5. A failure says whether it may be charged: after the image service has given something, it may.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

from service.images import Failure, ImageRequest, Job, KeptPicture, Picture, Progress, Reference, WorkError
from service.pictures.decoding import BadPictureError
from service.pictures.library import Pictures
from service.pipeline.running_jobs import RunningJob, RunningJobs, finish_despite_cancel
from service.pipeline.turns import Turns
from service.storage.store import INTERRUPTED, Store
from service.upstreams.base import RemoteTask, Upstream

logger = logging.getLogger(__name__)

R = TypeVar("R")

CANCELLED_KIND: Final = "cancelled"
CANCELLED: Final = "It was cancelled by the client before it was done."
STOPPED: Final = "This server was stopped while the picture was being drawn."
MAY_BE_CHARGED: Final = "The image service may have charged for it all the same."
NOT_CHARGED: Final = "Nothing was charged."
AGAIN: Final = "Call again if the picture is still wanted."
BROKEN: Final = "Internal error."
LOOK: Final = "The server's log has the details."

ORDINALS: Final = ("First", "Second", "Third", *(f"{number}th" for number in range(4, 12)))
"""The tries in words, for up to ten of EASEL_RETRIES."""

LONGEST_PAUSE_S: Final = 60.0
"""Longest pause before another try, however often it was doubled."""

WRITE_PAUSE_S: Final = 2.0
"""Pause between two tries to write. A stop waits no longer than this for one that is under way."""

STORING_TRIES: Final = 15
"""Tries in half a minute. A picture is megabytes of memory while the disk does not take it."""

GIVE_UP_S: Final = 24 * 3600.0
"""Age at which a task that has not ended is given up: after a day it never will."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Works on jobs. `ended` is called with each job that came to its end, after its row says so."""

    upstreams: Mapping[str, Upstream]
    store: Store
    pictures: Pictures
    jobs: RunningJobs
    retries: int
    prompt_suffix: str
    ended: Callable[[Job], Awaitable[None]]
    turns: Turns = field(default_factory=Turns)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def draw(self, job: Job, request: ImageRequest, running: RunningJob) -> Job | None:
        """Make the pictures of a job that has just begun. Returns the job as it ended, None while it has not."""
        return await self._finish(job, running, self._draw_in_turn(job, request, running))

    async def follow(self, job: Job, running: RunningJob) -> Job | None:
        """Resume a job whose task goes on at its image service. Returns the job as it ended, None while it has not."""
        return await self._finish(job, running, self._follow(job, running, running.report))

    async def _finish(self, job: Job, running: RunningJob, work: Awaitable[Job | None]) -> Job | None:
        """Do the work, and have the row say how it ended. None: it has not, and can be resumed."""
        started = time.monotonic()
        try:
            ended = await work
        except WorkError as error:
            ended = await self._failed(job, running, error)
        except asyncio.CancelledError:
            await finish_despite_cancel(self.cancel(job))
            raise
        except BaseException:
            charge = await self._charge(job)
            mistake = WorkError(f"{BROKEN} {charge}\n{LOOK}", kind="internal", may_be_charged=charge == MAY_BE_CHARGED)
            await self._failed(job, running, mistake)
            raise
        seconds = time.monotonic() - started
        logger.info(
            "history_id %d of %s: %s after %.1f s, %s", job.history_id, job.owner, _outcome(ended), seconds, job.model
        )
        if ended is not None:
            await self.ended(ended)
        return ended

    async def cancel(self, job: Job) -> None:
        """End a job as cancelled; where this process ends and a task goes on at the service, release it instead."""
        try:
            ended = await self._write(lambda: self._end_cancelled(job))
        except WorkError as error:  # the cancellation goes on: the next start finds the row and ends it
            logger.warning("history_id %d of %s could not be ended: %s", job.history_id, job.owner, error)
        else:
            if ended is not None:
                await self.ended(ended)

    async def _end_cancelled(self, job: Job) -> Job | None:
        current = await self.store.job(job.owner, job.history_id) or job
        if self.jobs.closing and current.task:
            await self.store.release(current)
            return None
        kind, reason = ("interrupted", STOPPED) if self.jobs.closing else (CANCELLED_KIND, CANCELLED)
        reason = f"{reason} {_charge_of(current)}\n{AGAIN}"
        logger.info("history_id %d of %s: %s", job.history_id, job.owner, kind)
        return await self.store.fail(job, Failure(kind=kind, reason=reason))

    async def _failed(self, job: Job, running: RunningJob, error: WorkError) -> Job | None:
        """Have the row say why it failed. None where the service stops and the disk did not take it."""
        running.detached = True  # nothing is left that a cancellation could save
        failure = Failure(kind=error.kind, reason=str(error), links=error.links)
        try:
            if not (error.may_be_charged or error.links or error.task):  # the day's limits count it no longer
                await finish_despite_cancel(self._write(lambda: self.store.mark_submitted(job, refused=True)))
            if error.task:
                await finish_despite_cancel(self._write(lambda: self.store.remember_task(job, error.task)))
            return await finish_despite_cancel(self._write(lambda: self.store.fail(job, failure)))
        except WorkError as problem:
            logger.warning("history_id %d of %s could not be ended: %s", job.history_id, job.owner, problem)
            return None

    async def _charge(self, job: Job) -> str:
        try:
            return _charge_of(await self.store.job(job.owner, job.history_id) or job)
        except WorkError:
            return MAY_BE_CHARGED

    async def _draw_in_turn(self, job: Job, request: ImageRequest, running: RunningJob) -> Job | None:
        waited = await self.turns.take(job.owner, running.report)
        try:
            if waited and self.jobs.closing:
                raise WorkError(INTERRUPTED.reason, kind=INTERRUPTED.kind)
            return await self._draw(job, request, running)
        finally:
            self.turns.give_back(job.owner)

    async def _draw(self, job: Job, request: ImageRequest, running: RunningJob) -> Job | None:
        upstream = self.upstreams[job.upstream]
        if request.references:
            accepted = upstream.reference_types(request.model)
            references = [await self._convert(each, accepted) for each in request.references]
            request = replace(request, references=tuple(references))
        made = await self._ask(job, upstream, request, running)
        if isinstance(made, RemoteTask):
            remembered = await finish_despite_cancel(self._write(partial(self.store.remember_task, job, made.id)))
            return await self._follow(remembered, running, running.report)
        return await self._keep(job, made, running, running.report, upstream)

    async def _convert(self, reference: Reference, accepted: Collection[str]) -> Reference:
        """Return the reference with its picture upright, readable and of an accepted type."""
        if not reference.data:
            return reference
        try:
            converted = await self.pictures.convert(reference.data, accepted)
        except BadPictureError as error:
            problem = f"The reference picture ({reference.origin or reference.name}) {error.problem}. {NOT_CHARGED}"
            raise WorkError(problem, kind="reference") from error
        return replace(reference, data=converted.data, media_type=converted.media_type)

    async def _ask(
        self, job: Job, upstream: Upstream, request: ImageRequest, running: RunningJob
    ) -> Sequence[Picture] | RemoteTask:
        sent = replace(request, prompt="\n".join(filter(None, (request.prompt, self.prompt_suffix))))
        attempt = 0
        while True:
            running.asked = True
            if upstream.charges:
                await asyncio.shield(self.store.mark_submitted(job))
            try:
                async with asyncio.timeout(upstream.deadline_s):
                    return await upstream.generate(sent, running.report)
            except TimeoutError as late:
                raise WorkError(
                    f"{upstream.name} gave no picture within {upstream.deadline_s:.0f} seconds, and the wait was "
                    f"ended. {MAY_BE_CHARGED}\nTry again later, or with another model.",
                    kind="timeout",
                    may_be_charged=upstream.charges,
                ) from late
            except WorkError as error:
                attempt += 1
                if attempt > min(error.retries, self.retries):
                    raise
                running.asked = False
                if upstream.charges:  # a cancellation during the pause costs nothing
                    await asyncio.shield(self.store.mark_submitted(job, refused=True))
                pause_s = min(error.retry_after_s * 2 ** (attempt - 1), LONGEST_PAUSE_S)
                logger.info("%s: %s; attempt %d follows in %.1f s", upstream.name, error.kind, attempt + 1, pause_s)
                await running.report(f"{error.fact} {ORDINALS[attempt]} try in {pause_s:.0f} s.")
                await self.pause(pause_s)

    async def _follow(self, job: Job, running: RunningJob, progress: Progress) -> Job | None:
        """Wait for a task at the service until the deadline; after that any process may resume it."""
        upstream = self.upstreams.get(job.upstream)
        if upstream is None:
            await self._leave(job, f"{job.upstream}, which has it, is not configured any more.")
            return None
        try:
            async with asyncio.timeout(upstream.deadline_s):
                pictures = await upstream.follow(RemoteTask(job.task), progress)
        except TimeoutError:
            await self._leave(job, f"{job.upstream} has not finished it.")
            return None
        return await self._keep(job, pictures, running, progress, upstream)

    async def _leave(self, job: Job, why: str) -> None:
        if time.time() - job.created_at > GIVE_UP_S:
            raise WorkError(
                f"{why} It was asked for more than a day ago, and is given up. {MAY_BE_CHARGED}",
                kind="timeout",
                may_be_charged=True,
            )
        await finish_despite_cancel(self._write(lambda: self.store.release(job)))

    async def _keep(
        self, job: Job, pictures: Sequence[Picture], running: RunningJob, progress: Progress, upstream: Upstream
    ) -> Job:
        """Store what was drawn."""
        running.detached = True  # paid for: from here on it is kept, whoever leaves
        await progress("Storing the picture", 95)
        try:
            return await finish_despite_cancel(self._store_all(job, pictures))
        except WorkError as error:
            fact, _, advice = str(error).partition("\n")
            paid = f" {MAY_BE_CHARGED}" if upstream.charges else ""
            reason = "\n".join(filter(None, [fact + paid, advice]))
            raise WorkError(reason, kind=error.kind, may_be_charged=upstream.charges) from error

    async def _store_all(self, job: Job, pictures: Sequence[Picture]) -> Job:
        """Store every picture that is one and finds room; a bad one among several does not lose the others."""
        kept: list[KeptPicture] = []
        drawn: list[Picture] = []
        problems: list[WorkError] = []
        for picture in pictures:
            try:
                storing = partial(self.pictures.keep, job.owner, picture, await self.pictures.examine(picture.data))
                kept.append(await self._write(storing, STORING_TRIES))
                drawn.append(picture)
            except WorkError as error:
                problems.append(error)
        if not kept:
            raise problems[0] if problems else WorkError("The image service gave no picture.", kind="no_image")
        if problems:
            missing = f"{len(problems)} of {len(pictures)} pictures could not be used: {problems[0]}"
            kept[0] = replace(kept[0], note=" ".join(filter(None, (kept[0].note, missing))))
        done = await self._write(lambda: self.store.finish(job, kept))
        for picture, known in zip(drawn, kept, strict=True):
            # The same bytes, drawn before, may have been removed to make room in the moment before the row named them.
            if await self.pictures.files.find(known.name) is None:
                await self.pictures.files.keep(job.owner, picture.data, known.media_type)
        return done

    async def _write(self, write: Callable[[], Awaitable[R]], tries: float = math.inf) -> R:
        """Write something that says what was paid for, so that it may not be lost: try until the disk takes it.

        Raises the `WorkError` of the last try after `tries` of them, or once the service stops. Until then the job
        counts as `working`.
        """
        tried = 0
        while True:
            try:
                return await write()
            except WorkError as error:
                tried += 1
                if tried >= tries or self.jobs.closing:
                    raise
                if tried == 1:
                    logger.warning("It is tried again until it succeeds: %s", error)
            await self.pause(WRITE_PAUSE_S)


def _outcome(ended: Job | None) -> str:
    """Return how a job ended, for the log: with the kind and the fact of a failure, but not the service's own words."""
    if ended is None:
        return "left working"
    failure = ended.failure
    return ended.state if failure is None else f"{ended.state} ({failure.kind}: {failure.fact})"


def _charge_of(job: Job) -> str:
    return MAY_BE_CHARGED if job.submitted else NOT_CHARGED
