"""The models of Flow2API: full ids with shape and resolution in the name, and generic names with parameters.

A full id, such as gemini-3.1-flash-image-four-three-2k, ignores parameters silently; a generic name, such as
gemini-3.1-flash-image, draws a landscape for every ratio that it does not know, and servers before 2026-03-14 have no
generic names at all. So a shape is asked for by the full id when the server lists it, and by parameters only where
nothing better is known; arguments that would be ignored are refused before they cost anything.

The list of a server is asked for when it is first needed, and kept. It is a help, never a condition: while it cannot be
had, generations go on without, and it is not asked for again for a while.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from service.images import ImageRequest, WorkError
from service.upstreams.base import Offers
from service.upstreams.errors import Service, UpstreamError, request_to
from service.upstreams.http import ask_models
from service.upstreams.kinds import Kind

logger = logging.getLogger(__name__)

WAIT_S: Final = 5.0
"""The longest that a generation waits for the list."""

AGAIN_S: Final = 60.0
"""The time during which no generation asks again for a list that failed."""

NO_SUCH_ROUTE: Final = frozenset({Kind.ADDRESS, Kind.BAD_REQUEST, Kind.MODEL})
"""The kinds that a 404 or 405 becomes, depending on its words."""

SHAPES: Final[Mapping[str, str]] = {
    "16:9": "-landscape",
    "9:16": "-portrait",
    "1:1": "-square",
    "4:3": "-four-three",
    "3:4": "-three-four",
}
SIZES: Final[Mapping[str, str]] = {"1K": "", "2K": "-2k", "4K": "-4k"}
USUAL_SHAPE: Final = "16:9"
"""The shape that the server draws by default."""

FULL_ID: Final = re.compile(rf"(?P<name>.+)(?P<shape>{'|'.join(SHAPES.values())})(?P<size>-2k|-4k)?")
PICTURES: Final = "Image generation"
"""The beginning of the description of an image model, on servers that describe their models."""

IMAGE_IDS: Final = re.compile(r"gemini-[0-9.]+-[a-z-]*image|imagen-")
"""Image models of servers without descriptions; veo_* and others are video."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The ids of one server: the image models of `/v1/models`, its generic names, and the ids of all else."""

    ids: tuple[str, ...] = ()
    generic: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    @property
    def offers(self) -> Offers:
        """The lists as a model survey compares them."""
        return Offers(images=tuple(dict.fromkeys(self.generic + self.ids)), others=self.others)


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The model to ask for, with parameters where it is a generic name."""

    model: str
    aspect_ratio: str | None = None
    image_size: str | None = None


def listed_by(models: Mapping[str, str], aliases: Mapping[str, str]) -> Listed:
    """Sort the models of the two routes into image models and others."""
    everything = {**models, **aliases}
    pictures = {id_ for id_, words in everything.items() if draws(id_, words)}
    return Listed(
        ids=tuple(id_ for id_ in models if id_ in pictures),
        generic=tuple(id_ for id_ in aliases if id_ in pictures),
        others=frozenset(everything.keys() - pictures),
    )


def draws(id_: str, description: str) -> bool:
    """Tell whether a listed model is one for images."""
    return description.startswith(PICTURES) if description else IMAGE_IDS.match(id_) is not None


def choose(request: ImageRequest, listed: Listed | None) -> ModelChoice:
    """Choose the model and parameters that draw the request. Raise `UpstreamError` when no listed model does.

    `listed` is None while the server's list is not known. A name that a server lists neither as generic nor with
    endings is not Flow2API's, and its gateway may know other ratios than Flow2API does.
    """
    full = FULL_ID.fullmatch(request.model)
    if full:
        _refuse_conflicts(request, full)
        return ModelChoice(model=request.model)
    by_parameters = ModelChoice(model=request.model, aspect_ratio=request.aspect_ratio, image_size=request.resolution)
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
    return ModelChoice(model=wanted)


def is_full_id(model: str) -> bool:
    """Tell whether a model is a full id, which is asked for as it stands."""
    return FULL_ID.fullmatch(model) is not None


def guess(request: ImageRequest) -> ModelChoice:
    """Choose without a list, for a server that does not know a name: older ones have only full ids."""
    known = IMAGE_IDS.match(request.model) and not is_full_id(request.model)
    shaped = (request.aspect_ratio or USUAL_SHAPE) in SHAPES and (request.resolution or "1K") in SIZES
    return ModelChoice(model=full_id(request)) if known and shaped else choose(request, None)


def full_id(request: ImageRequest) -> str:
    """Return the full id for a generic name, a shape and a resolution."""
    return request.model + SHAPES[request.aspect_ratio or USUAL_SHAPE] + SIZES[request.resolution or "1K"]


def _refuse_unknown(argument: str, value: str | None, known: Mapping[str, str]) -> None:
    """Raise for a value that Flow2API does not know: it would silently draw a landscape, or 1K."""
    if value is not None and value not in known:
        raise _refused(f"`{argument}` is {value[:20]!r}; Flow2API knows {', '.join(known)}.")


def _refuse_conflicts(request: ImageRequest, full: re.Match[str]) -> None:
    """Raise for parameters that differ from the full id, which would silently ignore them."""
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


class ModelList:
    """The list of one server, kept."""

    def __init__(self, session: aiohttp.ClientSession, base: URL, service: Service, *, wait_s: float = WAIT_S) -> None:
        """Know nothing yet of the server at `base`."""
        self._session = session
        self._base = base
        self._service = service
        self._wait_s = wait_s
        self._listed: Listed | None = None
        self._not_before = 0.0
        self._asking = asyncio.Lock()

    async def known(self) -> Listed | None:
        """Return the list, or None while it cannot be had."""
        async with self._asking:
            if self._listed is None and asyncio.get_running_loop().time() >= self._not_before:
                await self._try()
            return self._listed

    async def renewed(self) -> Listed | None:
        """Ask anew, since the kept list was wrong. Return None when the list cannot be had."""
        async with self._asking:
            self._listed = None
            await self._try()
            return self._listed

    async def read(self) -> Listed:
        """Ask the server, and keep its answer. Raise `UpstreamError`."""
        with request_to(self._service, paid=False):
            models = await ask_models(self._session, self._base / "models", self._service.key)
            self._listed = listed_by(models, await self._aliases())
            return self._listed

    async def _aliases(self) -> dict[str, str]:
        """Ask for the generic names. Servers before 2026-03-14 have neither them nor the route (src/api/routes.py)."""
        try:
            return await ask_models(self._session, self._base / "models/aliases", self._service.key)
        except UpstreamError as error:
            if error.kind not in NO_SUCH_ROUTE:
                raise
            return {}

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self.read()
        except (WorkError, TimeoutError) as error:
            self._not_before = asyncio.get_running_loop().time() + AGAIN_S
            why = error.kind if isinstance(error, WorkError) else "timeout"
            logger.info("flow2api: its list of models cannot be had (%s)", why)
