"""The parameters of each family of OpenAI's image models: a wrong value is refused before anything is sent or paid.

OpenAI API reference, "Create image" and "Create image edit", and the image generation guide. A model of no known family
belongs to another service: its parameters are sent unchecked.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from service.images import ImageRequest, WorkError
from service.upstreams.base import REFERENCE_TYPES

FIXED_SIZES: Final = ("auto", "1024x1024", "1536x1024", "1024x1536")
QUALITIES: Final = ("auto", "low", "medium", "high")
MORE_QUALITIES: Final = (*QUALITIES, "xhigh", "max")
COMPLEXITIES: Final = ("low", "medium", "high")
BACKGROUNDS: Final = ("auto", "transparent", "opaque")
FORMATS: Final = ("png", "jpeg", "webp")
"""SVG, which newer models also draw, is active content and is not kept."""

LARGEST_MASK: Final = 4_000_000
"""Bytes of a mask: a PNG of the size of the first picture, transparent where that is to change."""

STEP: Final = 16
LONGEST_EDGE: Final = 3840
LONGEST_RATIO: Final = 3
FEWEST_PIXELS, MOST_PIXELS = 655_360, 8_294_400
AREAS: Final[Mapping[str, int]] = {"1K": 1024 * 1024, "2K": 2048 * 2048, "4K": MOST_PIXELS}
NEAR: Final = 0.03
"""The deviation up to which a size has an aspect ratio: 1792x1024 counts as 16:9."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family. An empty tuple: the parameter does not exist. `sizes` of None: any size within the limits of `_fits`.

    `known` is false for a family whose parameters are sent unchecked.
    """

    known: bool = True
    sizes: tuple[str, ...] | None = FIXED_SIZES
    qualities: tuple[str, ...] = QUALITIES
    complexities: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = BACKGROUNDS
    formats: tuple[str, ...] = FORMATS
    most_pictures: int = 10
    longest_prompt: int = 32_000
    most_references: int = 16
    largest_reference: int = 50_000_000
    reference_types: tuple[str, ...] = REFERENCE_TYPES
    modern: bool = True
    """It streams partial pictures, takes references as URLs in JSON, and answers `response_format` with an error."""


GPT_IMAGE_1: Final = Family()
GPT_IMAGE_2: Final = Family(sizes=None)
GPT_IMAGE_2_5: Final = Family(sizes=None, qualities=MORE_QUALITIES)
GPT_IMAGE_2_6: Final = Family(
    sizes=None, qualities=MORE_QUALITIES, complexities=COMPLEXITIES, formats=(*FORMATS, "gif")
)
GPT_IMAGE_LATER: Final = Family(known=False)
DALL_E_2: Final = Family(
    sizes=("256x256", "512x512", "1024x1024"),
    qualities=(),
    backgrounds=(),
    formats=(),
    longest_prompt=1000,
    most_references=1,
    largest_reference=4_000_000,
    reference_types=("image/png",),
    modern=False,
)
DALL_E_3: Final = Family(
    sizes=("1024x1024", "1792x1024", "1024x1792"),
    qualities=("standard", "hd"),
    backgrounds=(),
    formats=(),
    most_pictures=1,
    longest_prompt=4000,
    most_references=0,
    modern=False,
)
UNKNOWN: Final = Family(known=False, modern=False)

FAMILIES: Final = (
    (re.compile(r"gpt-image-1(\.\d+)?(-mini)?|chatgpt-image-latest"), GPT_IMAGE_1),
    (re.compile(r"gpt-image-2"), GPT_IMAGE_2),
    (re.compile(r"gpt-image-2\.5-[a-z]+"), GPT_IMAGE_2_5),
    (re.compile(r"gpt-image-2\.6-[a-z]+"), GPT_IMAGE_2_6),
    (re.compile(r"gpt-image-.+"), GPT_IMAGE_LATER),
    (re.compile(r"dall-e-2"), DALL_E_2),
    (re.compile(r"dall-e-3"), DALL_E_3),
)
DATE: Final = re.compile(r"-20\d\d-\d\d-\d\d\Z")


class UnsuitableError(WorkError):
    """An argument does not suit the model; nothing was sent."""

    def __init__(self, argument: str, value: object, model: str, right: str) -> None:
        """Name the argument, its value, and the values that would be right."""
        super().__init__(
            f"{argument} {str(value)[:100]!r} does not suit {model}: {right}. Nothing was sent, and nothing charged.",
            kind="bad_request",
        )


def family_of(model: str) -> Family:
    """Return the family of a model id. Relays write the maker before it, and a version ends in its date."""
    name = DATE.sub("", model.rpartition("/")[2].lower())
    return next((family for pattern, family in FAMILIES if pattern.fullmatch(name)), UNKNOWN)


def check(request: ImageRequest, family: Family) -> None:
    """Raise `UnsuitableError` for the first argument that does not suit the family."""
    if not family.known:
        return
    for argument, value, suits, right in _arguments(request, family):
        if value is not None and not suits:
            raise UnsuitableError(argument, value, request.model, right)
    _check_references(request, family)


def size_of(request: ImageRequest, family: Family) -> str | None:
    """Return the size: as it was asked for, or from aspect ratio and resolution. Raise `UnsuitableError`."""
    if request.size is not None or not family.known:
        return request.size
    if request.aspect_ratio is None and request.resolution in {None, "1K"}:
        return None
    if family.sizes is None:
        return _free_size(request)
    if request.resolution not in {None, "1K"}:
        raise UnsuitableError("resolution", request.resolution, request.model, "it draws 1K only")
    ratio = _ratio(request)
    sizes = [each for each in family.sizes if (pixels := _pixels(each)) and _is_near(pixels, ratio)]
    if not sizes:
        ratios = tuple(_ratio_of(pixels) for each in family.sizes if (pixels := _pixels(each)))
        right = f"use {_listed(tuple(dict.fromkeys(ratios)))}, or leave it out"
        raise UnsuitableError("aspect_ratio", request.aspect_ratio, request.model, right)
    return sizes[-1]


def _arguments(request: ImageRequest, family: Family) -> Iterator[tuple[str, object, bool, str]]:
    """Yield each argument, its value, whether it suits, and the values that would."""
    prompt = f"of {len(request.prompt)} characters"
    yield "prompt", prompt, len(request.prompt) <= family.longest_prompt, f"up to {family.longest_prompt} characters"
    most = family.most_pictures
    yield "count", request.count, 1 <= request.count <= most, f"it draws up to {most} pictures at a time"
    if family.sizes is None:
        yield "size", request.size, _fits(request.size), FREE_SIZES
    else:
        yield "size", request.size, request.size in family.sizes, f"use {_listed(family.sizes)}"
    for argument, value, choices in (
        ("quality", request.quality, family.qualities),
        ("complexity", request.complexity, family.complexities),
        ("background", request.background, family.backgrounds),
        ("output_format", request.output_format, family.formats),
    ):
        yield argument, value, value in choices, f"use {_listed(choices)}" if choices else "it takes none"
    if request.background == "transparent":
        opaque = request.output_format not in {None, "png", "webp"}
        yield "output_format", request.output_format, not opaque, "a transparent background needs png or webp"
    for argument, nothing in (
        ("negative_prompt", request.negative_prompt),
        ("seed", request.seed),
        ("steps", request.steps),
        ("guidance", request.guidance),
        ("loras", request.loras and ", ".join(request.loras)),
    ):
        yield argument, nothing, False, "it takes none; say it in the prompt, or leave it out"


def _check_references(request: ImageRequest, family: Family) -> None:
    references, most = request.references, family.most_references
    if len(references) > most:
        right = f"it takes up to {most}" if most else "it only draws new pictures, without references"
        raise UnsuitableError("the number of reference pictures", len(references), request.model, right)
    if request.mask is not None and len(request.mask.data) > LARGEST_MASK:
        right = f"up to {LARGEST_MASK} bytes"
        raise UnsuitableError("the size of the mask", len(request.mask.data), request.model, right)
    if references and request.output_format == "gif":
        raise UnsuitableError("output_format", "gif", request.model, "it cannot be made from references")
    for reference in references:
        if reference.data and reference.media_type not in family.reference_types:
            right = f"use {_listed(family.reference_types)}"
            raise UnsuitableError("the type of a reference picture", reference.media_type, request.model, right)
        if len(reference.data) > family.largest_reference:
            right = f"up to {family.largest_reference} bytes"
            raise UnsuitableError("the size of a reference picture", len(reference.data), request.model, right)


FREE_SIZES: Final = (
    "use auto or WIDTHxHEIGHT, both multiples of 16, at most 3840 and 3:1, "
    f"from {FEWEST_PIXELS} to {MOST_PIXELS} pixels in all, such as 1536x1024"
)


def _fits(size: str | None) -> bool:
    pixels = _pixels(size or "")
    if pixels is None:
        return size == "auto"
    width, height = pixels
    return (
        width % STEP == height % STEP == 0
        and max(pixels) <= min(LONGEST_EDGE, LONGEST_RATIO * min(pixels))
        and FEWEST_PIXELS <= width * height <= MOST_PIXELS
    )


def _free_size(request: ImageRequest) -> str:
    """Return the largest size of the resolution that has the ratio."""
    ratio = _ratio(request)
    if not 1 / LONGEST_RATIO <= ratio <= LONGEST_RATIO:
        raise UnsuitableError("aspect_ratio", request.aspect_ratio, request.model, "up to 3:1 and 1:3")
    area = AREAS.get(request.resolution or "1K")
    if area is None:
        raise UnsuitableError("resolution", request.resolution, request.model, f"use {_listed(tuple(AREAS))}")
    slimness = max(ratio, 1 / ratio)
    longer = min(math.sqrt(area * slimness), LONGEST_EDGE)
    shorter = int(longer / slimness // STEP * STEP)
    longer = min(int(longer // STEP * STEP), shorter * LONGEST_RATIO)
    return f"{longer}x{shorter}" if ratio > 1 else f"{shorter}x{longer}"


def _ratio(request: ImageRequest) -> float:
    found = re.fullmatch(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})", request.aspect_ratio or "1:1")
    if found is None:
        raise UnsuitableError("aspect_ratio", request.aspect_ratio, request.model, "use WIDTH:HEIGHT, such as 3:2")
    return int(found[1]) / int(found[2])


def _pixels(size: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", size)
    return (int(found[1]), int(found[2])) if found else None


def _ratio_of(pixels: tuple[int, int]) -> str:
    divisor = math.gcd(*pixels)
    return f"{pixels[0] // divisor}:{pixels[1] // divisor}"


def _is_near(pixels: tuple[int, int], ratio: float) -> bool:
    return abs(pixels[0] / pixels[1] / ratio - 1) <= NEAR


def _listed(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
