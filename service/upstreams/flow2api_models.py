"""The models of Flow2API: full ids with shape and resolution in the name, and generic names with parameters.

A full id, such as gemini-3.1-flash-image-four-three-2k, ignores parameters silently; a generic name, such as
gemini-3.1-flash-image, draws a landscape for every ratio that it does not know, and servers before 2026-03-14 have no
generic names at all. So a shape is asked for by the full id when the server lists it, and by
parameters only where nothing better is known; what would be ignored is refused before it costs anything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.images import ImageRequest
from service.upstreams.base import Offers
from service.upstreams.errors import UpstreamError
from service.upstreams.kinds import Kind

SHAPES: Final[Mapping[str, str]] = {
    "16:9": "-landscape",
    "9:16": "-portrait",
    "1:1": "-square",
    "4:3": "-four-three",
    "3:4": "-three-four",
}
SIZES: Final[Mapping[str, str]] = {"1K": "", "2K": "-2k", "4K": "-4k"}
USUAL_SHAPE: Final = "16:9"
"""What the server draws when nothing says otherwise."""

FULL_ID: Final = re.compile(rf"(?P<name>.+)(?P<shape>{'|'.join(SHAPES.values())})(?P<size>-2k|-4k)?")
PICTURES: Final = "Image generation"
"""How a description begins, since there are some."""

IMAGE_IDS: Final = re.compile(r"gemini-[0-9.]+-[a-z-]*image|imagen-")
"""Image models of servers that describe nothing; veo_* and others are video."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The ids of one server: the image models of `/v1/models`, its generic names, and the ids of all else."""

    ids: tuple[str, ...] = ()
    generic: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    @property
    def offers(self) -> Offers:
        """The same in the words of the contract."""
        return Offers(images=tuple(dict.fromkeys(self.generic + self.ids)), others=self.others)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How to ask for a picture: the model, and parameters for a generic name."""

    model: str
    aspect_ratio: str | None = None
    image_size: str | None = None

    def parameters(self) -> dict[str, Any]:
        """The parameters in both forms, as servers of different age read the one or the other first."""
        top = {"aspect_ratio": self.aspect_ratio, "image_size": self.image_size}
        nested = {"aspectRatio": self.aspect_ratio, "imageSize": self.image_size}
        if not any(top.values()):
            return {}
        return _given(top) | {"generationConfig": {"imageConfig": _given(nested)}}


def listed_by(models: Mapping[str, str], aliases: Mapping[str, str]) -> Listed:
    """Sort what the two routes list by what it draws."""
    everything = {**models, **aliases}
    pictures = {id_ for id_, words in everything.items() if draws(id_, words)}
    return Listed(
        ids=tuple(id_ for id_ in models if id_ in pictures),
        generic=tuple(id_ for id_ in aliases if id_ in pictures),
        others=frozenset(everything.keys() - pictures),
    )


def draws(id_: str, description: str) -> bool:
    """Whether a listed model is one for images."""
    return description.startswith(PICTURES) if description else IMAGE_IDS.match(id_) is not None


def how_to_ask(request: ImageRequest, listed: Listed | None) -> Asked:
    """Find the model and parameters that give what is asked for. Raise `UpstreamError` when nothing does.

    `listed` is None when nobody knows what the server has. A name that a server lists neither as generic nor with
    endings is not Flow2API's, and its gateway may know other ratios than Flow2API does.
    """
    full = FULL_ID.fullmatch(request.model)
    if full:
        _refuse_conflicts(request, full)
        return Asked(model=request.model)
    by_parameters = Asked(model=request.model, aspect_ratio=request.aspect_ratio, image_size=request.resolution)
    if listed is None:
        return by_parameters
    has = [id_ for id_ in listed.ids if (match := FULL_ID.fullmatch(id_)) and match["name"] == request.model]
    if not has and request.model not in listed.generic:
        return by_parameters
    _refuse_unknown("aspect_ratio", request.aspect_ratio, SHAPES)
    _refuse_unknown("resolution", request.resolution, SIZES)
    wanted = full_id(request)
    if has and wanted not in has:
        raise _refused(f"The server has no {wanted}, only {', '.join(has[:20])}.")
    if request.model in listed.generic and (request.aspect_ratio is None or not has):
        return by_parameters  # without a ratio the server takes the shape of the first reference
    return Asked(model=wanted)


def is_full_id(model: str) -> bool:
    """Whether a model is asked for as it stands, whatever the server lists."""
    return FULL_ID.fullmatch(model) is not None


def guess(request: ImageRequest) -> Asked:
    """What to try when a server does not know a name and lists nothing: older ones have only full ids."""
    known = IMAGE_IDS.match(request.model) and not is_full_id(request.model)
    shaped = (request.aspect_ratio or USUAL_SHAPE) in SHAPES and (request.resolution or "1K") in SIZES
    return Asked(model=full_id(request)) if known and shaped else how_to_ask(request, None)


def full_id(request: ImageRequest) -> str:
    """The full id that a generic name, a shape and a resolution mean."""
    return request.model + SHAPES[request.aspect_ratio or USUAL_SHAPE] + SIZES[request.resolution or "1K"]


def _refuse_unknown(argument: str, value: str | None, known: Mapping[str, str]) -> None:
    """Flow2API takes a ratio that it does not know silently for landscape, and a size for 1K."""
    if value is not None and value not in known:
        raise _refused(f"`{argument}` is {value[:20]!r}; Flow2API knows {', '.join(known)}.")


def _refuse_conflicts(request: ImageRequest, full: re.Match[str]) -> None:
    """A full id ignores parameters silently, so these may only repeat what it says itself."""
    for argument, value, known, own in (
        ("aspect_ratio", request.aspect_ratio, SHAPES, full["shape"]),
        ("resolution", request.resolution, SIZES, full["size"] or ""),
    ):
        if value is not None and known.get(value) != own:
            raise _refused(
                f"`{argument}` is {value[:20]!r}, but {request.model} has its own in its name: "
                f"leave the argument out, or use the model {full['name']}."
            )


def _refused(why: str) -> UpstreamError:
    return UpstreamError(Kind.BAD_REQUEST, detail=f"({why} Nothing was charged.)")


def _given(fields: Mapping[str, str | None]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
