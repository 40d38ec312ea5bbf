"""The pipeline of one generation.

1. Job: the history row is written before anything costs money, in state `working`.
2. Run: the upstream draws, with progress and a deadline; retries are those that the failure allows.
3. Work that goes on at the upstream without us is written down before it is asked about for the first time. Then it is
   followed until the deadline; after that, or after this process, the job stays `working` and can be taken up again.
4. Keep: the bytes are examined, stored, and the row becomes `done` in one transaction.
5. Whatever ends it otherwise, cancellation included, the row says so before the caller hears of it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service.files import Files
from service.images import Failure, ImageRequest, Job, JobState, KeptPicture, Picture, Progress, WorkError
from service.models import Models
from service.owned_tasks import OwnedTasks
from service.previews import Examined, JpegCopy, Previews
from service.progress import steady
from service.store import Begun, Store
from service.upstream import RemoteTask, Upstream

logger = logging.getLogger(__name__)

CANCELLED = Failure(kind="cancelled", reason="It was cancelled by the client before it was done.")
STOPPED = Failure(
    kind="interrupted",
    reason="The service was stopped while this picture was being made. The image service may have charged for it all "
    "the same. Call again if the picture is still wanted.",
)
BROKEN = Failure(kind="internal", reason="Internal error. The service's log has the details.")

LONGEST_PAUSE_S: Final = 60.0
"""Before another try, however often it was doubled."""

LOOK_S: Final = 1.0
"""Between two looks at a job that another process or call is working on."""

PATIENCE_S: Final = 30.0
"""How long `wait` waits. The SDKs of most clients give a call up after 60 seconds."""

GIVE_UP_S: Final = 24 * 3600.0
"""Work that has not ended a day after it was asked for never will."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A job and, when it has a picture, the small preview of its first one."""

    job: Job
    preview: bytes | None = None
    preview_type: str = ""


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

    owned: OwnedTasks = field(default_factory=OwnedTasks)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def generate(
        self, owner: str, request: ImageRequest, progress: Progress, upstream: str | None = None
    ) -> Outcome:
        """Make the pictures of one request. A failure is an outcome too: the job says why.

        `upstream` draws it; without a name the one that the models file gives to the model. The job of the outcome may
        still be `working`: then `wait` goes on from there.
        """
        service = self.upstreams[upstream or self.models.upstream_of[request.model]]
        job = await self._begin(owner, request, service.name)
        return await self._to_its_end(job, lambda: self._work(job, service, request, progress))

    async def resume(self) -> None:
        """Follow, in tasks of their own, what earlier processes left at image services."""
        for job in await self.store.claim():
            logger.info("history_id %d goes on at %s", job.history_id, job.upstream)
            self._take_up(job)

    async def wait(self, owner: str, history_id: int, progress: Progress, patience_s: float = PATIENCE_S) -> None:
        """Wait a while for a working job to end. One that nobody follows any more is taken up again."""
        job = await self.store.job(owner, history_id)
        if job is None or job.state is not JobState.WORKING:
            return
        if claimed := await self.store.claim_one(owner, history_id):
            self._take_up(claimed)
        async with steady(progress) as report:
            await report(f"history_id {history_id} is being drawn")
            if self.owned.runs(history_id):
                await self.owned.wait(history_id, patience_s)
            else:
                await self._watch(job, patience_s)

    async def close(self) -> None:
        """Let go of what is being followed, and wait until that is written down. Call it before calls are cancelled."""
        await self.owned.close()

    async def show(self, owner: str, history_id: int) -> Outcome | None:
        """An earlier job of this owner, with its preview; None when there is none of that id."""
        job = await self.store.job(owner, history_id)
        if job is None or not job.pictures:
            return None if job is None else Outcome(job=job)
        stored = await self.files.find(job.pictures[0].name)
        if stored is None:
            return Outcome(job=job)
        examined = await self.previews.examine(await asyncio.to_thread(stored.path.read_bytes))
        return Outcome(job=job, preview=examined.preview, preview_type=examined.preview_type)

    async def jpeg(self, picture: KeptPicture, max_bytes: int) -> JpegCopy | None:
        """A kept picture as a JPEG of at most so many bytes; None when its bytes are gone."""
        stored = await self.files.find(picture.name)
        if stored is None:
            return None
        return await self.previews.copy(await asyncio.to_thread(stored.path.read_bytes), max_bytes)

    async def _begin(self, owner: str, request: ImageRequest, upstream: str) -> Job:
        """Write the row. If the call is cancelled meanwhile, the row is there all the same and must not stay open."""
        writing = asyncio.ensure_future(self.store.begin(owner, request, upstream, ""))
        try:
            return (await asyncio.shield(writing)).job
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon(writing))
            raise

    async def _abandon(self, writing: Awaitable[Begun]) -> None:
        """End a job whose call went away while its row was written."""
        try:
            await self.store.fail((await writing).job, CANCELLED)
        except WorkError as error:
            logger.warning("a cancelled job could not be ended: %s", error)

    async def _to_its_end(self, job: Job, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Do the work on a job, and have its row say how it ended."""
        started = time.monotonic()
        try:
            outcome = await work()
        except WorkError as error:
            failure = Failure(kind=error.kind, reason=str(error))
            outcome = Outcome(job=await asyncio.shield(self.store.fail(job, failure)))
        except asyncio.CancelledError:
            await asyncio.shield(self._cancelled(job))
            raise
        except BaseException:
            await asyncio.shield(self.store.fail(job, BROKEN))
            raise
        state, seconds = outcome.job.state, time.monotonic() - started
        logger.info("history_id %d: %s by %s in %.1f s", job.history_id, state, job.model, seconds)
        return outcome

    async def _cancelled(self, job: Job) -> None:
        """A cancelled job has ended, but not where the process ends and the work goes on without it."""
        try:
            current = await self.store.job(job.owner, job.history_id) if self.owned.closing else None
            if current is not None and current.task:
                await self.store.release(current)
            else:
                await self.store.fail(job, STOPPED if self.owned.closing else CANCELLED)
        except WorkError as error:  # the cancellation goes on: the next start finds the row and ends it
            logger.warning("history_id %d could not be ended: %s", job.history_id, error)

    async def _work(self, job: Job, upstream: Upstream, request: ImageRequest, progress: Progress) -> Outcome:
        async with steady(progress) as report:
            await self.store.submitted(job)
            made = await self._draw(upstream, request, report)
            if isinstance(made, RemoteTask):
                remembered = await asyncio.shield(self.store.remember(job, made.id))
                return await self._follow(remembered, report)
            await report("Storing the picture", 95)
            return await self._keep(job, made)

    async def _draw(
        self, upstream: Upstream, request: ImageRequest, progress: Progress
    ) -> Sequence[Picture] | RemoteTask:
        sent = replace(request, prompt="\n".join(filter(None, (request.prompt, self.prompt_suffix))))
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(upstream.deadline_s):
                    return await upstream.generate(sent, progress)
            except TimeoutError as late:
                raise WorkError(
                    f"{upstream.name} gave no picture within {upstream.deadline_s:.0f} seconds, and the wait was "
                    "ended. It may have charged for it all the same. Try again later, or with another model.",
                    kind="timeout",
                ) from late
            except WorkError as error:
                attempt += 1
                if attempt > min(error.retries, self.retries):
                    raise
                pause_s = min(error.retry_after_s * 2 ** (attempt - 1), LONGEST_PAUSE_S)
                logger.info("%s: %s; attempt %d follows in %.1f s", upstream.name, error.kind, attempt + 1, pause_s)
                await progress(f"{upstream.name}: {error.kind}. Trying again in {pause_s:.0f} s ({attempt + 1}).")
                await self.pause(pause_s)

    def _take_up(self, job: Job) -> None:
        self.owned.start(job.history_id, lambda: self._to_its_end(job, lambda: self._follow(job, _unheard)))

    async def _follow(self, job: Job, progress: Progress) -> Outcome:
        """Wait for work that goes on without us, until its deadline; then anybody may take it up again."""
        upstream = self.upstreams.get(job.upstream)
        if upstream is None:
            return await self._leave(job, f"{job.upstream}, which has it, is not configured any more.")
        try:
            async with asyncio.timeout(upstream.deadline_s):
                pictures = await upstream.follow(RemoteTask(job.task), progress)
        except TimeoutError:
            return await self._leave(job, f"{job.upstream} has not finished it.")
        await progress("Storing the picture", 95)
        return await self._keep(job, pictures)

    async def _leave(self, job: Job, why: str) -> Outcome:
        if time.time() - job.created_at > GIVE_UP_S:
            raise WorkError(f"{why} It was asked for more than a day ago, and is given up.", kind="timeout")
        await asyncio.shield(self.store.release(job))
        return Outcome(job=job)

    async def _watch(self, job: Job, patience_s: float) -> None:
        """Look at a job until it has ended: somebody else is working on it."""
        left_s = patience_s
        current: Job | None = job
        while left_s > 0 and current is not None and current.state is JobState.WORKING:
            await self.pause(LOOK_S)
            left_s -= LOOK_S
            current = await self.store.job(job.owner, job.history_id)

    async def _keep(self, job: Job, pictures: Sequence[Picture]) -> Outcome:
        """Store what was drawn. Of several pictures that are paid for, one that is none does not lose the others."""
        kept: list[KeptPicture] = []
        examined: list[Examined] = []
        problems: list[WorkError] = []
        for picture in pictures:
            try:
                seen = await self.previews.examine(picture.data)
            except WorkError as error:
                problems.append(error)
                continue
            kept.append(await self._store(job, picture, seen))
            examined.append(seen)
        if not kept:
            raise problems[0] if problems else WorkError("The image service gave no picture.", kind="no_image")
        if problems:
            missing = f"{len(problems)} of {len(pictures)} pictures could not be used: {problems[0]}"
            kept[0] = replace(kept[0], note=" ".join(filter(None, (kept[0].note, missing))))
        done = await asyncio.shield(self.store.finish(job, kept))
        return Outcome(job=done, preview=examined[0].preview, preview_type=examined[0].preview_type)

    async def _store(self, job: Job, picture: Picture, seen: Examined) -> KeptPicture:
        return KeptPicture(
            name=await self.files.keep(job.owner, picture.data, seen.media_type),
            media_type=seen.media_type,
            width=seen.width,
            height=seen.height,
            size=len(picture.data),
            note=picture.note,
        )


async def _unheard(message: str, percent: float | None = None) -> None:
    """Where the progress of work goes that nobody waits for."""
