"""OpenRouter: one key for the image models of many makers.

1. The Image API (`POST /images`) has one form for all models, and tells what a picture cost. A model that it does not
   have is asked by the chat route, from then on at once: nothing is charged for the refusal.
2. Both say `usage.cost` in USD. Comments keep the connection alive while a picture is drawn. An error may come inside
   HTTP 200, with a number as its code and the reasons of a moderation in `metadata`.
3. Ids in `models.json` have `openrouter/` before OpenRouter's own, so that they are told from those of the makers.

openrouter.ai/docs, Image Generation, Errors, Usage Accounting; the fields are those of its SDK (`@openrouter/sdk`).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import ClassVar, Final, TypeVar

import aiohttp

from service.images import ImageRequest, Picture, Progress, Reference
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.upstreams.answer import ImageAnswer, listen
from service.upstreams.base import Offers, RemoteTask
from service.upstreams.chat import ChatAnswer
from service.upstreams.errors import UpstreamError, read_error, request_to
from service.upstreams.fetch import bearer
from service.upstreams.flow2api import messages, openrouter_extras
from service.upstreams.http import LIST_S, SUCCESSES, Body, HttpUpstream, ask_models, json_body, task_of
from service.upstreams.kinds import Kind
from service.upstreams.openai import ImagesAnswer

PREFIX: Final = "openrouter/"

IMAGES: Final = "images"
CHAT: Final = "chat/completions"

PAGE: Final = 500
"""Models on one page of the list; there are fewer that draw, so that the first page is all of it."""

NOT_THERE: Final = frozenset({Kind.MODEL, Kind.ADDRESS})
"""Kinds of a refusal by a route that does not have the model, or is not there."""

Json = dict[str, object]

Step = TypeVar("Step")


class OpenRouterUpstream(HttpUpstream):
    """OpenRouter, or a service with the same API."""

    name: ClassVar[str] = "openrouter"
    title: ClassVar[str] = "OpenRouter"
    called: ClassVar[str] = title

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, *, max_file_bytes: int, timeouts: Timeouts = TIMEOUTS
    ) -> None:
        """Reach one server, as `HttpUpstream` does."""
        super().__init__(session, endpoint, max_file_bytes=max_file_bytes, timeouts=timeouts)
        self._by_chat: set[str] = set()
        """The models that the Image API does not have."""

    async def offers(self) -> Offers:
        """Return the models that draw. The list is public, so the key is tried on the route that describes it."""
        with request_to(self.service, paid=False):
            await self._check_key()
            listed = await ask_models(self._session, self._base / "models" % {"output_modalities": "image"}, self._key)
        return Offers(images=tuple(PREFIX + id_ for id_ in listed), complete=len(listed) < PAGE)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        """Draw the pictures, from references where there are any."""
        await progress(f"Asking {request.model} for a picture", 0)
        try:
            answer = await self._ask(request, progress)
        except UpstreamError as error:
            return task_of(error)
        return await self._pictures_of(answer, progress, "")

    async def _check_key(self) -> None:
        """Raise `UpstreamError` for a key that is refused."""
        timeout = aiohttp.ClientTimeout(total=LIST_S)
        async with self._session.get(
            self._base / "key", headers=bearer(self._key), allow_redirects=False, timeout=timeout
        ) as response:
            if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise await read_error(response)

    async def _ask(self, request: ImageRequest, progress: Progress) -> ImageAnswer[int] | ImageAnswer[str]:
        """Ask by the route that has the model."""
        if request.model not in self._by_chat:
            try:
                return await self._ask_for_images(request, progress)
            except UpstreamError as error:
                if error.kind not in NOT_THERE or error.may_be_charged:
                    raise
        answer = await self._ask_by_chat(request)
        self._by_chat.add(request.model)
        return answer

    async def _ask_for_images(self, request: ImageRequest, progress: Progress) -> ImagesAnswer:
        async def tell(partials: Sequence[int]) -> None:
            await progress(f"Partial picture {partials[-1] + 1}")

        answer = ImagesAnswer(request.count)
        await self._send(IMAGES, images_body(request), answer, tell)
        return answer

    async def _ask_by_chat(self, request: ImageRequest) -> ChatAnswer:
        async def hear(thoughts: Sequence[str]) -> None:
            """Thoughts are in a model's own words, which tell a person nothing."""

        answer = ChatAnswer(request.model)
        await self._send(CHAT, chat_body(request), answer, hear)
        return answer

    async def _send(
        self, path: str, body: Body, answer: ImageAnswer[Step], tell: Callable[[Sequence[Step]], Awaitable[None]]
    ) -> None:
        async with self._post(path, body, silence_s=self._timeouts.silence_s) as response:
            if response.status not in SUCCESSES:
                raise await read_error(response)
            await listen(response, answer, tell, self._timeouts.linger_s)


def own_id(model: str) -> str:
    """Return the id that OpenRouter knows. `openrouter/auto` is one of its own."""
    rest = model.removeprefix(PREFIX)
    return rest if "/" in rest else model


def images_body(request: ImageRequest) -> Body:
    """Encode a request of the Image API: only parameters that were asked for."""
    fields: Json = {
        "model": own_id(request.model),
        "prompt": request.prompt,
        "n": request.count if request.count > 1 else None,
        "stream": True if request.count == 1 else None,  # makers that do not stream answer with one body all the same
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "size": request.size,
        "quality": request.quality,
        "background": request.background,
        "output_format": request.output_format,
        "seed": request.seed,
        "input_references": [_reference(each) for each in request.references] or None,
    }
    return json_body({name: value for name, value in fields.items() if value is not None})


def chat_body(request: ImageRequest) -> Body:
    """Encode a request of the chat route."""
    own = replace(request, model=own_id(request.model))
    body: Json = {"model": own.model, "stream": True, "messages": messages(own)}
    return json_body(body | openrouter_extras(own))


def _reference(reference: Reference) -> Json:
    return {"type": "image_url", "image_url": {"url": reference if reference.data else reference.url}}
