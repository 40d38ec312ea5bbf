"""Pictures that were drawn, brought into our keeping: written down as they came, then examined and stored.

From here on neither a cancellation nor a stop loses a picture that is paid for, nor does a crash: the bytes are written
down (`Arrivals`) before they are examined, and the row names what is stored.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from service.costs import Drawn
from service.images import Job, KeptPicture, Picture, WorkError
from service.pictures.library import Pictures
from service.pipeline.parts import Part
from service.pipeline.running_jobs import RunningJob
from service.pipeline.writing import STORING_TRIES, Writing
from service.storage.files import Arrivals
from service.troubles import STORAGE, storage_error, trouble_of
from service.upstreams.base import Upstream

logger = logging.getLogger(__name__)

FEWER: Final = "The image service gave fewer pictures than it was asked for."


@dataclass(frozen=True)
class Stored:
    """The pictures of a part that are stored, with their bytes; links to others, and why some are not usable."""

    kept: Sequence[KeptPicture]
    data: Sequence[bytes]
    links: Sequence[str]
    why_not: WorkError | None
    drawn: Drawn


@dataclass(frozen=True, kw_only=True)
class Keeping(Writing):
    """Keeps what image services draw."""

    arrivals: Arrivals
    pictures: Pictures

    async def store_part(self, job: Job, part: Part, given: Sequence[Picture], running: RunningJob) -> Stored:
        """Store every picture that is one and finds room; a bad one among several does not lose the others.

        Raises `WorkError` where none can be kept.
        """
        kept: list[KeptPicture] = []
        stored: list[bytes] = []
        problems: list[WorkError] = []
        links = [picture.source for picture in given if not picture.data]
        for picture in (each for each in given if each.data):
            try:
                known, data = await self.write(partial(self._store, job, picture), running, tries=STORING_TRIES)
                kept.append(replace(known, part=part.number))
                stored.append(data)
            except WorkError as error:
                problems.append(error)
                links += [picture.source] if error.kind == STORAGE and picture.source else []
        if not kept:
            raise _nothing(given, problems).keeping(links=links)
        if len(kept) + len(links) < part.count:
            why = problems[0] if problems else WorkError(FEWER, kind="no_image", may_be_charged=True)
            return Stored(kept, stored, links, why, _drawn(given))
        if problems:
            missing = f"{len(problems)} of {len(given)} pictures could not be used: {problems[0]}"
            kept[0] = replace(kept[0], note=" ".join(filter(None, (kept[0].note, missing))))
        return Stored(kept, stored, links, None, _drawn(given))

    async def keep_again(self, job: Job, stored: Stored) -> None:
        """Store files anew that were removed to make room in the moment before the row named them.

        The same bytes, drawn before, had the same name.
        """
        for data, known in zip(stored.data, stored.kept, strict=True):
            if not known.is_away and await self.pictures.files.find(known.name) is None:
                await self.pictures.files.keep(job.owner, data, known.media_type)

    async def note_arrival(self, job: Job, part: Part, pictures: Sequence[Picture], running: RunningJob) -> None:
        """Write down what has arrived, so that a crash does not lose it."""
        running.has_arrivals = True
        try:
            await self.arrivals.keep(job, pictures, part.number)
        except WorkError as error:  # it is in memory
            logger.info("history_id %d of %s: %s", job.history_id, job.owner, error.fact)

    async def forget_arrival(self, running: RunningJob, ended: Job | None) -> None:
        """Remove what was written down of a job that has ended."""
        if running.has_arrivals and ended is not None:
            await self.arrivals.remove(ended)

    async def arrived_links(self, job: Job) -> tuple[str, ...]:
        """Return the links of pictures that arrived and are not in the row of the job."""
        arrived, stored = await self.arrivals.read(job), {picture.part for picture in job.pictures}
        others = [each.source for part in arrived.keys() - stored for each in arrived[part] if each.source]
        return (*links_left(job, arrived), *others)

    async def _store(self, job: Job, picture: Picture) -> tuple[KeptPicture, bytes]:
        """Store a picture; return its bytes as they are kept, too."""
        try:
            examined = await self.pictures.examine(job.owner, picture.data)
            return await self.pictures.keep(job.owner, picture, examined), examined.data
        except (OSError, MemoryError, RuntimeError) as error:
            if (trouble := trouble_of(error)) is None:
                raise
            raise storage_error("The picture could not be examined", trouble, error) from error


def _drawn(given: Sequence[Picture]) -> Drawn:
    """Return what an answer drew, with the use that it told of all its pictures."""
    told = [picture.usage for picture in given if picture.usage is not None]
    return Drawn(pictures=len(given), usage=sum(told[1:], start=told[0]) if told else None)


def links_left(job: Job, arrived: Mapping[int, Sequence[Picture]]) -> list[str]:
    """Return the links of pictures that are not here yet, of the parts of a job that have others in its row."""
    stored, known = {picture.part for picture in job.pictures}, {picture.source for picture in job.pictures}
    of_stored = (each for part, pictures in arrived.items() if part in stored for each in pictures)
    return [each.source for each in of_stored if not each.data and each.source not in known]


async def download(upstream: Upstream, link: str) -> Picture:
    """Download a picture that was drawn before; one that cannot be had now has no bytes, and says why."""
    try:
        return Picture(data=await upstream.fetch_again(link), source=link)
    except WorkError as error:
        return Picture(data=b"", source=link, note=error.fact)


def _nothing(pictures: Sequence[Picture], problems: Sequence[WorkError]) -> WorkError:
    """Return the error of a part without a picture that can be kept."""
    if problems:
        return problems[0]
    if not pictures:
        return WorkError("The image service gave no picture.", kind="no_image")
    fact = f"The picture was drawn, and could not be downloaded. {pictures[0].note}"
    return WorkError(f"{fact}\nCall `history` with its history_id later, which tries again.", kind="download")
