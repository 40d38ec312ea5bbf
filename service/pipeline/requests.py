"""A request on its way to an image service: its fingerprint, its references as the model takes them, and its parts.

1. Two requests with the same fingerprint are the same, and only the first is paid for.
2. Each reference is converted once, whatever number of requests and retries follows. A mask goes in one of two ways:
   "alpha": as a PNG of the first reference's size, transparent where that is to change, which is a PNG then, too;
   "marked": the model gets a copy of the first reference with the region marked, as the last of its pictures, so that
   the numbers of the others stay as the prompt has them, and words that say what the mark is for.
3. A job has a part for each request to its image service, which together draw the pictures of one call. A service that
   draws several pictures for one request gets as many as it can in one; the rest are requests side by side, as 3, 3 and
   2 where eight are wanted and three is the most. Each part is paid, retried and written down by itself, so that one
   which fails leaves the others as they are.
"""

import asyncio
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from service.images import Failure, ImageRequest, KeptPicture, Picture, Reference, ReferenceRules, WorkError
from service.pictures.library import Pictures
from service.pictures.messages import BadPictureError, ConvertedPicture

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

ENDED_BY: Final = {"policy": "was refused", "cancelled": "was cancelled", "interrupted": "was interrupted"}
"""Verbs for the pictures that are missing, by the kind of the failure."""

NOT_CHARGED: Final = "Nothing was charged."

MASK_TYPES: Final = ("image/png",)

MASK_BYTES: Final = 4_000_000
"""Largest mask that OpenAI's edits take (API reference, "Create image edit")."""

MARKED: Final = (
    "The last picture is a copy of the first one, on which a region is marked in {colour}. Apply the request to that "
    "region of the first picture alone. Keep everything outside of it exactly as it is in the first picture, with the "
    "same framing, and leave no trace of the marking."
)


@dataclass(kw_only=True, eq=False)
class Part:
    """One part of a job at work. `request` is None for one that an earlier process asked for.

    `has_turn`: it may be at work now. `charged`: its row may count its pictures as asked for. `left` says why it can
    only be finished later. `came` counts its pictures that are stored, `links` those that are not here yet.
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
    """All parts of a job that are at work. `several`: the job has more than one, here or in an earlier process.

    `marking` is held while the row is told how many pictures are `charged`, so that what is told last is right.
    """

    each: Sequence[Part]
    several: bool = False
    marking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def charged(self) -> int:
        """The pictures that are asked for here, and may be charged."""
        return sum(part.count for part in self.each if part.charged)

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


async def fingerprint_of(owner: str, upstream: str, request: ImageRequest) -> str:
    """Return 64 hexadecimal digits that are the same for two requests of which only the first is paid for.

    They stand for owner, image service, model, prompt, every parameter, and the references in their order: one that we
    keep is known by its name, which its bytes decide; one that the service reads itself by its URL; the bytes of any
    other are hashed in a thread. A mask is known in the same way.
    """
    references = [await _name_of(each) for each in request.references]
    mask = [] if request.mask is None else [await _name_of(request.mask)]
    parameters = {name: value for name, value in request.parameters.items() if name not in ("references", "mask")}
    parts = [owner, upstream, request.model, request.prompt, parameters, references, *mask]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def _name_of(reference: Reference) -> str:
    return reference.name or reference.url or await asyncio.to_thread(_digest, reference)


def _digest(reference: Reference) -> str:
    return hashlib.sha256(reference.data).hexdigest()


async def prepared(pictures: Pictures, owner: str, request: ImageRequest, types: Collection[str]) -> ImageRequest:
    """Return the request with references and mask as its model takes them; `types` are those of its service."""
    rules = request.rules if request.rules.types else replace(request.rules, types=tuple(sorted(types)))
    try:
        # Image generation guide of OpenAI, "Mask requirements": the picture and its mask have the same format.
        png = replace(rules, types=MASK_TYPES) if request.mask and rules.mask == "alpha" else rules
        each_by = [png, *[rules] * (len(request.references) - 1)]
        converted = [
            await _converted(pictures, owner, each, by) for each, by in zip(request.references, each_by, strict=True)
        ]
        sent = replace(request, references=tuple(reference for reference, _ in converted))
        if request.mask is None:
            return sent
        return await _with_mask(pictures, owner, sent, request.mask, converted[0][1])
    except BadPictureError as error:
        problem = f"The mask ({request.mask.origin}) {error.problem}." if request.mask else str(error)
        raise WorkError(f"{problem} {NOT_CHARGED}", kind="reference") from error


async def _converted(
    pictures: Pictures, owner: str, reference: Reference, rules: ReferenceRules
) -> tuple[Reference, ConvertedPicture | None]:
    """Return a reference upright, readable, of a type and size that the model takes; None for one that it reads."""
    if not reference.data:
        return reference, None
    try:
        picture = await pictures.convert(owner, reference, rules)
    except BadPictureError as error:
        problem = f"The reference picture ({reference.origin or reference.name}) {error.problem}. {NOT_CHARGED}"
        raise WorkError(problem, kind="reference") from error
    return replace(reference, data=picture.data, media_type=picture.media_type), picture


async def _with_mask(
    pictures: Pictures, owner: str, request: ImageRequest, mask: Reference, first: ConvertedPicture | None
) -> ImageRequest:
    """Return the request with the mask in the way of its model."""
    if first is None:
        raise WorkError(f"The mask needs the bytes of its picture. {NOT_CHARGED}", kind="reference")
    if request.rules.mask == "marked":
        copy = await pictures.decoders.marked_copy(owner, first.data, mask.data)
        marked = Reference(data=copy.data, media_type="image/jpeg", origin="the marked region")
        prompt = f"{request.prompt}\n\n{MARKED.format(colour=copy.colour)}"
        return replace(request, references=(*request.references, marked), prompt=prompt, mask=None)
    alpha = await pictures.decoders.alpha_mask(owner, mask.data, (first.width, first.height), MASK_BYTES)
    return replace(request, mask=replace(mask, data=alpha.data, media_type=alpha.media_type))
