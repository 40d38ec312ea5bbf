"""The work on one job, from asking the image service to the end that its row tells.

1. Draw: that the image service is asked is written down before it is; retries are those that the failure allows.
2. Work that goes on at the service without us is written down before it is asked about for the first time. Then it is
   followed until the deadline, whoever leaves; after that, or after this process, the job stays `working` and can be
   taken up again.
3. Keep: from here on no cancellation loses what is paid for. The bytes are examined, stored, and the row becomes
   `done` in one transaction.
4. Whatever ends it otherwise, cancellation included, the row says so before anybody hears of it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from service.files import Files
from service.images import Failure, ImageRequest, Job, KeptPicture, Picture, Progress, WorkError
from service.preview_memory import PreviewMemory
from service.previews import Examined, Previews
from service.progress import steady
from service.running_jobs import RunningJob
from service.store import Store
from service.upstream import RemoteTask, Upstream

logger = logging.getLogger(__name__)

CANCELLED: Final = "It was cancelled by the client before it was done."
STOPPED: Final = "The service was stopped while this picture was being made."
MAY_BE_CHARGED: Final = "The image service may have charged for it all the same."
NOT_CHARGED: Final = "Nothing was charged."
AGAIN: Final = "Call again if the picture is still wanted."
BROKEN: Final = Failure(kind="internal", reason="Internal error. The service's log has the details.")

LONGEST_PAUSE_S: Final = 60.0
"""Before another try, however often it was doubled."""

GIVE_UP_S: Final = 24 * 3600.0
"""Work that has not ended a day after it was asked for never will."""


async def nothing_more(job: Job) -> None:
    """What else happens when a job ends, where nothing does."""


@dataclass(frozen=True, kw_only=True)
class JobWork:
    """Works on jobs. `ended` is told of each one that came to its end, after its row says so."""

    upstreams: Mapping[str, Upstream]
    store: Store
    files: Files
    previews: Previews
    memory: PreviewMemory
    retries: int
    prompt_suffix: str
    closing: Callable[[], bool]
    ended: Callable[[Job], Awaitable[None]] = nothing_more
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def draw(self, job: Job, request: ImageRequest, running: RunningJob) -> None:
        """Make the pictures of a job that has just begun."""
        await self._to_its_end(job, lambda: self._draw(job, request, running))

    async def follow(self, job: Job, running: RunningJob) -> None:
        """Go on with a job whose work goes on at its image service."""
        await self._to_its_end(job, lambda: self._follow(job, running, running.report))

    async def _to_its_end(self, job: Job, work: Callable[[], Awaitable[Job | None]]) -> None:
        """Do the work, and have the row say how it ended. None: it has not, and can be taken up again."""
        started = time.monotonic()
        try:
            ended = await work()
        except WorkError as error:
            ended = await asyncio.shield(self.store.fail(job, Failure(kind=error.kind, reason=str(error))))
        except asyncio.CancelledError:
            await asyncio.shield(self.cancelled(job))
            raise
        except BaseException:
            await asyncio.shield(self.store.fail(job, BROKEN))
            raise
        seconds = time.monotonic() - started
        state = "left working" if ended is None else ended.state
        logger.info("history_id %d: %s by %s in %.1f s", job.history_id, state, job.model, seconds)
        if ended is not None:
            await self.ended(ended)

    async def cancelled(self, job: Job) -> None:
        """End a job that was cancelled; but where the process ends and the work goes on without it, let go of it."""
        try:
            current = await self.store.job(job.owner, job.history_id) or job
            if self.closing() and current.task:
                await self.store.release(current)
                return
            kind, reason = ("interrupted", STOPPED) if self.closing() else ("cancelled", CANCELLED)
            logger.info("history_id %d: %s", job.history_id, kind)
            charged = MAY_BE_CHARGED if current.submitted else NOT_CHARGED
            await self.ended(await self.store.fail(job, Failure(kind=kind, reason=f"{reason} {charged} {AGAIN}")))
        except WorkError as error:  # the cancellation goes on: the next start finds the row and ends it
            logger.warning("history_id %d could not be ended: %s", job.history_id, error)

    async def _draw(self, job: Job, request: ImageRequest, running: RunningJob) -> Job | None:
        upstream = self.upstreams[job.upstream]
        async with steady(running.report) as report:
            made = await self._ask(job, upstream, request, report)
            if isinstance(made, RemoteTask):
                running.wanted = True  # it goes on there and is paid for, whoever leaves
                remembered = await asyncio.shield(self.store.remember(job, made.id))
                return await self._follow(remembered, running, report)
            return await self._keep(job, made, running, report)

    async def _ask(
        self, job: Job, upstream: Upstream, request: ImageRequest, progress: Progress
    ) -> Sequence[Picture] | RemoteTask:
        sent = replace(request, prompt="\n".join(filter(None, (request.prompt, self.prompt_suffix))))
        if upstream.charges:
            await asyncio.shield(self.store.submitted(job))
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(upstream.deadline_s):
                    return await upstream.generate(sent, progress)
            except TimeoutError as late:
                raise WorkError(
                    f"{upstream.name} gave no picture within {upstream.deadline_s:.0f} seconds, and the wait was "
                    f"ended. {MAY_BE_CHARGED} Try again later, or with another model.",
                    kind="timeout",
                    may_be_charged=upstream.charges,
                ) from late
            except WorkError as error:
                attempt += 1
                if attempt > min(error.retries, self.retries):
                    raise
                pause_s = min(error.retry_after_s * 2 ** (attempt - 1), LONGEST_PAUSE_S)
                logger.info("%s: %s; attempt %d follows in %.1f s", upstream.name, error.kind, attempt + 1, pause_s)
                await progress(f"{upstream.name}: {error.kind}. Trying again in {pause_s:.0f} s ({attempt + 1}).")
                await self.pause(pause_s)

    async def _follow(self, job: Job, running: RunningJob, progress: Progress) -> Job | None:
        """Wait for work that goes on without us, until its deadline; then anybody may take it up again."""
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
        return await self._keep(job, pictures, running, progress)

    async def _leave(self, job: Job, why: str) -> None:
        if time.time() - job.created_at > GIVE_UP_S:
            raise WorkError(f"{why} It was asked for more than a day ago, and is given up.", kind="timeout")
        await asyncio.shield(self.store.release(job))

    async def _keep(self, job: Job, pictures: Sequence[Picture], running: RunningJob, progress: Progress) -> Job:
        """Store what was drawn. Of several pictures that are paid for, one that is none does not lose the others."""
        running.wanted = True  # paid for: who leaves now takes nothing away
        await progress("Storing the picture", 95)
        kept: list[KeptPicture] = []
        problems: list[WorkError] = []
        for picture in pictures:
            try:
                seen = await self.previews.examine(picture.data)
            except WorkError as error:
                problems.append(error)
                continue
            kept.append(await self.keep_picture(job.owner, picture, seen))
        if not kept:
            raise problems[0] if problems else WorkError("The image service gave no picture.", kind="no_image")
        if problems:
            missing = f"{len(problems)} of {len(pictures)} pictures could not be used: {problems[0]}"
            kept[0] = replace(kept[0], note=" ".join(filter(None, (kept[0].note, missing))))
        return await asyncio.shield(self.store.finish(job, kept))

    async def keep_picture(self, owner: str, picture: Picture, seen: Examined) -> KeptPicture:
        """Put one examined picture into our keeping."""
        name = await self.files.keep(owner, picture.data, seen.media_type)
        self.memory.remember(name, seen.preview)
        return KeptPicture(
            name=name,
            media_type=seen.media_type,
            width=seen.width,
            height=seen.height,
            size=len(picture.data),
            note=picture.note,
            source=picture.source,
        )
