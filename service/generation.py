"""The pipeline of one generation.

1. Job: the history row is written before anything costs money, in state `working`.
2. Run: the upstream draws, with progress and a deadline; retries are those that the failure allows.
3. Keep: the bytes are examined, stored, and the row becomes `done` in one transaction.
4. Whatever ends it otherwise, cancellation included, the row says so before the caller hears of it.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from service.files import Files
from service.images import Failure, ImageRequest, Job, KeptPicture, Picture, Progress, WorkError
from service.models import Models
from service.previews import Previews
from service.progress import steady
from service.store import Store
from service.upstream import Upstream

logger = logging.getLogger(__name__)

CANCELLED = Failure(kind="cancelled", reason="It was cancelled by the client before it was done.")
BROKEN = Failure(kind="internal", reason="Internal error. The service's log has the details.")


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

    async def generate(self, owner: str, request: ImageRequest, progress: Progress) -> Outcome:
        """Make the pictures of one request. A failure is an outcome too: the job says why."""
        job = await self._begin(owner, request)
        started = time.monotonic()
        try:
            outcome = await self._work(job, request, progress)
        except WorkError as error:
            failure = Failure(kind=error.kind, reason=str(error))
            outcome = Outcome(job=await asyncio.shield(self.store.fail(job, failure)))
        except asyncio.CancelledError:
            await asyncio.shield(self.store.fail(job, CANCELLED))
            raise
        except BaseException:
            await asyncio.shield(self.store.fail(job, BROKEN))
            raise
        state, seconds = outcome.job.state, time.monotonic() - started
        logger.info("history_id %d: %s by %s in %.1f s", job.history_id, state, request.model, seconds)
        return outcome

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

    async def _begin(self, owner: str, request: ImageRequest) -> Job:
        """Write the row. If the call is cancelled meanwhile, the row is there all the same and must not stay open."""
        writing = asyncio.ensure_future(self.store.begin(owner, request))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await self.store.fail(await writing, CANCELLED)
            raise

    async def _work(self, job: Job, request: ImageRequest, progress: Progress) -> Outcome:
        async with steady(progress) as report:
            pictures = await self._draw(request, report)
            await report("Storing the picture", 95)
            return await self._keep(job, pictures)

    async def _draw(self, request: ImageRequest, progress: Progress) -> Sequence[Picture]:
        upstream = self.upstreams[self.models.upstream_of[request.model]]
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
                logger.info("%s: %s; attempt %d follows", upstream.name, error.kind, attempt + 1)
                await progress(f"{upstream.name}: {error.kind}. Trying again ({attempt + 1}).")
                await asyncio.sleep(error.retry_after_s)

    async def _keep(self, job: Job, pictures: Sequence[Picture]) -> Outcome:
        kept: list[KeptPicture] = []
        previews = []
        for picture in pictures:
            examined = await self.previews.examine(picture.data)
            kept.append(
                KeptPicture(
                    name=await self.files.keep(job.owner, picture.data, examined.media_type),
                    media_type=examined.media_type,
                    width=examined.width,
                    height=examined.height,
                    size=len(picture.data),
                    note=picture.note,
                )
            )
            previews.append(examined)
        done = await asyncio.shield(self.store.finish(job, kept))
        return Outcome(job=done, preview=previews[0].preview, preview_type=previews[0].preview_type)
