"""The OpenAI Images API, and services that speak it.

It is synchronous and has no task id: an answer that is lost was paid for all the same. So arguments that the model does
not take are refused before anything is sent, and partial pictures keep the connection alive and show progress.

Answers: streaming, `image_generation.partial_image` and `.completed` events, or `image_edit.…`; else one body with
`data`. Relays leave out the names of events or their `type`, give `url` in place of `b64_json`, add `[DONE]`, or answer
with one body though a stream was asked for. A partial picture is never the result.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

import aiohttp

from service.images import ImageRequest, Picture, Progress
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.upstreams.answer import Event, ImageAnswer, listen
from service.upstreams.base import Offers, RemoteTask
from service.upstreams.error_body import reported_error
from service.upstreams.errors import UpstreamError, read_start, request_to, upstream_error
from service.upstreams.http import SUCCESSES, HttpUpstream, ask_models, looks_like_images, task_of
from service.upstreams.image_sources import Source, in_field, in_text
from service.upstreams.kinds import Kind
from service.upstreams.openai_request import (
    EDITS,
    PARTIALS,
    Draft,
    amended,
    by_url,
    draft,
    encoded,
    refuses_transparency,
)
from service.upstreams.openai_rules import family_of

LISTS: Final = ("data", "images")
"""The fields that list the pictures: `data` of OpenAI, `images` of SiliconFlow and its kin."""


logger = logging.getLogger(__name__)


class ImagesAnswer(ImageAnswer[int]):
    """One answer with `expected` pictures. Its steps are the numbers of partial pictures, from 0."""

    def __init__(self, expected: int) -> None:
        """Begin an answer."""
        super().__init__()
        self._expected = expected
        self._completed = 0
        self._has_list = False
        self._partials = 0
        self._pictures: list[Source] = []

    def _find_pictures(self) -> list[Source]:
        """Return the pictures, each once, in order."""
        return list(dict.fromkeys(self._pictures))

    def _explain_nothing(self) -> UpstreamError:
        """Return the error: a list without a picture, or an answer that ended before its picture."""
        if self._has_list:
            return UpstreamError(Kind.NO_IMAGE, self.text, detail="(Its list of pictures holds none.)")
        if self._completed:
            return UpstreamError(Kind.NO_IMAGE, detail="(It says that the picture is complete, and holds none.)")
        if self._partials or self.is_unreadable or not self.text:
            return UpstreamError(Kind.LOST, detail="(Its answer ended before the picture was complete.)")
        return UpstreamError(Kind.NO_IMAGE, self.text)

    def end(self) -> list[int]:
        """Read what the end of the answer completes, a body that is plain text among it."""
        steps = super().end()
        self._pictures += list(in_field(self.text)) or in_text(self.text)
        return steps

    def _read(self, event: Event) -> list[int]:
        match event.value:
            case {**fields}:
                return self._step(fields, _kind(event.name, fields))
            case [*items]:
                self._pictures += in_field(items)
        return []

    def _step(self, fields: Mapping[object, object], kind: str) -> list[int]:
        if kind == "partial_image":
            index = fields.get("partial_image_index")
            self._partials += 1
            return [index if isinstance(index, int) else self._partials - 1]
        found = list(in_field(fields))
        self._pictures += found
        lists = [items for name in LISTS if isinstance(items := fields.get(name), list)]
        self._has_list |= bool(lists)
        if kind == "completed" or (found and not lists):
            self._complete_one()
        elif not found and kind == "error":
            self._fail(upstream_error(200, {"error": fields}))
        elif not found and (error := _error_of_one(lists)) is not None:
            self._fail(upstream_error(200, error))
        elif not found:
            self._explain_later(fields)
        return []

    def _complete_one(self) -> None:
        """Count a complete picture. There may be more than were asked for, but none was promised."""
        self._completed += 1
        self.is_finished = True
        self.is_complete |= self._completed >= self._expected


def _error_of_one(lists: list[list[object]]) -> dict[str, object] | None:
    """Return the error that stands in the place of a picture: Volcengine Ark reports a failure for each of them."""
    errors = (reported_error(item) for items in lists for item in items if isinstance(item, dict))
    return next((error for error in errors if error is not None), None)


def _kind(name: str, fields: Mapping[object, object]) -> str:
    """Return the last part of an event's type; for an event without any, the one that its fields mean."""
    type_ = fields.get("type")
    kind = (type_ if isinstance(type_, str) else name).rpartition(".")[2]
    return "partial_image" if not kind and "partial_image_index" in fields else kind


OFFICIAL: Final = "api.openai.com"
MOST_TRIES: Final = 4
"""Requests for one picture, each but the last one refused for its form."""

REFUSED: Final = frozenset({400, 422})
NO_ROUTE: Final = frozenset({404, 405, 501})
NO_EDITS: Final = (
    "It cannot start from pictures, since it has no `images/edits`: leave the reference pictures out, or choose "
    "another model."
)
"""Of Volcengine Ark and other services (CherryHQ/cherry-studio #18537)."""

TASK_ROUTES: Final[Mapping[str, str]] = {"async": "{path}/async", "tasks": "images/tasks"}
"""Routes that answer with a task at once, by the value of OPENAI_ASYNC: those of sub2api, and that of SVRouter."""

NO_TASKS: Final = "openai has no route %s, so it is asked for the picture itself: turn OPENAI_ASYNC off"

WITHOUT_ROUTE_S: Final = 3600.0
"""Seconds in which a route for tasks that was not there is not asked again: a gateway may get it by an upgrade."""

NO_TRANSPARENCY: Final = (
    "It draws no transparent background with this model here, and nothing was charged: leave `background` out, or "
    "choose another model."
)
"""The preview of gpt-image-2 is not open to every account, and many relays do not have it."""


class OpenAiUpstream(HttpUpstream):
    """One Images API."""

    name: ClassVar[str] = "openai"
    title: ClassVar[str] = "OpenAI Images API"

    def __init__(  # noqa: PLR0913 - each is a fact of the service that only its settings know
        self,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        *,
        max_file_bytes: int,
        timeouts: Timeouts = TIMEOUTS,
        streams: bool | None = None,
        task_routes: str = "",
    ) -> None:
        """Reach one server, as `HttpUpstream` does. `streams`: it is known to stream pictures; None: by its host.

        A stream is asked for only where it is known to work: LiteLLM draws, charges, and then fails to stream.
        `task_routes`, a key of `TASK_ROUTES`, asks for tasks: then a proxy that ends long requests loses no picture.
        """
        super().__init__(session, endpoint, max_file_bytes=max_file_bytes, timeouts=timeouts)
        self._streams = self._base.host == OFFICIAL if streams is None else streams
        self._task_route = TASK_ROUTES.get(task_routes, "")
        self.without_route_s = WITHOUT_ROUTE_S
        self._missing_until: dict[str, float] = {}
        """Times of the event loop until which routes for tasks are taken to be missing, by the routes."""

    async def offers(self) -> Offers:
        """Return the models whose names look like image models. Relays may have more than they list."""
        with request_to(self.service, paid=False):
            listed = await ask_models(self._session, self._base / "models", self._key)
        images = tuple(id_ for id_ in listed if looks_like_images(id_))
        return Offers(images=images, others=frozenset(listed) - set(images), complete=self._base.host == OFFICIAL)

    def reference_types(self, model: str) -> Collection[str]:
        """Return the types that the model's family takes."""
        return family_of(model).reference_types

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        """Draw the pictures, from references where there are any. A gateway may answer with a task."""
        readable = await self._readable(request)
        wanted = draft(readable, streams=self._streams, task_route=self._task_route)
        if self._missing_until.get(wanted.route, 0.0) > asyncio.get_running_loop().time():
            wanted = draft(readable, streams=self._streams)
        await progress(f"Asking {request.model} for a picture", 0)
        try:
            answer, left_out = await self._ask(wanted, request.count, progress)
        except UpstreamError as error:
            return task_of(error)
        note = f"The service does not know {left_out}, and drew without it." if left_out else ""
        return await self._pictures_of(answer, progress, note)

    async def _readable(self, request: ImageRequest) -> ImageRequest:
        """Return the request with its references as bytes, unless the service reads them all by their URLs."""
        return request if by_url(request) else await self._with_bytes(request)

    async def _ask(self, wanted: Draft, count: int, progress: Progress) -> tuple[ImagesAnswer, str]:
        """Send the request, amended as refusals want it. Return the parameters that it had to go without, too."""
        left_out: list[str] = []
        for tries_left in reversed(range(MOST_TRIES)):
            answer = ImagesAnswer(count)
            better = await self._send(wanted, answer, progress, may_amend=tries_left > 0)
            if better is None:
                break
            wanted, unknown = better
            left_out += [unknown] if unknown else []
        return answer, ", ".join(left_out)

    async def _send(
        self, wanted: Draft, answer: ImagesAnswer, progress: Progress, *, may_amend: bool
    ) -> tuple[Draft, str] | None:
        """Send one request and read the whole answer, or return what `amended` makes of a refusal."""

        async def tell(partials: Sequence[int]) -> None:
            partial = partials[-1]
            percent = min(100.0 * (partial + 1) / (PARTIALS + 1), 95.0)
            await progress(f"Partial picture {partial + 1} of {PARTIALS}", percent)

        async with self._post(wanted.route, encoded(wanted), silence_s=self._timeouts.silence_s) as response:
            if response.status in SUCCESSES:
                await listen(response, answer, tell, self._timeouts.linger_s)
                return None
            body = await read_start(response)
            if response.status in NO_ROUTE and wanted.task_route:
                logger.warning(NO_TASKS, wanted.route)
                self._missing_until[wanted.route] = asyncio.get_running_loop().time() + self.without_route_s
                return replace(wanted, task_route=""), ""
            if response.status in NO_ROUTE:
                self._missing_until.clear()  # it may be the model that is not there, and not the route for tasks
            better = amended(wanted, body) if may_amend and response.status in REFUSED else None
            if better is None:
                error = upstream_error(response.status, body, response.headers)
                raise _refusal(wanted, error, response.status, clear=refuses_transparency(wanted, body))
            return better


def _refusal(wanted: Draft, error: UpstreamError, status: int, *, clear: bool) -> UpstreamError:
    """Return the error of a refusal; it has other words where the service has no route for references.

    `clear`: it refuses the transparent background.
    """
    if clear and error.kind in {Kind.BAD_REQUEST, Kind.MODEL}:
        return UpstreamError(Kind.BAD_REQUEST, detail=NO_TRANSPARENCY)
    if wanted.path == EDITS and status in NO_ROUTE and error.kind in {Kind.ADDRESS, Kind.BAD_REQUEST}:
        return UpstreamError(Kind.BAD_REQUEST, detail=NO_EDITS)
    return error
