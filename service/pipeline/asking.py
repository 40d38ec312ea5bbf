"""Requests to image services: each in its turn, marked as asked before it is, and tried again as its failure allows.

So many pictures of each owner, and of all, are at work at once; the others wait in a fair queue.

1. An owner's generations come in their order. Between owners the turns go round, so that hundreds of one owner delay
   another owner's by one turn.
2. A generation that is cancelled while it waits leaves the queue, and takes no turn from anybody.
3. How many may wait is decided when a job begins, from the database (`storage/records/new_work.py`); the turns are
   those of this process. Of several replicas each has its share of the limit, by the number of those that live: so
   the limit holds in sum at no round trip, as long as there are no more replicas than pictures at once.
4. A request that need not wait has its turn before its job begins, so that one write says both: that the job has begun,
   and that its image service is asked.
5. All services stand behind one boundary (`RedactedUpstream`): none of their words goes on with a secret in it, or with
   unseen characters. They echo the key that they were sent, in errors, in ids and in addresses of pictures; proxies
   echo their password. A picture whose address holds a key is kept, and can not be downloaded by that address again.
"""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from service.bounds.byte_budget import deadline
from service.bounds.limits import GENERATIONS_AT_ONCE, UNLIMITED, Allowances
from service.images import ImageRequest, Job, Picture, Progress, WorkError
from service.pipeline.requests import Part, Parts
from service.pipeline.running_jobs import RunningJob, finish_despite_cancel
from service.redaction import Redactor, visible
from service.storage.replicas import Replica
from service.storage.store import Store
from service.upstreams.base import Offers, RemoteTask, Upstream

logger = logging.getLogger(__name__)

MAY_BE_CHARGED: Final = "The image service may have charged for it all the same."

ORDINALS: Final = ("First", "Second", "Third", *(f"{number}th" for number in range(4, 12)))
"""The tries in words, for up to ten of EASEL_RETRIES."""

OF_ALL: Final = frozenset({"auth", "account", "forbidden", "address", "model", "quota"})
"""Kinds of failure (`upstreams/kinds.py`) of one request that each other one of the same job would meet, too."""

LONGEST_PAUSE_S: Final = 60.0
"""Longest pause before another try, however often it was doubled."""


class Turns:
    """The turns of one process."""

    def __init__(self, allowances: Allowances = UNLIMITED, replica: Replica | None = None) -> None:
        """Let as many generations work at once as the allowances say: here the share of one of several replicas."""
        self._allowances = allowances
        self._replica = replica or Replica()
        self._at_work: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[asyncio.Future[None], int]]] = {}
        """The queue of each owner who has one, in the order in which their turns come, with the pictures of each."""

    @property
    def waiting(self) -> int:
        """The number of generations in the queue."""
        return sum(map(len, self._waiting.values()))

    @property
    def at_work(self) -> int:
        """The number of pictures at work."""
        return sum(self._at_work.values())

    async def take(self, owner: str, progress: Progress, pictures: int = 1) -> bool:
        """Take a turn of this owner, which `give_back` ends; progress tells the place in the queue.

        One request for more `pictures` than the limit has its turn once nothing else is at work. Return whether it had
        to be waited for.
        """
        if self.take_at_once(owner, pictures):
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(owner, deque())
        queue.append((turn, pictures))
        await progress(f"Waiting for its turn, as number {len(queue)}")
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(owner, turn, pictures)
            raise
        return True

    def take_at_once(self, owner: str, pictures: int = 1) -> bool:
        """Take a turn of this owner that need not be waited for; return False where there is none."""
        return owner not in self._waiting and self._take_places(owner, pictures)

    def give_back(self, owner: str, pictures: int = 1) -> None:
        """End a turn that was taken, and begin those of the queue that have room now."""
        self._free_places(owner, pictures)
        while (following := next(filter(self._begin_next, self._waiting), None)) is not None:
            queue = self._waiting.pop(following)
            turn, wanted = queue.popleft()
            if queue:
                self._waiting[following] = queue  # behind all others
            if turn.cancelled():  # it is about to leave
                self._free_places(following, wanted)
            else:
                turn.set_result(None)

    def _leave(self, owner: str, turn: "asyncio.Future[None]", pictures: int) -> None:
        """Take a cancelled generation out of the queue; one whose turn came in the same moment gives it back."""
        if not turn.cancelled():
            self.give_back(owner, pictures)
            return
        queue = self._waiting.get(owner, deque())
        if (turn, pictures) in queue:
            queue.remove((turn, pictures))
        if not queue:
            self._waiting.pop(owner, None)

    def _free_places(self, owner: str, pictures: int) -> None:
        self._at_work[owner] -= pictures
        if not self._at_work[owner]:
            del self._at_work[owner]

    def _begin_next(self, owner: str) -> bool:
        """Take the places that the next of this owner's queue needs; return False where there are none."""
        return self._take_places(owner, self._waiting[owner][0][1])

    def _share(self, limit: float) -> float:
        """Return the part of a limit that this replica has. Each draws one picture at a time at least."""
        return limit if math.isinf(limit) else max(1.0, limit // self._replica.living)

    def _take_places(self, owner: str, pictures: int) -> bool:
        """Take places at work for so many pictures of this owner; return False where there are none."""
        limits = self._allowances.each(GENERATIONS_AT_ONCE, owner), self._allowances.overall(GENERATIONS_AT_ONCE)
        own, everybodys = self._at_work.get(owner, 0), self.at_work
        each, overall = map(self._share, limits)
        if (own and own + pictures > each) or (everybodys and everybodys + pictures > overall):
            return False
        self._at_work[owner] = own + pictures
        return True


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Asks image services."""

    store: Store
    retries: int
    prompt_suffix: str
    turns: Turns = field(default_factory=Turns)
    replica: Replica = field(default_factory=Replica)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    def reserve(self, owner: str, request: ImageRequest, upstream: Upstream | None) -> Part | None:
        """Take the turn of a request that can be asked as it is, in one part; None for one that waits or is prepared.

        Its job begins with its pictures marked as asked for.
        """
        if upstream is None or request.references or request.count > max(1, request.native_count):
            return None
        if not self.turns.take_at_once(owner, request.count):
            return None
        return Part(count=request.count, request=request, has_turn=True, charged=upstream.charges)

    async def take_turn(self, owner: str, part: Part, progress: Progress) -> bool:
        """Take the turn of a part, unless it has it; `give_back` ends it. Return whether it had to be waited for."""
        if part.has_turn:
            return False
        waited = await self.turns.take(owner, progress, part.count)
        part.has_turn = True
        return waited

    def give_back(self, owner: str, part: Part) -> None:
        """End the turn of a part, if it has one."""
        if part.has_turn:
            part.has_turn = False
            self.turns.give_back(owner, part.count)

    async def ask(  # noqa: PLR0913, PLR0917 - the part with all that stands around it
        self, job: Job, parts: Parts, part: Part, upstream: Upstream, running: RunningJob, progress: Progress
    ) -> Sequence[Picture] | RemoteTask:
        """Ask for the pictures of a part. Raises `WorkError` after the last try.

        A part whose turn comes after the key or the quota failed another one fails alike, and is not asked for.
        """
        assert part.request is not None, "a part that was asked for before is followed"  # noqa: S101 - ours
        prompt = "\n".join(filter(None, (part.request.prompt, self.prompt_suffix)))
        sent, attempt = replace(part.request, prompt=prompt), 0
        while True:
            _check_others(parts)
            if upstream.charges and self.replica.shares:
                await self.replica.check()  # one that was stopped for long, and wakes, finds its job at another
            if upstream.charges and not part.charged:
                await self._mark_asked(job, parts, part)
                _check_others(parts)
            running.asked += 1
            try:
                return await _generate(upstream, sent, progress)
            except WorkError as error:
                attempt += 1
                if attempt > min(error.retries, self.retries):
                    raise
                running.asked -= 1
                # A cancellation during the pause costs nothing.
                await finish_despite_cancel(self.take_back(job, parts, part))
                pause_s = min(error.retry_after_s * 2 ** (attempt - 1), LONGEST_PAUSE_S)
                logger.info("%s: %s; attempt %d follows in %.1f s", upstream.name, error.kind, attempt + 1, pause_s)
                await running.report(f"{error.fact} {ORDINALS[attempt]} try in {pause_s:.0f} s.")
                await self.pause(pause_s)

    async def take_back(self, job: Job, parts: Parts, part: Part) -> None:
        """Note that the image service charges nothing for a part until it is asked again."""
        async with parts.marking:
            if part.charged:
                await self.store.mark_submitted(job, parts.charged - part.count)
                part.charged = False

    async def _mark_asked(self, job: Job, parts: Parts, part: Part) -> None:
        """Note that the image service is being asked; a cancellation that comes meanwhile takes that back."""
        marking = asyncio.ensure_future(self._mark(job, parts, part))
        try:
            await asyncio.shield(marking)
        except asyncio.CancelledError:
            with contextlib.suppress(WorkError):  # the disk: then it counts as one that may be charged
                await finish_despite_cancel(self._undo(job, parts, part, marking))
            raise

    async def _mark(self, job: Job, parts: Parts, part: Part) -> None:
        async with parts.marking:
            part.charged = True  # also where the answer of the database is lost
            await self.store.mark_submitted(job, parts.charged)

    async def _undo(self, job: Job, parts: Parts, part: Part, marking: asyncio.Future[None]) -> None:
        await marking
        await self.take_back(job, parts, part)


def _check_others(parts: Parts) -> None:
    """Raise the failure of another part that this one would meet, too; it costs nothing, as it is not asked for."""
    failed = next((each.error for each in parts.each if each.error is not None and each.error.kind in OF_ALL), None)
    if failed is not None:
        raise WorkError(str(failed), kind=failed.kind, setting=failed.setting)


async def _generate(upstream: Upstream, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
    try:
        async with deadline(upstream.deadline_s):
            return await upstream.generate(request, progress)
    except TimeoutError as late:
        raise WorkError(
            f"{upstream.name} gave no picture within {upstream.deadline_s:.0f} seconds, and the wait was "
            f"ended. {MAY_BE_CHARGED}\nTry again later, or with another model.",
            kind="timeout",
            may_be_charged=upstream.charges,
            setting="EASEL_UPSTREAM_TIMEOUT_S",
        ) from late


class RedactedUpstream(Upstream):
    """Hands calls on to one image service, and its words back without secrets."""

    def __init__(self, upstream: Upstream, redactor: Redactor) -> None:
        """Wrap `upstream`, which stays as it is."""
        self.name = upstream.name  # type: ignore[misc]  # a class variable of every service but this
        self.charges = upstream.charges  # type: ignore[misc]  # likewise
        self.deadline_s = upstream.deadline_s
        self._upstream = upstream
        self._redactor = redactor

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        """Return the service's pictures or task."""
        with self._errors_redacted():
            made = await self._upstream.generate(request, self._redactor.cleaned(progress))
        return RemoteTask(self._clean(made.id)) if isinstance(made, RemoteTask) else self._clean_pictures(made)

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        """Return the pictures of the service's task."""
        with self._errors_redacted():
            return self._clean_pictures(await self._upstream.follow(task, self._redactor.cleaned(progress)))

    async def fetch_again(self, source: str) -> bytes:
        """Return the bytes of a picture that the service gave before."""
        with self._errors_redacted():
            return await self._upstream.fetch_again(source)

    def reference_types(self, model: str) -> Collection[str]:
        """Return the media types that the service takes."""
        return self._upstream.reference_types(model)

    def describe(self) -> str:
        """Return the service's name and its URL."""
        return self._clean(self._upstream.describe())

    async def offers(self) -> Offers | None:
        """Return the service's models."""
        with self._errors_redacted():
            offers = await self._upstream.offers()
        if offers is None:
            return None
        images, others = tuple(map(self._clean, offers.images)), frozenset(map(self._clean, offers.others))
        return replace(offers, images=images, others=others)

    def _clean(self, text: str) -> str:
        return self._redactor.clean(visible(text)) if text else text

    def _clean_pictures(self, pictures: list[Picture]) -> list[Picture]:
        return [replace(each, note=self._clean(each.note), source=self._clean(each.source)) for each in pictures]

    @contextmanager
    def _errors_redacted(self) -> Iterator[None]:
        try:
            yield
        except WorkError as error:
            error.args = (self._clean(str(error)),)
            error.task = self._clean(error.task)
            error.links = tuple(map(self._clean, error.links))
            raise
