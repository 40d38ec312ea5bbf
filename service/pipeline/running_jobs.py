"""The jobs that this process works on. Each is a task of its own, so that no call's end is the end of its job.

1. Calls wait beside a job and hear its progress, each at the pace at which it reads.
2. A call that was answered with the job still working, or whose client only gave up waiting, detaches the job: it goes
   on without any caller.
3. When the last call that waits for a job which is not detached ends before its time, the job is cancelled, and its row
   says so before the call's cancellation goes on. A job whose task goes on at the image service whatever we do, and is
   paid for, is cancelled only where the client asked for that, and not where it is merely gone.
4. At the end jobs are drained for a while, then cancelled; `closing` tells them that the service stops.
"""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeAlias, TypeVar

from service.images import Job, Progress

logger = logging.getLogger(__name__)

R = TypeVar("R")

AT_ONCE: Final = 32
"""Jobs of earlier processes that are followed at the same time. After a crash there may be hundreds."""

UNREAD: Final = 20
"""Messages kept for a client that does not read as fast as they come; the oldest go."""


async def unknown(history_id: int) -> None:
    """Where nobody needs to know which job a call came to wait for."""


async def unheard(message: str, percent: float | None = None) -> None:
    """Where progress goes that nobody listens to."""


class DisconnectReason(Enum):
    """The reason why a waiter that is cancelled stops waiting."""

    CANCELLED = auto()
    """Its client asked for that."""
    GONE = auto()
    """Its connection was closed, or broke: the two look the same."""
    GAVE_UP = auto()
    """Its client stopped waiting by itself, and the person still wants the picture."""


@dataclass(frozen=True, kw_only=True)
class Waiter:
    """Somebody who waits for a job: where its progress goes, and until which time of the loop they have patience.

    `begun` is told the `history_id` once there is one, before anything is paid for. `leaving` says why a cancelled
    waiter leaves.
    """

    progress: Progress = unheard
    until: float = math.inf
    begun: Callable[[int], Awaitable[None]] = unknown
    leaving: Callable[[], DisconnectReason] = lambda: DisconnectReason.GONE

    @property
    def left_s(self) -> float:
        """Seconds of patience that are left."""
        return max(0.0, self.until - asyncio.get_running_loop().time())


class _Listener:
    """What one waiter has still to hear."""

    def __init__(self) -> None:
        self.unread: deque[tuple[str, float | None]] = deque(maxlen=UNREAD)
        self.news = asyncio.Event()
        self.closed = False

    def hear(self, message: str, percent: float | None) -> None:
        self.unread.append((message, percent))
        self.news.set()

    def close(self) -> None:
        self.closed = True
        self.news.set()

    async def tell(self, progress: Progress) -> None:
        """Pass everything on, in order, until it is closed and empty."""
        while True:
            while self.unread:
                await progress(*self.unread.popleft())
            if self.closed:
                return
            self.news.clear()
            await self.news.wait()


class RunningJob:
    """One job at work here.

    `detached`: it goes on though no call waits for it. `goes_on`: its task at the image service does so too, even
    without this process.
    """

    def __init__(self, *, detached: bool) -> None:
        """Prepare a job that `start` begins."""
        self.detached = detached
        self.goes_on = False
        self.error: Exception | None = None
        """The mistake of ours that ended it."""
        self.ended: Job | None = None
        """The job as its row says, once it has come to its end."""
        self._newest: tuple[str, float | None] | None = None
        self._ears: set[_Listener] = set()
        self._left = False
        self._task: asyncio.Task[None] | None = None

    async def report(self, message: str, percent: float | None = None) -> None:
        """Tell everybody who waits, and later who comes to wait. Timeouts for nobody."""
        self._newest = (message, percent)
        for ear in self._ears:
            ear.hear(message, percent)

    async def wait(self, waiter: Waiter) -> Job | None:
        """Wait until the job has ended, or the waiter's patience has. Raises the mistake of ours that ended it.

        Returns the job as it ended, None where it has not.
        """
        task = self._started
        async with self._listening(waiter):
            try:
                left_s = None if waiter.until == math.inf else waiter.left_s
                await asyncio.wait({task}, timeout=left_s)
            except asyncio.CancelledError:
                why = waiter.leaving()
                self.detached = (
                    self.detached or why is DisconnectReason.GAVE_UP or (why is DisconnectReason.GONE and self.goes_on)
                )
                raise
        if not task.done():
            self.detached = True
        elif self.error is not None:
            raise self.error
        return self.ended

    async def leave(self) -> None:
        """Cancel the job unless it is detached or a call waits for it; returns when its row says so."""
        if not self.detached and not self._ears and not self._started.done():
            if not self._left:  # a second cancellation would cut short what the first one takes
                self._left = True
                self._started.cancel()
            await asyncio.wait({self._started})

    def start(self, work: Awaitable[Job | None], before: "RunningJob | None") -> asyncio.Task[None]:
        """Start the work as a task, after that of an earlier run which is about to end."""
        self._task = asyncio.create_task(self._run(work, before))
        return self._task

    @property
    def _started(self) -> asyncio.Task[None]:
        assert self._task is not None, "RunningJobs starts what it makes"  # noqa: S101 - a mistake of ours
        return self._task

    async def _run(self, work: Awaitable[Job | None], before: "RunningJob | None") -> None:
        try:
            if before is not None:
                await asyncio.wait({before._started})
            self.ended = await work
        except Exception as error:
            self.error = error
            if not self._ears:  # else dispatch logs it, of whoever waits
                logger.exception("A job ended by a mistake of ours")
        finally:
            if asyncio.iscoroutine(work):
                work.close()  # cancelled before it began

    @contextlib.asynccontextmanager
    async def _listening(self, waiter: Waiter) -> AsyncIterator[None]:
        """Hear the job inside; leave it in the end, everything heard that was said in time."""
        ear = _Listener()
        if self._newest is not None:
            ear.hear(*self._newest)
        self._ears.add(ear)
        telling = asyncio.create_task(ear.tell(waiter.progress))
        try:
            yield
            ear.close()
            await telling
        except BaseException:
            self._ears.discard(ear)
            await asyncio.shield(self.leave())
            raise
        finally:
            self._ears.discard(ear)
            telling.cancel()
            await asyncio.wait({telling})


async def finish_despite_cancel(work: Coroutine[Any, Any, R]) -> R:
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


Work: TypeAlias = Callable[[RunningJob], Awaitable[Job | None]]


class RunningJobs:
    """The jobs at work here, by `history_id`. It owns their tasks: `close` waits for their end."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        """Hold no jobs yet; of those that are resumed, `at_once` run at a time."""
        self.closing = False
        self._running: set[asyncio.Task[None]] = set()
        self._beside: set[asyncio.Task[None]] = set()
        self._latest: dict[int, RunningJob] = {}
        self._free = asyncio.Semaphore(at_once)

    @property
    def at_work(self) -> int:
        """The number of jobs at work."""
        return len(self._running)

    def find(self, history_id: int) -> RunningJob | None:
        """Return the job, or None when it does not run here."""
        return self._latest.get(history_id)

    def start(self, history_id: int, work: Work) -> RunningJob:
        """Start the work on a job that a call has just begun and waits for."""
        job = RunningJob(detached=False)
        self._start(history_id, job, work(job))
        return job

    def resume(self, history_id: int, work: Work) -> RunningJob:
        """Go on with a job that was begun before, `AT_ONCE` of them at a time."""
        job = RunningJob(detached=True)
        self._start(history_id, job, self._when_free(job, work))
        return job

    async def close(self, drain_s: float = 0.0) -> None:
        """Let jobs come to their end for `drain_s` seconds, then cancel the rest and wait until all is written down."""
        self.closing = True
        if self._running and drain_s:
            await asyncio.wait(self._running, timeout=drain_s)
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(set(self._running))
        while self._beside:
            await asyncio.wait(set(self._beside))

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a short task beside the jobs, such as a note about one that has ended; `close` waits for it."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def _start(self, history_id: int, job: RunningJob, work: Awaitable[Job | None]) -> None:
        task = job.start(work, self._latest.get(history_id))
        self._latest[history_id] = job
        self._running.add(task)

        def forget(ended: asyncio.Task[None]) -> None:
            self._running.discard(ended)
            if self._latest.get(history_id) is job:
                del self._latest[history_id]

        task.add_done_callback(forget)

    async def _when_free(self, job: RunningJob, work: Work) -> Job | None:
        async with self._free:
            return await work(job)
