"""What a call may do with pictures: have one made, wait for it, look at it again.

1. A job's row is written before anything costs money: its `history_id` is the ticket. A request that is the same as
   one which runs, or whose picture nobody has got yet, joins that job (`pipeline/fingerprint.py`): it is paid for once.
2. The job runs by itself (`pipeline/running_jobs.py`, `pipeline/worker.py`); a call waits beside it no longer than its
   client does, and may come again for it, here, in another process, or after a restart.
3. A picture counts as delivered once the answer that shows it has reached its client; the same request then asks for
   a new one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from service.image_models.models import Models
from service.images import ImageRequest, Job, JobState, KeptPicture, Picture, WorkError
from service.pictures.previews import PREVIEW_TYPE, JpegCopy, PreviewMemory, Previews
from service.pipeline.durable import finish_despite_cancel
from service.pipeline.fingerprint import fingerprint_of
from service.pipeline.progress import steady
from service.pipeline.running_jobs import RunningJob, RunningJobs, Waiter
from service.pipeline.worker import CANCELLED_KIND, Worker, nothing_more
from service.storage.files import Files
from service.storage.store import Begun, Store
from service.upstreams.base import Upstream

logger = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""Between two looks at a job that another process is working on."""

RESUME_EACH_S: Final = 300.0
"""Between two looks for jobs that nobody follows: those of processes that died, and those that outlast a deadline."""

RESTORE_S: Final = 60.0
"""How long a look at an old picture may take when its bytes have to be fetched again."""

DELETED: Final = "deleted"
"""The kind of failure of who waits for a job that is deleted meanwhile."""

STOPPING: Final = "This server is being stopped and takes nothing new. Nothing was charged. Call again in a minute."


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A job as it stands and the preview of one `picture` of it; that has been looked for, also at its image service.

    `joined`: an earlier call had asked for the same.
    """

    job: Job
    preview: bytes | None = field(default=None, repr=False)
    preview_type: str = PREVIEW_TYPE
    joined: bool = False
    picture: int = 1


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One request, as it is looked for and begun."""

    owner: str
    request: ImageRequest
    upstream: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Makes pictures and shows them again. `pictures_url` stands before a picture's name and ends in a slash."""

    models: Models
    upstreams: Mapping[str, Upstream]
    store: Store
    files: Files
    previews: Previews
    pictures_url: str
    retries: int
    prompt_suffix: str

    ended: Callable[[Job], Awaitable[None]] = nothing_more
    jobs: RunningJobs = field(default_factory=RunningJobs)
    memory: PreviewMemory = field(default_factory=PreviewMemory)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def generate(
        self, owner: str, request: ImageRequest, waiter: Waiter, *, upstream: str | None = None
    ) -> Outcome:
        """Make the pictures of one request, or join the job that makes them. A failure is an outcome too.

        `upstream` draws it; without a name the one that the models file gives to the model. The job of the outcome is
        still `working` when the waiter's patience has ended: then `wait` goes on from there.
        """
        name = upstream or self.models.upstream_of[request.model]
        fingerprint = await fingerprint_of(owner, name, request)
        asked = _Asked(owner=owner, request=request, upstream=name, fingerprint=fingerprint)
        while True:
            outcome = await self._begin_and_wait(asked, waiter)
            if not outcome.joined or not _came_to_nothing(outcome.job):
                return outcome
            # Now its row says so, and the same request begins anew.

    async def resume(self) -> None:
        """Follow, in tasks of their own, what nobody follows at image services any more."""
        for job in [] if self.jobs.closing else await self.store.claim():
            logger.info("history_id %d goes on at %s", job.history_id, job.upstream)
            self._take_up(job)

    async def keep_resuming(self) -> None:
        """Resume every now and then, for as long as the service runs."""
        while True:
            await self.pause(RESUME_EACH_S)
            try:
                await self.resume()
            except WorkError as error:
                logger.warning("Work that was left could not be looked for: %s", error)

    async def wait(self, owner: str, history_id: int, waiter: Waiter) -> None:
        """Wait for a working job to end, within the waiter's patience. One that nobody follows is taken up again."""
        job = await self.store.job(owner, history_id)
        if job is not None and job.state is JobState.WORKING:
            await self._wait(job, waiter)

    async def result_if_ended(self, owner: str, history_id: int) -> Outcome | None:
        """A job that has ended; None for one at work, which is taken up if nobody follows it."""
        await self.wait(owner, history_id, Waiter(until=asyncio.get_running_loop().time()))
        outcome = await self.show(owner, history_id)
        if outcome is None:
            raise WorkError(f"history_id {history_id} was deleted.", kind=DELETED)
        return None if outcome.job.state is JobState.WORKING else outcome

    async def show(
        self, owner: str, history_id: int, picture: int = 1, patience_s: float = RESTORE_S
    ) -> Outcome | None:
        """A job of this owner, with the preview of one of its pictures; None when there is none of that id.

        A picture whose bytes are gone is fetched again where that can be in so many seconds; else its row says that
        it is gone.
        """
        job = await self.store.job(owner, history_id)
        if job is None or not 0 < picture <= len(job.pictures):
            return None if job is None else Outcome(job=job, picture=picture)
        if await self.files.find(job.pictures[picture - 1].name) is None:
            job, data = await self._restore(job, picture, patience_s)
            if data is None:
                return Outcome(job=job, picture=picture)
        return Outcome(job=job, preview=await self._preview(job.pictures[picture - 1]), picture=picture)

    async def picture(self, owner: str, history_id: int, picture: int) -> tuple[KeptPicture, bytes] | None:
        """The bytes of one picture of this owner's job, fetched again if need be; None when they cannot be had."""
        job = await self.store.job(owner, history_id)
        if job is None or not 0 < picture <= len(job.pictures):
            return None
        data = await self.read(job.pictures[picture - 1])
        if data is None:
            job, data = await self._restore(job, picture)
        return None if data is None else (job.pictures[picture - 1], data)

    async def read(self, picture: KeptPicture) -> bytes | None:
        """The bytes of a kept picture, or None when they are gone."""
        return await self.files.read(picture.name)

    async def jpeg(self, picture: KeptPicture, max_bytes: int) -> JpegCopy | None:
        """A kept picture as a JPEG of at most so many bytes; None when its bytes are gone."""
        data = await self.read(picture)
        return None if data is None else await self.previews.copy(data, max_bytes)

    async def fitted(self, outcome: Outcome, max_bytes: int) -> Outcome:
        """The outcome with a preview of at most so many bytes; with none for 0."""
        if outcome.preview is None or len(outcome.preview) <= max_bytes:
            return outcome
        if not max_bytes:
            return replace(outcome, preview=None)
        return replace(outcome, preview=(await self.previews.copy(outcome.preview, max_bytes)).data)

    def delivered(self, *jobs: Job) -> None:
        """Note that the pictures of these jobs have reached a client; written down in a moment, before `close` ends."""
        ids = [job.history_id for job in jobs if job.state is JobState.DONE and job.delivered_at is None]
        if ids:
            self.jobs.run_in_background(self._mark(jobs[0].owner, ids))

    async def close(self, drain_s: float = 0.0) -> None:
        """Let jobs come to their end for a while, then let go of them, and wait until all is written down."""
        await self.jobs.close(drain_s)

    async def _preview(self, picture: KeptPicture) -> bytes | None:
        preview = self.memory.find(picture.name)
        data = await self.read(picture) if preview is None else None
        if data is not None:
            try:
                preview = (await self.previews.examine(data)).preview
            except WorkError as error:  # damaged on the disk: the rest of the job is there to be seen
                logger.warning("%s cannot be shown: %s", picture.name, error)
                return None
            self.memory.remember(picture.name, preview)
        return preview

    async def _mark(self, owner: str, ids: list[int]) -> None:
        try:
            await self.store.delivered(owner, ids)
        except WorkError as error:  # the same request will join them once more: nothing is lost
            logger.warning("history_id %s: that it was delivered could not be written down: %s", ids, error)

    async def _begin_and_wait(self, asked: _Asked, waiter: Waiter) -> Outcome:
        begun = await self._begin(asked, waiter)
        await self._wait(begun.job, waiter)
        outcome = await self.show(asked.owner, begun.job.history_id, patience_s=waiter.left_s)
        if outcome is None:
            raise WorkError(f"history_id {begun.job.history_id} was deleted meanwhile.", kind=DELETED)
        return replace(outcome, joined=begun.joined)

    async def _begin(self, asked: _Asked, waiter: Waiter) -> Begun:
        """Write the row and start the job, or find the one to join. A call cancelled meanwhile leaves none working."""
        if self.jobs.closing:
            raise WorkError(STOPPING, kind="stopping")
        wanted = asyncio.Event()
        wanted.set()
        beginning = asyncio.create_task(self._write_and_start(asked, waiter, wanted))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            wanted.clear()
            await finish_despite_cancel(self._leave(beginning))
            raise

    async def _leave(self, beginning: asyncio.Task[Begun]) -> None:
        begun = await beginning
        running = self.jobs.find(begun.job.history_id)
        if not begun.joined and running is not None:
            await running.leave()

    async def _write_and_start(self, asked: _Asked, waiter: Waiter, wanted: asyncio.Event) -> Begun:
        begun = await self.store.begin(asked.owner, asked.request, asked.upstream, asked.fingerprint)
        await waiter.begun(begun.job.history_id)
        if begun.joined:
            return begun
        if wanted.is_set():
            self.jobs.start(begun.job.history_id, lambda running: self._work.draw(begun.job, asked.request, running))
        else:
            await self._work.cancelled(begun.job)
        return begun

    async def _wait(self, job: Job, waiter: Waiter) -> None:
        """Wait beside the job where it runs; where it runs nowhere take it up, and else look at its row."""
        if job.state is not JobState.WORKING:
            return
        running = self.jobs.find(job.history_id) or await self._claim(job) or await self._watch(job, waiter)
        if running is not None:
            await running.wait(waiter)

    async def _claim(self, job: Job) -> RunningJob | None:
        """Take the job up if nobody follows it; whole, since what is claimed and not followed nobody can claim."""
        return await finish_despite_cancel(self._claim_and_take_up(job))

    async def _claim_and_take_up(self, job: Job) -> RunningJob | None:
        claimed = await self.store.claim_one(job.owner, job.history_id)
        return self._take_up(claimed) if claimed is not None and not self.jobs.closing else None

    def _take_up(self, job: Job) -> RunningJob:
        return self.jobs.take_up(job.history_id, lambda running: self._work.follow(job, running))

    async def _watch(self, job: Job, waiter: Waiter) -> RunningJob | None:
        """Look at a job until it has ended: another process works on it, or it is just beginning here.

        If that process dies or lets go, take it up.
        """
        async with steady(waiter.progress) as report:
            await report(f"history_id {job.history_id} is being drawn")
            left_s = waiter.left_s
            while left_s > 0:
                await self.pause(min(LOOK_S, left_s))
                left_s -= LOOK_S
                if (running := self.jobs.find(job.history_id) or await self._claim(job)) is not None:
                    return running
                current = await self.store.job(job.owner, job.history_id)
                if current is None or current.state is not JobState.WORKING:
                    break
        return None

    async def _restore(self, job: Job, number: int, patience_s: float = RESTORE_S) -> tuple[Job, bytes | None]:
        """Fetch a picture's bytes once more where its image service may still have them; nothing is paid for that."""
        picture = job.pictures[number - 1]
        upstream = self.upstreams.get(job.upstream)
        if upstream is not None and picture.source:
            try:
                async with asyncio.timeout(min(patience_s, RESTORE_S)):
                    data = await upstream.fetch_again(picture.source)
                drawn = Picture(data=data, note=picture.note, source=picture.source)
                again = await self._work.keep_picture(job.owner, drawn, await self.previews.examine(data))
                return await self._restored(job, number, again), data
            except (WorkError, TimeoutError) as error:
                logger.info("history_id %d: a picture that was removed stays so: %s", job.history_id, error)
        if picture.kept:
            await self.store.files_gone([picture.name])
        return await self.store.job(job.owner, job.history_id) or job, None

    async def _restored(self, job: Job, number: int, picture: KeptPicture) -> Job:
        try:
            restored = await self.store.restored(job, number - 1, picture)
        except LookupError as deleted:
            if not await self.store.owns_file(job.owner, picture.name):
                await self.files.remove([picture.name])
            raise WorkError(f"history_id {job.history_id} was deleted meanwhile.", kind=DELETED) from deleted
        await self.ended(restored)  # it is in the list again, and takes room like one that was just drawn
        return restored

    @property
    def _work(self) -> Worker:
        return Worker(
            upstreams=self.upstreams,
            store=self.store,
            files=self.files,
            previews=self.previews,
            memory=self.memory,
            retries=self.retries,
            prompt_suffix=self.prompt_suffix,
            closing=lambda: self.jobs.closing,
            ended=self.ended,
            pause=self.pause,
        )


def _came_to_nothing(job: Job) -> bool:
    """Whether who joined it is left with nothing: who began it has cancelled it, or its bytes are gone."""
    cancelled = job.failure is not None and job.failure.kind == CANCELLED_KIND
    return cancelled or not all(picture.kept for picture in job.pictures)
