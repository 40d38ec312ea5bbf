"""Jobs across processes: calls here that wait for a job at work elsewhere, and calls elsewhere for one that is here.

1. A call that waits says so, hears of progress and of the end, and reads the row every few seconds all the same: a
   notice is a hint (`storage/notices.py`).
2. The progress of a job is told only as long as somebody waits for it elsewhere, `PROGRESS_S` apart; of steps that come
   at once the last is told.
3. A job is cancelled where it is at work, as the process that works on it is asked to.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from service.images import Job
from service.pipeline.running_jobs import JobKey, RunningJobs, Step, Waiter
from service.storage.notices import (
    AnythingChanged,
    HistoryChanged,
    JobAwaited,
    JobChanged,
    JobProgress,
    Notice,
    Notices,
    StopWanted,
)

AWAITED_S: Final = 12.0
"""Seconds for which a job counts as waited for elsewhere; who waits longer says so again, at each look at the row."""

PROGRESS_S: Final = 0.5
"""Between two steps of one job that are told: image services may report hundreds."""

MOST_FOLLOWED: Final = 2000
"""Jobs elsewhere whose newest step is known here."""


class Wait:
    """One call that waits here for a job elsewhere."""

    def __init__(self, waiter: Waiter) -> None:
        """Begin without a hint."""
        self.waiter = waiter
        self.hint = asyncio.Event()
        """Set once its row is worth a look."""

    async def next(self, pause: Awaitable[None]) -> bool:
        """Wait for a hint, at most as long as the pause; return whether one came."""
        hint, pausing = asyncio.ensure_future(self.hint.wait()), asyncio.ensure_future(pause)
        try:
            await asyncio.wait({hint, pausing}, return_when=asyncio.FIRST_COMPLETED)
            came = hint.done()
        finally:
            hint.cancel()
            pausing.cancel()
        if came:
            self.hint.clear()
        return came


class JobsElsewhere:
    """The jobs at work in other processes, as far as somebody here waits for them, and the other way round."""

    def __init__(self, notices: Notices, jobs: RunningJobs) -> None:
        """Hear and tell by `notices` of the jobs that are at work here."""
        self.notices = notices
        self.stop: Callable[[StopWanted], None] = lambda _: None
        """Stops a job that is at work here. It neither waits nor raises."""
        self._jobs = jobs
        self._waits: dict[JobKey, set[Wait]] = {}
        self._steps: OrderedDict[JobKey, Step] = OrderedDict()
        self._asked: dict[JobKey, float] = {}
        """When it was last said of a job elsewhere that somebody waits for it here."""
        self._awaited: dict[JobKey, float] = {}
        """The jobs here that somebody waits for elsewhere, and until when, by the clock of the loop."""
        self._due: dict[JobKey, asyncio.TimerHandle] = {}
        self._silent_until: dict[JobKey, float] = {}
        jobs.awaited, jobs.reported = (self._awaited, self._waits), self._report
        notices.hear(self._hear)

    @contextlib.contextmanager
    def waiting(self, job: Job, waiter: Waiter) -> Iterator[Wait]:
        """Hear of a job elsewhere until the block ends."""
        key, wait = (job.owner, job.history_id), Wait(waiter)
        self._waits.setdefault(key, set()).add(wait)
        try:
            yield wait
        finally:
            self._waits[key].discard(wait)
            if not self._waits[key]:
                del self._waits[key]

    def ask_for_progress(self, owner: str, history_id: int) -> None:
        """Say that somebody here waits for a job elsewhere, unless that was said of late."""
        key, now = (owner, history_id), asyncio.get_running_loop().time()
        if self._asked.get(key, -AWAITED_S) + AWAITED_S / 2 <= now:
            self._asked = {each: at for each, at in self._asked.items() if at + AWAITED_S > now}
            self._asked[key] = now
            self.notices.tell(JobAwaited(owner, history_id))

    def newest(self, owner: str, history_id: int) -> Step | None:
        """Return the newest step of a job elsewhere that was heard of."""
        return self._steps.get((owner, history_id))

    def _hear(self, notice: Notice) -> None:
        match notice:
            case JobProgress(owner, history_id, message, percent, picture):
                self._hear_step((owner, history_id), Step(message, percent, picture))
            case JobChanged(owner, history_id, ended):
                if ended:
                    self._steps.pop((owner, history_id), None)
                self._wake((owner, history_id))
            case JobAwaited(owner, history_id):
                self._note_awaited((owner, history_id))
            case StopWanted():
                self.stop(notice)
            case HistoryChanged(owner):
                self._wake(*[key for key in self._waits if key[0] == owner])
            case AnythingChanged():
                self._wake(*self._waits)

    def _wake(self, *keys: JobKey) -> None:
        for key in keys:
            for wait in self._waits.get(key, ()):
                wait.hint.set()

    def _hear_step(self, key: JobKey, step: Step) -> None:
        self._steps[key] = step
        self._steps.move_to_end(key)
        if len(self._steps) > MOST_FOLLOWED:
            self._steps.popitem(last=False)
        for wait in self._waits.get(key, ()):
            step.tell(wait.waiter)

    def _note_awaited(self, key: JobKey) -> None:
        """Note that somebody waits elsewhere for a job, and tell how it stands if it is at work here."""
        if self._jobs.find(key) is None:
            return
        now = asyncio.get_running_loop().time()
        for each in [each for each, until in self._awaited.items() if until <= now]:
            del self._awaited[each]
        self._awaited[key] = now + AWAITED_S
        self._report(*key)

    def _report(self, owner: str, history_id: int) -> None:
        """Tell the newest step of a job here, now or once it may be told; wake calls that waited for it to begin."""
        self._wake((owner, history_id))
        key, loop = (owner, history_id), asyncio.get_running_loop()
        if self._jobs.find(key) is None or self._awaited.get(key, 0) <= loop.time():
            self._awaited.pop(key, None)
            self._silent_until.pop(key, None)
        elif key not in self._due:
            self._due[key] = loop.call_at(self._silent_until.get(key, 0), self._tell, key)

    def _tell(self, key: JobKey) -> None:
        del self._due[key]
        running = self._jobs.find(key)
        if running is None or running.newest is None:
            return
        self._silent_until[key] = asyncio.get_running_loop().time() + PROGRESS_S
        step = running.newest
        self.notices.tell(JobProgress(*key, step.message, step.percent, step.picture))
