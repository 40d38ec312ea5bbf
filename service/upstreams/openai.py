"""The OpenAI Images API, and services that speak it.

It is synchronous and has no task id: an answer that is lost was paid for all the same. So arguments that the model does
not take are refused before anything is sent, and partial pictures keep the connection alive and show progress.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import ClassVar, Final

import aiohttp

from service.images import ImageRequest, Picture, Progress, Reference, WorkError
from service.pictures.sniffing import sniff
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.upstreams.answer import listen
from service.upstreams.base import Offers
from service.upstreams.errors import UpstreamError, read_start, request_to, upstream_error
from service.upstreams.fetch import FetchError, fetch
from service.upstreams.http import SUCCESSES, HttpUpstream
from service.upstreams.kinds import Kind
from service.upstreams.model_list import ask_models, looks_like_images
from service.upstreams.openai_answer import ImagesAnswer
from service.upstreams.openai_request import (
    EDITS,
    PARTIALS,
    UNKNOWN_TYPE,
    Draft,
    amended,
    by_url,
    draft,
    encoded,
)
from service.upstreams.openai_rules import family_of

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


class OpenAiUpstream(HttpUpstream):
    """One Images API."""

    name: ClassVar[str] = "openai"
    title: ClassVar[str] = "OpenAI Images API"

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        *,
        max_file_bytes: int,
        timeouts: Timeouts = TIMEOUTS,
        streams: bool | None = None,
    ) -> None:
        """Reach one server, as `HttpUpstream` does. `streams`: it is known to stream pictures; None: by its host.

        A stream is asked for only where it is known to work: LiteLLM draws, charges, and then fails to stream.
        """
        super().__init__(session, endpoint, max_file_bytes=max_file_bytes, timeouts=timeouts)
        self._streams = self._base.host == OFFICIAL if streams is None else streams

    async def offers(self) -> Offers:
        """Return the models whose names look like image models. Relays may have more than they list."""
        with request_to(self.service, paid=False):
            listed = await ask_models(self._session, self._base / "models", self._key)
        images = tuple(id_ for id_ in listed if looks_like_images(id_))
        return Offers(images=images, others=frozenset(listed) - set(images), complete=self._base.host == OFFICIAL)

    def reference_types(self, model: str) -> Collection[str]:
        """Return the types that the model's family takes."""
        return family_of(model).reference_types

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        """Draw the pictures, from references where there are any."""
        wanted = draft(await self._readable(request), streams=self._streams)
        await progress(f"Asking {request.model} for a picture", 0)
        answer, left_out = await self._ask(wanted, request.count, progress)
        note = f"The service does not know {left_out}, and drew without it." if left_out else ""
        return await self._pictures_of(answer, note)

    async def _readable(self, request: ImageRequest) -> ImageRequest:
        """Return the request with its references as bytes, unless the service reads them all by their URLs."""
        if by_url(request):
            return request
        return replace(request, references=tuple([await self._bytes(each) for each in request.references]))

    async def _bytes(self, reference: Reference) -> Reference:
        if reference.data:
            return reference
        try:
            data = await fetch(self._session, reference.url, max_bytes=self._pictures.max_file_bytes)
        except FetchError as error:
            words = f"{error} It was to be a reference. Nothing was sent, and nothing charged."
            raise WorkError(words, kind=Kind.BAD_REQUEST) from error
        return Reference(data=data, media_type=sniff(data) or UNKNOWN_TYPE)

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

        async def tell(partial: int) -> None:
            percent = min(100.0 * (partial + 1) / (PARTIALS + 1), 95.0)
            await progress(f"Partial picture {partial + 1} of {PARTIALS}", percent)

        async with self._post(wanted.path, encoded(wanted), silence_s=self._timeouts.silence_s) as response:
            if response.status in SUCCESSES:
                await listen(response, answer, tell, self._timeouts.linger_s)
                return None
            body = await read_start(response)
            better = amended(wanted, body) if may_amend and response.status in REFUSED else None
            if better is None:
                raise _refusal(wanted, upstream_error(response.status, body, response.headers), response.status)
            return better


def _refusal(wanted: Draft, error: UpstreamError, status: int) -> UpstreamError:
    """Return the error of a refusal; it has other words where the service has no route for references."""
    if wanted.path == EDITS and status in NO_ROUTE and error.kind in {Kind.ADDRESS, Kind.BAD_REQUEST}:
        return UpstreamError(Kind.BAD_REQUEST, detail=NO_EDITS)
    return error
