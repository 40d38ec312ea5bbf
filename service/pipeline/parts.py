"""The parts of a job: one for each request to its image service, which together draw the pictures of one call.

A service that draws several pictures for one request gets as many as it can in one; the rest are requests side by side,
as 3, 3 and 2 where eight are wanted and three is the most. Each part is paid, retried and written down by itself, so
that one which fails leaves the others as they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service.images import Failure, ImageRequest, KeptPicture, Picture, WorkError

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

ENDED_BY: Final = {"policy": "was refused", "cancelled": "was cancelled", "interrupted": "was interrupted"}
"""Verbs for the pictures that are missing, by the kind of the failure."""


@dataclass(kw_only=True, eq=False)
class Part:
    """One part of a job at work. `request` is None for one that an earlier process asked for.

    `has_turn`: it may be at work now. `charged`: its row counts its pictures as asked for. `left` says why it can only
    be finished later. `came` counts its pictures that are stored, `links` those that are not here yet.
    """

    number: int = 0
    count: int = 1
    request: ImageRequest | None = None
    task: str = ""
    arrived: Sequence[Picture] = ()
    has_turn: bool = False
    charged: bool = False
    ended: bool = False
    percent: float = 0.0
    left: str = ""
    came: int = 0
    links: list[str] = field(default_factory=list)
    error: WorkError | None = None


@dataclass(frozen=True)
class Parts:
    """All parts of a job that are at work. `several`: the job has more than one, here or in an earlier process."""

    each: Sequence[Part]
    several: bool = False

    def is_last(self, part: Part) -> bool:
        """Tell that all other parts have ended."""
        return all(other.ended for other in self.each if other is not part)

    def advance(self, part: Part, percent: float | None) -> float | None:
        """Return how far all parts are, when one of them is so far."""
        if percent is not None:
            part.percent = max(part.percent, percent)
        if not self.several:
            return percent
        total = sum(each.count for each in self.each)
        return sum((100.0 if each.ended else each.percent) * each.count for each in self.each) / total

    def failure(self, count: int) -> WorkError | None:
        """Return the failure of a job none of whose `count` pictures came; None where no part has failed."""
        errors = [part.error for part in self.each if part.error is not None]
        if not errors:
            return None
        first = errors[0]
        fact, _, rest = str(first).partition("\n")
        same = "for the same reason" if len({error.kind for error in errors}) == 1 else "the first for this reason"
        reason = "\n".join(filter(None, [f"None of the {count} pictures came, {same}: {fact}", rest]))
        failure = WorkError(
            reason,
            kind=first.kind,
            may_be_charged=any(error.may_be_charged for error in errors),
            setting=first.setting,
        )
        return failure.keeping(links=[link for part in self.each for link in part.links])


def split(request: ImageRequest) -> Iterator[Part]:
    """Cut a request into the parts that its model draws in one each.

    The same seed would give the same picture again, so that each further part has the next one.
    """
    left, number = request.count, 0
    while left > 0:
        count = min(left, max(1, request.native_count))
        seed = None if request.seed is None else request.seed + number
        yield Part(number=number, count=count, request=replace(request, count=count, seed=seed))
        left, number = left - count, number + 1


def shortfall_text(why: Failure, came: int, count: int) -> str:
    """Say in one line how many of several pictures came, and why the others did not."""
    missing = count - came
    which = f"the {ORDINALS[came]}" if missing == 1 and came < len(ORDINALS) else f"the other {missing}"
    verb = ENDED_BY.get(why.kind, "failed")
    if missing > 1:
        verb = verb.replace("was ", "were ")
    return f"{came} of {count} pictures; {which} {verb}: {why.fact}"


def positions(pictures: Sequence[KeptPicture], part: Part) -> Iterator[tuple[int, KeptPicture]]:
    """Yield the pictures of a part with their numbers among those of the job, counted from 1."""
    for number, picture in enumerate(pictures, start=1):
        if picture.part == part.number:
            yield number, picture
