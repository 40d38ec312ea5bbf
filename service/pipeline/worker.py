"""The work on one job, from asking the image service to the end that its row tells.

1. Draw, in its turn (`pipeline/turns.py`): the row says that the image service is asked before it is, and that it
   refused before the pause until it is asked again; retries are those that the failure allows.
2. A task at the service, which goes on without us, is written down before the first question about it, and the URLs of
   an answer before the first download. Both are followed until the deadline, even when all callers have gone; after
   that, or after this process, the job stays `working` and can be resumed.
3. Keep: from here on neither a cancellation nor a stop loses a picture that is paid for, nor does a crash. The bytes
   are written down as they came (`Arrivals`), then examined, stored, and the row becomes `done` in one transaction.
4. However else a job ends, cancellation included, the row says so before any caller hears of it. A disk that does not
   take that is asked again; callers who wait hear why after `HELD_UP_S`.
5. A failure says whether it may be charged: after the image service has given something, it may.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

from service import telemetry
from service.images import Failure, ImageRequest, Job, JobState, KeptPicture, Picture, Progress, WorkError
from service.pictures.library import Pictures
from service.pipeline.clock_watch import ClockWatch
from service.pipeline.reference_preparation import NOT_CHARGED, prepared
from service.pipeline.running_jobs import HELD_UP_S, RunningJob, RunningJobs, finish_despite_cancel, stored_later
from service.pipeline.turns import Turns
from service.storage.files import Arrivals
from service.storage.store import INTERRUPTED, Store
from service.troubles import STORAGE, storage_error, trouble_of
from service.upstreams.base import RemoteTask, Upstream

logger = logging.getLogger(__name__)

R = TypeVar("R")

CANCELLED_KIND: Final = "cancelled"
CANCELLED: Final = "It was cancelled by the client before it was done."
STOPPED: Final = "This server was stopped while the picture was being drawn."
MAY_BE_CHARGED: Final = "The image service may have charged for it all the same."
AGAIN: Final = "Call again if the picture is still wanted."
BROKEN: Final = "Internal error."
LOOK: Final = "The server's log has the details."

ORDINALS: Final = ("First", "Second", "Third", *(f"{number}th" for number in range(4, 12)))
"""The tries in words, for up to ten of EASEL_RETRIES."""

LONGEST_PAUSE_S: Final = 60.0
"""Longest pause before another try, however often it was doubled."""

WRITE_PAUSE_S: Final = 2.0
"""Pause between two tries to write. A stop waits no longer than this for one that is under way."""

STORING_TRIES: Final = 150
"""Tries in five minutes. A picture is megabytes of memory while the disk does not take it."""

UNFINISHED: Final = frozenset({"timeout", "internal"})
"""Kinds of failure after which the links of an answer may still be good."""

GIVE_UP_S: Final = 24 * 3600.0
"""Age at which a task that has not ended is given up: after a day it never will."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Works on jobs. `ended` is called with each job that came to its end, after its row says so."""

    upstreams: Mapping[str, Upstream]
    store: Store
    arrivals: Arrivals
    pictures: Pictures
    jobs: RunningJobs
    retries: int
    prompt_suffix: str
    ended: Callable[[Job], Awaitable[None]]
    clock: ClockWatch = field(default_factory=ClockWatch)
    turns: Turns = field(default_factory=Turns)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    held_up_s: float = HELD_UP_S

    async def draw(self, job: Job, request: ImageRequest, running: RunningJob) -> Job | None:
        """Make the pictures of a job that has just begun. Returns the job as it ended, None while it has not."""
        return await self._finish(job, running, self._draw_in_turn(job, request, running))

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
            ended = await self._failed(job, running, error)
        except asyncio.CancelledError:
            cancelled = await finish_despite_cancel(self.cancel(job))
            await finish_despite_cancel(self._forget_arrival(running, cancelled))
            raise
        except BaseException:
            charge = await self._charge(job)
            mistake = WorkError(f"{BROKEN} {charge}\n{LOOK}", kind="internal", may_be_charged=charge == MAY_BE_CHARGED)
            ended = await self._failed(job, running, mistake)
            telemetry.generation_ended(job, ended, time.monotonic() - started, "")
            await self._forget_arrival(running, ended)
            raise
        telemetry.generation_ended(job, ended, time.monotonic() - started, setting)
        if ended is not None:
            await self._forget_arrival(running, ended)
            await self.ended(ended)
        return ended

    async def cancel(self, job: Job) -> Job | None:
        """End a job as cancelled; where this process ends and it can go on without it, release it instead.

        Returns the job as it ended, None where it has not.
        """
        try:
            ended = await self._write(lambda: self._end_cancelled(job))
        except WorkError as error:  # the cancellation goes on: the next start finds the row and ends it
            logger.warning("history_id %d of %s could not be ended: %s", job.history_id, job.owner, error)
            return None
        if ended is not None:
            await self.ended(ended)
        return ended

    async def _end_cancelled(self, job: Job) -> Job | None:
        current = await self.store.job(job.owner, job.history_id) or job
        can_go_on = current.state is JobState.WORKING and (current.task or await self.arrivals.read(job))
        if self.jobs.closing and can_go_on:
            await self.store.release(current)
            return None
        kind, reason = ("interrupted", STOPPED) if self.jobs.closing else (CANCELLED_KIND, CANCELLED)
        reason = f"{reason} {_charge_of(current)}\n{AGAIN}"
        logger.info("history_id %d of %s: %s", job.history_id, job.owner, kind)
        return await self.store.fail(job, Failure(kind=kind, reason=reason))

    async def _failed(self, job: Job, running: RunningJob, error: WorkError) -> Job | None:
        """Have the row say why it failed. None where the service stops and the disk did not take it."""
        running.detached = True  # nothing is left that a cancellation could save
        if self.jobs.closing and running.has_arrivals and error.kind == STORAGE:
            return None  # the next start finishes it, or says what became of it
        failure, links = Failure(kind=error.kind, reason=str(error)), error.links
        if error.kind in UNFINISHED:
            links = tuple(each.source for each in await self.arrivals.read(job) if each.source)

        async def fail() -> Job:
            if not (error.may_be_charged or links or error.task):  # the day's limits count it no longer
                await self.store.mark_submitted(job, refused=True)
            if error.task:
                await self.store.remember_task(job, error.task)
            return await self.store.fail(job, failure, links)

        try:
            return await finish_despite_cancel(self._write(fail, running, told=error))
        except WorkError as problem:
            logger.warning("history_id %d of %s could not be ended: %s", job.history_id, job.owner, problem)
            return None

    async def _charge(self, job: Job) -> str:
        try:
            return _charge_of(await self.store.job(job.owner, job.history_id) or job)
        except WorkError:
            return MAY_BE_CHARGED

    async def _draw_in_turn(self, job: Job, request: ImageRequest, running: RunningJob) -> Job | None:
        waited = await self.turns.take(job.owner, self._progress(job, running))
        try:
            if waited and self.jobs.closing:
                raise WorkError(INTERRUPTED.reason, kind=INTERRUPTED.kind)
            return await self._draw(job, request, running)
        finally:
            self.turns.give_back(job.owner)

    async def _draw(self, job: Job, request: ImageRequest, running: RunningJob) -> Job | None:
        upstream = self.upstreams[job.upstream]
        if request.references:
            request = await prepared(self.pictures, job.owner, request, upstream.reference_types(request.model))
        made = await self._ask(job, upstream, request, running)
        if isinstance(made, RemoteTask):
            remember = self._write(partial(self.store.remember_task, job, made.id), running)
            return await self._follow(await finish_despite_cancel(remember), running)
        return await self._keep(job, made, running, upstream)

    async def _ask(
        self, job: Job, upstream: Upstream, request: ImageRequest, running: RunningJob
    ) -> Sequence[Picture] | RemoteTask:
        sent = replace(request, prompt="\n".join(filter(None, (request.prompt, self.prompt_suffix))))
        attempt = 0
        while True:
            running.asked = True
            if upstream.charges:
                await self._mark_asked(job)
            try:
                async with asyncio.timeout(upstream.deadline_s):
                    return await upstream.generate(sent, self._progress(job, running))
            except TimeoutError as late:
                raise WorkError(
                    f"{upstream.name} gave no picture within {upstream.deadline_s:.0f} seconds, and the wait was "
                    f"ended. {MAY_BE_CHARGED}\nTry again later, or with another model.",
                    kind="timeout",
                    may_be_charged=upstream.charges,
                    setting="EASEL_UPSTREAM_TIMEOUT_S",
                ) from late
            except WorkError as error:
                attempt += 1
                if attempt > min(error.retries, self.retries):
                    raise
                running.asked = False
                if upstream.charges:  # a cancellation during the pause costs nothing
                    await finish_despite_cancel(self.store.mark_submitted(job, refused=True))
                pause_s = min(error.retry_after_s * 2 ** (attempt - 1), LONGEST_PAUSE_S)
                logger.info("%s: %s; attempt %d follows in %.1f s", upstream.name, error.kind, attempt + 1, pause_s)
                await running.report(f"{error.fact} {ORDINALS[attempt]} try in {pause_s:.0f} s.")
                await self.pause(pause_s)

    async def _mark_asked(self, job: Job) -> None:
        """Note that the image service is being asked; a cancellation that comes meanwhile takes that back."""
        marking = asyncio.ensure_future(self.store.mark_submitted(job))
        try:
            await asyncio.shield(marking)
        except asyncio.CancelledError:
            with contextlib.suppress(WorkError):  # the disk: then it counts as one that may be charged
                await finish_despite_cancel(self._take_back(job, marking))
            raise

    async def _take_back(self, job: Job, marking: asyncio.Future[Job]) -> None:
        await marking
        await self.store.mark_submitted(job, refused=True)

    def _progress(self, job: Job, running: RunningJob) -> Progress:
        """Return the receiver of a job's progress, which writes down the links of an answer without a task."""

        async def report(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
            if named := [] if job.task else [Picture(data=b"", source=link) for link in links]:
                running.detached = True  # paid for: from here on it is finished, whoever leaves
                await finish_despite_cancel(self._note_arrival(job, named, running))
            await running.report(message, percent)

        return report

    async def _follow(self, job: Job, running: RunningJob) -> Job | None:
        """Finish a job by what has arrived, its task or its links. After the deadline any process may resume it."""
        upstream = self.upstreams.get(job.upstream)
        arrived = await self.arrivals.read(job)
        running.has_arrivals = bool(arrived)
        if arrived and all(picture.data for picture in arrived):
            return await self._keep(job, arrived, running, upstream)
        if upstream is None:
            await self._leave(job, f"{job.upstream}, which has it, is not configured any more.")
            return None
        try:
            async with asyncio.timeout(upstream.deadline_s):
                if job.task:
                    pictures = await upstream.follow(RemoteTask(job.task), self._progress(job, running))
                else:
                    pictures = [each if each.data else await self._download(upstream, each.source) for each in arrived]
        except TimeoutError:
            await self._leave(job, f"{job.upstream} has not finished it.")
            return None
        return await self._keep(job, pictures, running, upstream)

    async def _download(self, upstream: Upstream, link: str) -> Picture:
        """Download a picture that was drawn before; one that cannot be had now has no bytes, and says why."""
        try:
            return Picture(data=await upstream.fetch_again(link), source=link)
        except WorkError as error:
            return Picture(data=b"", source=link, note=error.fact)

    async def _leave(self, job: Job, why: str) -> None:
        if self.clock.is_even() and self.clock.now() - job.created_at > GIVE_UP_S:
            raise WorkError(
                f"{why} It was asked for more than a day ago, and is given up. {MAY_BE_CHARGED}",
                kind="timeout",
                may_be_charged=True,
            )
        await finish_despite_cancel(self._write(lambda: self.store.release(job)))

    async def _keep(self, job: Job, pictures: Sequence[Picture], running: RunningJob, upstream: Upstream | None) -> Job:
        """Store what was drawn. Without `upstream` it was by a service that is not configured any more."""
        running.detached = True  # paid for: from here on it is kept, whoever leaves
        await running.report("Storing the picture", 95)
        charges = upstream is None or upstream.charges
        try:
            return await finish_despite_cancel(self._store_all(job, pictures, running, charges=charges))
        except WorkError as error:
            fact, _, advice = str(error).partition("\n")
            paid = f" {MAY_BE_CHARGED}" if charges else ""
            reason = "\n".join(filter(None, [fact + paid, advice]))
            raise WorkError(reason, kind=error.kind, may_be_charged=charges).keeping(links=error.links) from error

    async def _store_all(self, job: Job, pictures: Sequence[Picture], running: RunningJob, *, charges: bool) -> Job:
        """Store every picture that is one and finds room; a bad one among several does not lose the others."""
        if charges:
            await self._note_arrival(job, pictures, running)
        kept: list[KeptPicture] = []
        stored: list[bytes] = []
        problems: list[WorkError] = []
        links = [picture.source for picture in pictures if not picture.data]
        for picture in (each for each in pictures if each.data):
            try:
                known, data = await self._write(partial(self._store, job, picture), running, tries=STORING_TRIES)
                kept.append(known)
                stored.append(data)
            except WorkError as error:
                problems.append(error)
                links += [picture.source] if error.kind == STORAGE and picture.source else []
        if not kept:
            raise self._nothing(pictures, problems).keeping(links=links)
        if problems:
            missing = f"{len(problems)} of {len(pictures)} pictures could not be used: {problems[0]}"
            kept[0] = replace(kept[0], note=" ".join(filter(None, (kept[0].note, missing))))
        done = await self._write(lambda: self.store.finish(job, kept, links), running)
        for data, known in zip(stored, kept, strict=True):
            # The same bytes, drawn before, may have been removed to make room in the moment before the row named them.
            if not known.is_away and await self.pictures.files.find(known.name) is None:
                await self.pictures.files.keep(job.owner, data, known.media_type)
        return done

    async def _note_arrival(self, job: Job, pictures: Sequence[Picture], running: RunningJob) -> None:
        """Write down what has arrived, so that a crash does not lose it."""
        running.has_arrivals = True
        try:
            await self.arrivals.keep(job, pictures)
        except WorkError as error:  # it is in memory
            logger.info("history_id %d of %s: %s", job.history_id, job.owner, error.fact)

    async def _forget_arrival(self, running: RunningJob, ended: Job | None) -> None:
        if running.has_arrivals and ended is not None:
            await self.arrivals.remove(ended)

    async def _store(self, job: Job, picture: Picture) -> tuple[KeptPicture, bytes]:
        """Store a picture; return its bytes as they are kept, too."""
        try:
            examined = await self.pictures.examine(job.owner, picture.data)
            return await self.pictures.keep(job.owner, picture, examined), examined.data
        except (OSError, MemoryError, RuntimeError) as error:
            if (trouble := trouble_of(error)) is None:
                raise
            raise storage_error("The picture could not be examined", trouble, error) from error

    def _nothing(self, pictures: Sequence[Picture], problems: Sequence[WorkError]) -> WorkError:
        """Return the error of a job without a picture that can be kept."""
        if problems:
            return problems[0]
        if not pictures:
            return WorkError("The image service gave no picture.", kind="no_image")
        fact = f"The picture was drawn, and could not be downloaded. {pictures[0].note}"
        return WorkError(f"{fact}\nCall `history` with its history_id later, which tries again.", kind="download")

    async def _write(
        self,
        write: Callable[[], Awaitable[R]],
        running: RunningJob | None = None,
        *,
        tries: float = math.inf,
        told: WorkError | None = None,
    ) -> R:
        """Write something that says what was paid for, so that it may not be lost: try until the disk takes it.

        Until then the job counts as `working`, and the calls that wait for `running` are told after `HELD_UP_S`: the
        failure `told` that is being written, or that the picture is kept here meanwhile. Raises any `WorkError` that is
        not of the disk, and that of the last try after `tries` of them or once the service stops.
        """
        tried, started = 0, time.monotonic()
        while True:
            try:
                written = await write()
            except WorkError as error:
                tried += 1
                if tried >= tries or self.jobs.closing or error.kind != STORAGE:
                    raise
                if tried == 1:
                    logger.info("It is tried again until it succeeds: %s", error.fact)
                if running is not None and time.monotonic() - started >= self.held_up_s:
                    running.hold_up(told or stored_later(error))
            else:
                if running is not None and running.is_held_up:
                    running.go_on()
                return written
            await self.pause(WRITE_PAUSE_S)


def _charge_of(job: Job) -> str:
    return MAY_BE_CHARGED if job.submitted else NOT_CHARGED
