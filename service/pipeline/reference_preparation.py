"""References and mask on their way to an image service: in the form in which the model takes them.

Each reference is converted once, whatever number of requests and retries follows. A mask goes in one of two ways:

- "alpha": as a PNG of the first reference's size, transparent where that is to change, which is a PNG then, too;
- "marked": the model gets a copy of the first reference with the region marked, as the last of its pictures, so that
  the numbers of the others stay as the prompt has them, and words that say what the mark is for.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from service.images import ImageRequest, Reference, ReferenceRules, WorkError
from service.pictures.library import Pictures
from service.pictures.messages import BadPictureError, ConvertedPicture

NOT_CHARGED: Final = "Nothing was charged."

MASK_TYPES: Final = ("image/png",)
MASK_BYTES: Final = 4_000_000
"""Largest mask that OpenAI's edits take (API reference, "Create image edit")."""

MARKED: Final = (
    "The last picture is a copy of the first one, on which a region is marked in {colour}. Apply the request to that "
    "region of the first picture alone. Keep everything outside of it exactly as it is in the first picture, with the "
    "same framing, and leave no trace of the marking."
)


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
