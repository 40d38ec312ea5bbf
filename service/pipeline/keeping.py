"""Pictures that were drawn, brought into our keeping: written down as they came, examined, stored, entered in the row.

From here on neither a cancellation nor a stop loses a picture that is paid for, nor does a crash: the bytes are written
down (`Arrivals`) before they are examined, and the row names what is stored. What says that something was paid for is
written until the disk takes it.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from service.bounds.byte_budget import let_others_on
from service.costs import Drawn
from service.images import Failure, Job, KeptPicture, Picture, WorkError
from service.pictures.library import Pictures
from service.pipeline.asking import MAY_BE_CHARGED
from service.pipeline.requests import Part, Parts, positions
from service.pipeline.running_jobs import HELD_UP_S, RunningJob, RunningJobs, finish_despite_cancel, stored_later
from service.storage.files import Arrivals
from service.storage.store import Store
from service.troubles import STORAGE, storage_error, trouble_of
from service.upstreams.base import Upstream

logger = logging.getLogger(__name__)

R = TypeVar("R")

WRITE_PAUSE_S: Final = 2.0
"""Pause between two tries to write. A stop waits no longer than this for one that is under way."""

STORING_TRIES: Final = 150
"""Tries in five minutes. A picture is megabytes of memory while the disk does not take it."""

FEWER: Final = "The image service gave fewer pictures than it was asked for."


@dataclass(frozen=True)
class Stored:
    """The pictures of a part that are stored, with their bytes; links to others, and why some are not usable.

    `later`: why some are left to the next start, which finds them among the arrivals; None where none are.
    """

    kept: Sequence[KeptPicture]
    data: Sequence[bytes]
    links: Sequence[str]
    why_not: WorkError | None
    drawn: Drawn
    later: WorkError | None = None


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Keeps what image services draw, for the jobs of this process."""

    store: Store
    arrivals: Arrivals
    pictures: Pictures
    jobs: RunningJobs
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    held_up_s: float = HELD_UP_S

    async def write(
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
                    let_others_on()
                    logger.info("It is tried again until it succeeds: %s", error.fact)
                if running is not None and time.monotonic() - started >= self.held_up_s:
                    running.hold_up(told or stored_later(error))
            else:
                if running is not None and running.is_held_up:
                    running.go_on()
                return written
            await self.pause(WRITE_PAUSE_S)

    async def keep(  # noqa: PLR0913 - the part with all that stands around it
        self, job: Job, parts: Parts, part: Part, given: Sequence[Picture], running: RunningJob, *, charges: bool
    ) -> Job | None:
        """Store what was drawn, and enter it in the row. Returns the job if it ended by that."""
        running.detached = running.detached or parts.is_last(part)  # paid for: it is kept, whoever leaves
        await running.report("Storing the picture", parts.advance(part, 95) if parts.several else 95)
        try:
            return await finish_despite_cancel(self._store_and_tell(job, parts, part, given, running, charges=charges))
        except WorkError as error:
            fact, _, advice = str(error).partition("\n")
            paid = f" {MAY_BE_CHARGED}" if charges else ""
            reason = "\n".join(filter(None, [fact + paid, advice]))
            raise WorkError(reason, kind=error.kind, may_be_charged=charges).keeping(links=error.links) from error

    async def _store_and_tell(  # noqa: PLR0913 - as for `keep`
        self, job: Job, parts: Parts, part: Part, given: Sequence[Picture], running: RunningJob, *, charges: bool
    ) -> Job | None:
        if charges:
            await self.note_arrival(job, part, given, running)
        stored = await self._store_part(job, part, given, running)
        current = await self.write(partial(self._enter, job, parts, stored), running)
        await self._store_again(job, stored)
        if stored.later is not None:
            part.left = stored.later.fact
            return None
        part.came, part.links = len(stored.kept), [*stored.links]
        part.ended = True
        if parts.several or part.count > 1:
            for number, picture in positions(current.pictures, part):
                await running.report_picture(number, job.count, picture, parts.advance(part, 95))
        return None if parts.several else current

    async def _enter(self, job: Job, parts: Parts, stored: Stored) -> Job:
        """Enter what is stored in the row; the only part of a job ends it, unless some is left to the next start."""
        if stored.later is not None:
            return await self.store.add_pictures(job, stored.kept, stored.drawn)
        why = None if stored.why_not is None else Failure(kind=stored.why_not.kind, reason=str(stored.why_not))
        if not parts.several:
            return await self.store.finish(job, stored.kept, stored.links, why, stored.drawn)
        if why is not None:
            await self.store.note_shortfall(job, why)
        return await self.store.add_pictures(job, stored.kept, stored.drawn)

    async def _store_part(self, job: Job, part: Part, given: Sequence[Picture], running: RunningJob) -> Stored:
        """Store every picture that is one and finds room; a bad one among several does not lose the others.

        Those that an earlier process has entered are in the row by the same name: their bytes are. Raises `WorkError`
        where none can be kept.
        """
        entered = Counter(picture.name for picture in job.pictures if picture.part == part.number)
        drawn = Drawn(pictures=0) if entered else _drawn(given)  # what an answer cost is counted once
        kept: list[KeptPicture] = []
        stored: list[bytes] = []
        problems: list[WorkError] = []
        links = [picture.source for picture in given if not picture.data]
        for picture in (each for each in given if each.data):
            try:
                known, data = await self._store(job, picture, running)
            except WorkError as error:
                problems.append(error)
                links += [picture.source] if error.kind == STORAGE and picture.source else []
            else:
                if entered[known.name]:
                    entered[known.name] -= 1
                    continue
                kept.append(replace(known, part=part.number))
                stored.append(data)
        if not kept and (problems or links or not given):
            raise _nothing(given, problems).keeping(links=links)
        refused = [problem for problem in problems if problem.kind == STORAGE]
        if refused and self.jobs.closing and running.has_arrivals:
            return Stored(kept, stored, links, None, drawn, later=refused[0])
        if len(kept) + len(links) < part.count:
            why = problems[0] if problems else WorkError(FEWER, kind="no_image", may_be_charged=True)
            return Stored(kept, stored, links, why, drawn)
        if problems and kept:
            missing = f"{len(problems)} of {len(given)} pictures could not be used: {problems[0]}"
            kept[0] = replace(kept[0], note=" ".join(filter(None, (kept[0].note, missing))))
        return Stored(kept, stored, links, None, drawn)

    async def _store_again(self, job: Job, stored: Stored) -> None:
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
        try:
            left = arrivals_left(job, await self.write(lambda: self.arrivals.read(job)))
        except WorkError:  # the service stops before the storage answers
            return ()
        return tuple(each.source for pictures in left.values() for each in pictures if each.source)

    async def _store(self, job: Job, picture: Picture, running: RunningJob) -> tuple[KeptPicture, bytes]:
        """Store a picture, which is examined once however often the disk refuses; return its kept bytes, too."""
        owner, tries = job.owner, STORING_TRIES
        examined = await self.write(lambda: _guarded(self.pictures.examine(owner, picture.data)), running, tries=tries)
        keep = partial(self.pictures.keep, owner, picture, examined)
        return await self.write(lambda: _guarded(keep()), running, tries=tries), examined.data


async def _guarded(work: Awaitable[R]) -> R:
    """Return the result; the system's refusals become an error of the storage."""
    try:
        return await work
    except (OSError, MemoryError, RuntimeError) as error:
        if (trouble := trouble_of(error)) is None:
            raise
        raise storage_error("The picture could not be examined", trouble, error) from error


def _drawn(given: Sequence[Picture]) -> Drawn:
    """Return what an answer drew, with the use that it told of all its pictures."""
    told = [picture.usage for picture in given if picture.usage is not None]
    return Drawn(pictures=len(given), usage=sum(told[1:], start=told[0]) if told else None)


def arrivals_left(job: Job, arrived: Mapping[int, Sequence[Picture]]) -> dict[int, list[Picture]]:
    """Return what has arrived and is not in the row of its job, by part.

    A picture in the row is known by its URL. Those without one are known by the name that their bytes get when they are
    stored: as long as the row has fewer of them, all are among these.
    """
    left: dict[int, list[Picture]] = {}
    for part, pictures in arrived.items():
        entered = [picture.source for picture in job.pictures if picture.part == part]
        nameless = entered.count("") < sum(not picture.source for picture in pictures)
        rest = [each for each in pictures if (each.source not in entered if each.source else nameless)]
        if rest:
            left[part] = rest
    return left


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
    note = next((picture.note for picture in pictures if not picture.data), "")
    fact = f"The picture was drawn, and could not be downloaded. {note}"
    return WorkError(f"{fact}\nCall `history` with its history_id later, which tries again.", kind="download")
