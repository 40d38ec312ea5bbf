"""The jobs that this process works on. Each is a task of its own, so that no call's end is the end of its job.

1. Calls wait beside a job and get its progress as it is reported.
2. A call that was answered with the job still working, or whose client only gave up waiting, detaches the job: it goes
   on without any caller.
3. When the client of the last call that waits for a job which is not detached asks for a cancellation, the job is
   cancelled, and its row says so before the call's cancellation goes on.
4. A lost connection cancels no job that its image service was asked for, which is paid: it runs to its end, and equal
   calls join it. Some clients close after 5 seconds, and call again. A job that was not asked for yet is cancelled when
   no call has come for it after some seconds.
5. At the end jobs are drained for a while, then cancelled; `closing` tells them that the service stops.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Container, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from service.images import Job, KeptPicture, WorkError

logger = logging.getLogger(__name__)

R = TypeVar("R")

AT_ONCE: Final = 32
"""Jobs of earlier processes that are followed at the same time. After a crash there may be hundreds."""

ABANDONED_S: Final = 10.0
"""Seconds until a job is cancelled that was not asked for yet and whose clients are gone; one may call again."""

HELD_UP_S: Final = 4.0
"""Seconds in which a refused write is tried again before the callers hear of it."""

Report: TypeAlias = Callable[[str, float | None], None]
"""Takes a message and a percentage, if there is one. It neither waits nor raises."""


class DisconnectReason(Enum):
    """The reason why a waiter that is cancelled stops waiting."""

    CANCELLED = auto()
    """Its client asked for that."""
    GONE = auto()
    """Its connection was closed, or broke: the two look the same."""
    GAVE_UP = auto()
    """Its client stopped waiting by itself, and the person still wants the picture."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Waiter:
    """A call that waits for a job: the receiver of its progress, and the loop time up to which it waits.

    `begun` gets the `history_id` once there is one, before anything is paid for. `leaving` returns the reason why a
    cancelled waiter stops waiting. `pictures_url` stands before the names of pictures in its links, with a slash.
    """

    report: Report | None = None
    until: float = math.inf
    begun: Callable[[int], Awaitable[None]] | None = None
    leaving: Callable[[], DisconnectReason] = lambda: DisconnectReason.GONE
    pictures_url: str = ""

    @property
    def left_s(self) -> float:
        """The seconds that are left to wait."""
        return max(0.0, self.until - asyncio.get_running_loop().time())


@dataclass(frozen=True)
class Step:
    """One step of a job's progress, perhaps with the name or the own URL of a picture that is ready."""

    message: str
    percent: float | None
    picture: str = ""

    def tell(self, waiter: Waiter) -> None:
        """Report the step to one waiter."""
        link = ""
        if self.picture and waiter.pictures_url:
            link = f": {self.picture if '/' in self.picture else waiter.pictures_url + self.picture}"
        _report(waiter, self.message + link, self.percent)


class RunningJob:
    """One job at work here.

    `detached`: it goes on though no call waits for it. `asked` counts the requests for it to its image
    service that are not refused.
    """

    def __init__(self, *, detached: bool, abandoned_s: float = ABANDONED_S) -> None:
        """Prepare a job that `start` begins."""
        self.detached = detached
        self.asked = 0
        self.has_arrivals = False
        """True once something of its answer was written down (`Arrivals`)."""
        self.error: BaseException | None = None
        """The mistake of ours that ended it."""
        self.ended: Job | None = None
        """The job as its row says, once it has come to its end."""
        self._abandoned_s = abandoned_s
        self._newest: Step | None = None
        self.heard: Callable[[], None] = lambda: None
        """Called after each report. It neither waits nor raises."""
        self._waiters: list[Waiter] = []
        self.stopped = False
        """True once somebody stopped it for good, whoever waits for it."""
        self._left = False
        self._task: asyncio.Task[Job | None] | None = None
        self._held_up: asyncio.Future[WorkError] = asyncio.get_running_loop().create_future()

        self.is_held_up = False
        """True while its row or a picture of it cannot be written."""
        self.abandoned = False
        """True once another process has taken it over, or ended it."""

    def hold_up(self, why: WorkError) -> None:
        """Let no call wait any longer, now and later: the job cannot come to its end while `why` lasts.

        A task of MCP, which nobody waits for, hears of it as progress.
        """
        self.is_held_up = True
        if not self._held_up.done():
            self._held_up.set_result(why)
            for waiter in self._waiters:
                _report(waiter, why.fact, None)

    def go_on(self) -> None:
        """Let calls wait again."""
        self.is_held_up = False
        if self._held_up.done():
            self._held_up = asyncio.get_running_loop().create_future()

    async def report(self, message: str, percent: float | None = None) -> None:
        """Report progress to the waiters; later ones get the newest message when they come. Never waits."""
        self._tell(Step(message, percent))

    async def report_picture(self, number: int, count: int, picture: KeptPicture, percent: float | None) -> None:
        """Report that one of several pictures is there, with its link as each waiter reaches it. Never waits."""
        of = f" of {count}" if number <= count else ""
        self._tell(Step(f"Picture {number}{of} is ready", percent, picture.link("")))

    def _tell(self, step: "Step") -> None:
        self._newest = step
        self.heard()
        for waiter in self._waiters:
            step.tell(waiter)

    @property
    def newest(self) -> Step | None:
        """The newest step that was reported."""
        return self._newest

    async def wait(self, waiter: Waiter) -> Job | None:
        """Wait until the job has ended, or the waiter's time has. Raises the mistake of ours that ended it.

        Returns the job as it ended, None where it has not. Raises `WorkError` where the job is held up, and does not
        come to its end in `HELD_UP_S` either.
        """
        task, held_up = self._started, self._held_up
        self._waiters.append(waiter)
        try:
            if self._newest is not None:
                self._newest.tell(waiter)
            timeout_s = None if waiter.until == math.inf else waiter.left_s
            ends: set[asyncio.Future[Any]] = {task} if timeout_s is None else {task, held_up}
            if held_up.done() and timeout_s is not None:
                ends, timeout_s = {task}, min(timeout_s, HELD_UP_S)
            await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._waiters.remove(waiter)
            await asyncio.shield(self.leave(waiter.leaving()))
            raise
        self._waiters.remove(waiter)
        if not task.done():
            self.detached = True
            if held_up.done():
                raise held_up.result()
        elif self.error is not None:
            raise self.error
        return self.ended

    async def leave(self, why: DisconnectReason) -> None:
        """Detach the job, let it go on, or cancel it, as the reason has it; returns when its row says so."""
        match why:
            case DisconnectReason.GAVE_UP:
                self.detached = True
            case DisconnectReason.GONE:
                asyncio.get_running_loop().call_later(self._abandoned_s, self._drop)
            case DisconnectReason.CANCELLED:
                if self._cancel():
                    await asyncio.wait({self._started})

    async def cancel(self) -> None:
        """Cancel the job, detached or not, unless a call waits for it; returns when its row says how it ended."""
        if not self._waiters:
            self.detached = False
            await self.leave(DisconnectReason.CANCELLED)

    async def stop(self) -> None:
        """Cancel the job whoever waits for it, as its owner deletes it; returns when its row says how it ended."""
        self.stopped = True
        if not self._left and not self._started.done():
            self._left = True
            self._started.cancel()
        await asyncio.wait({self._started})

    def _drop(self) -> None:
        """Cancel the job if it was not asked for, and its clients have not come again."""
        if not self.asked:
            self._cancel()

    def _cancel(self) -> bool:
        """Cancel the job unless it is detached or a call waits for it; return whether its end is near."""
        if self.detached or self._waiters or self._started.done():
            return False
        if not self._left:  # a second cancellation would cut short the writing of the first
            self._left = True
            self._started.cancel()
        return True

    def start(self, work: Coroutine[Any, Any, Job | None]) -> asyncio.Task[Job | None]:
        """Start the work as a task."""
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._note_end)
        return self._task

    def at_end(self, callback: Callable[[], None]) -> None:
        """Call back when its task has ended, also one that was cancelled before its first step."""
        self._started.add_done_callback(lambda _: callback())

    async def wait_for_end(self) -> None:
        """Wait for the end of its task, however it ends."""
        await asyncio.wait({self._started})

    @property
    def _started(self) -> asyncio.Task[Job | None]:
        assert self._task is not None, "RunningJobs starts what it makes"  # noqa: S101 - a mistake of ours
        return self._task

    def _note_end(self, task: asyncio.Task[Job | None]) -> None:
        if task.cancelled():
            return
        self.error = task.exception()
        if self.error is None:
            self.ended = task.result()
        elif not self._waiters:  # else dispatch logs it, of the call that waits
            logger.error("A job ended by a mistake of ours", exc_info=self.error)


def _report(waiter: Waiter, message: str, percent: float | None) -> None:
    """Report to one waiter. A bug on its way must not end the job, which may be paid for."""
    if waiter.report is not None:
        try:
            waiter.report(message, percent)
        except Exception:
            logger.exception("Progress could not be reported")


def stored_later(error: WorkError) -> WorkError:
    """Return what the callers of a job are told that is held up, since the disk does not take its pictures."""
    return WorkError(
        f"The image service has done its work, and this server cannot store the picture yet. {error.fact}\nNothing is "
        "lost and nothing is charged again: it is stored as soon as that is over. Call `history` then.",
        kind=error.kind,
    )


async def finish_despite_cancel(work: Awaitable[R]) -> R:
    """Run `work` to its end and return its result; a cancellation that came meanwhile is raised after that."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled() and (problem := task.exception()):
        logger.warning("It was cancelled, and failed: %s", problem)
    raise cancelled


JobKey: TypeAlias = tuple[str, int]
"""The owner and the `history_id` of a job."""

Work: TypeAlias = Callable[[RunningJob], Coroutine[Any, Any, Job | None]]


class RunningJobs:
    """The jobs at work here, by `JobKey`. It owns their tasks: `close` waits for their end."""

    def __init__(
        self, at_once: int = AT_ONCE, abandoned_s: float = ABANDONED_S, drained: Callable[[], None] = lambda: None
    ) -> None:
        """Hold no jobs yet; of those that are resumed, `at_once` run at a time.

        `drained` is called when a stop waits no longer: it ends work that a cancellation would wait for.
        """
        self._drained = drained
        self.heard: Callable[[str, int], None] = lambda *_: None
        """Called with the owner and number of a job that begins here, reports or ends. It neither waits nor raises."""
        self.hearers: Container[str] = ()
        """The owners for whose jobs it is called."""
        self.reported: Callable[[str, int], None] = lambda *_: None
        """Called so with each report of a job in one of `awaited`, for which calls in other processes wait."""
        self.awaited: tuple[Container[JobKey], ...] = ()
        self._abandoned_s = abandoned_s
        self.closing = False
        self._running: set[asyncio.Task[Job | None]] = set()
        self._beside: set[asyncio.Task[None]] = set()
        self._latest: dict[JobKey, RunningJob] = {}
        self._free = asyncio.Semaphore(at_once)

    @property
    def at_work(self) -> int:
        """The number of jobs at work."""
        return len(self._running)

    def find(self, key: JobKey) -> RunningJob | None:
        """Return the job, or None when it does not run here."""
        return self._latest.get(key)

    def start(self, key: JobKey, work: Work) -> RunningJob:
        """Start the work on a job that a call has just begun and waits for."""
        job = RunningJob(detached=False, abandoned_s=self._abandoned_s)
        self._start(key, job, work(job))
        return job

    def resume(self, key: JobKey, work: Work) -> RunningJob:
        """Go on with a job that was begun before, `AT_ONCE` of them at a time."""
        job = RunningJob(detached=True)
        self._start(key, job, self._when_free(job, work, self._latest.get(key)))
        return job

    async def close(self, drain_s: float = 0.0) -> None:
        """Let jobs come to their end for `drain_s` seconds, then cancel the rest and wait until all is written down."""
        self.closing = True
        if self._running and drain_s:
            await asyncio.wait(self._running, timeout=drain_s)
        self._drained()
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(set(self._running))
        while self._beside:
            await asyncio.wait(set(self._beside))

    async def abandon(self) -> None:
        """Stop all jobs, which other processes follow or have ended; calls that wait here wait for those then."""
        jobs = set(self._running)
        for job in self._latest.values():
            job.abandoned = True
        for task in jobs:
            task.cancel()
        if jobs:
            await asyncio.wait(jobs)

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a short task beside the jobs, such as a note about one that has ended; `close` waits for it."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def _start(self, key: JobKey, job: RunningJob, work: Coroutine[Any, Any, Job | None]) -> None:
        job.heard = partial(self._tell, key)
        task = job.start(work)
        self._latest[key] = job
        self._tell(key)
        self._running.add(task)

        def forget(ended: asyncio.Task[Job | None]) -> None:
            self._running.discard(ended)
            if self._latest.get(key) is job:
                del self._latest[key]
            if not self.closing:
                self._tell(key)

        task.add_done_callback(forget)

    def _tell(self, key: JobKey) -> None:
        if key[0] in self.hearers:
            self.heard(*key)
        if any(key in each for each in self.awaited):
            self.reported(*key)

    async def _when_free(self, job: RunningJob, work: Work, before: RunningJob | None) -> Job | None:
        """Do the work in its turn, after that of an earlier run which is about to end."""
        async with self._free:
            if before is not None:
                await before.wait_for_end()
            return await work(job)
