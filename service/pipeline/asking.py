"""One request to an image service, in its turn: marked as asked before it is, and tried again as its failure allows."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service.images import ImageRequest, Job, Picture, Progress, WorkError
from service.pipeline.parts import Part
from service.pipeline.running_jobs import RunningJob, finish_despite_cancel
from service.pipeline.turns import Turns
from service.pipeline.writing import Writing
from service.storage.store import Store
from service.upstreams.base import RemoteTask, Upstream

logger = logging.getLogger(__name__)

MAY_BE_CHARGED: Final = "The image service may have charged for it all the same."

ORDINALS: Final = ("First", "Second", "Third", *(f"{number}th" for number in range(4, 12)))
"""The tries in words, for up to ten of EASEL_RETRIES."""

LONGEST_PAUSE_S: Final = 60.0
"""Longest pause before another try, however often it was doubled."""


@dataclass(frozen=True, kw_only=True)
class Asking(Writing):
    """Asks image services."""

    store: Store
    retries: int
    prompt_suffix: str
    turns: Turns = field(default_factory=Turns)

    async def ask(
        self, job: Job, part: Part, upstream: Upstream, running: RunningJob, progress: Progress
    ) -> Sequence[Picture] | RemoteTask:
        """Ask for the pictures of a part. Raises `WorkError` after the last try."""
        assert part.request is not None, "a part that was asked for before is followed"  # noqa: S101 - ours
        prompt = "\n".join(filter(None, (part.request.prompt, self.prompt_suffix)))
        sent, attempt = replace(part.request, prompt=prompt), 0
        while True:
            running.asked += 1
            if upstream.charges:
                await self._mark_asked(job, part)
            try:
                return await _generate(upstream, sent, progress)
            except WorkError as error:
                attempt += 1
                if attempt > min(error.retries, self.retries):
                    raise
                running.asked -= 1
                await finish_despite_cancel(self.take_back(job, part))  # a cancellation during the pause costs nothing
                pause_s = min(error.retry_after_s * 2 ** (attempt - 1), LONGEST_PAUSE_S)
                logger.info("%s: %s; attempt %d follows in %.1f s", upstream.name, error.kind, attempt + 1, pause_s)
                await running.report(f"{error.fact} {ORDINALS[attempt]} try in {pause_s:.0f} s.")
                await self.pause(pause_s)

    async def take_back(self, job: Job, part: Part) -> None:
        """Note that the image service charges nothing for a part until it is asked again."""
        if part.charged:
            part.charged = False
            await self.store.mark_submitted(job, part.count, refused=True)

    async def _mark_asked(self, job: Job, part: Part) -> None:
        """Note that the image service is being asked; a cancellation that comes meanwhile takes that back."""
        marking = asyncio.ensure_future(self.store.mark_submitted(job, part.count))
        try:
            await asyncio.shield(marking)
            part.charged = True
        except asyncio.CancelledError:
            with contextlib.suppress(WorkError):  # the disk: then it counts as one that may be charged
                await finish_despite_cancel(self._undo(job, part, marking))
            raise

    async def _undo(self, job: Job, part: Part, marking: asyncio.Future[Job]) -> None:
        await marking
        await self.store.mark_submitted(job, part.count, refused=True)


async def _generate(upstream: Upstream, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
    try:
        async with asyncio.timeout(upstream.deadline_s):
            return await upstream.generate(request, progress)
    except TimeoutError as late:
        raise WorkError(
            f"{upstream.name} gave no picture within {upstream.deadline_s:.0f} seconds, and the wait was "
            f"ended. {MAY_BE_CHARGED}\nTry again later, or with another model.",
            kind="timeout",
            may_be_charged=upstream.charges,
            setting="EASEL_UPSTREAM_TIMEOUT_S",
        ) from late
