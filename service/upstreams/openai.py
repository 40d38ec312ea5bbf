"""The OpenAI Images API, and services that speak it.

It is synchronous and has no task id: an answer that is lost was paid for all the same. So arguments that the model does
not take are refused before anything is sent, and partial pictures keep the connection alive and show progress.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import ClassVar, Final

from service.images import ImageRequest, Picture, Progress, Reference, WorkError
from service.pictures.sniffing import sniff
from service.upstreams.answer import listen
from service.upstreams.base import Offers
from service.upstreams.errors import read_start, request_to, upstream_error
from service.upstreams.fetch import FetchError, fetch
from service.upstreams.http import HttpUpstream
from service.upstreams.kinds import Kind
from service.upstreams.model_list import ask_models, looks_like_images
from service.upstreams.openai_answer import ImagesAnswer
from service.upstreams.openai_request import (
    OURS,
    PARTIALS,
    UNKNOWN_TYPE,
    Draft,
    by_url,
    draft,
    encoded,
    unknown_parameter,
)

OFFICIAL: Final = "api.openai.com"


class OpenAiUpstream(HttpUpstream):
    """One Images API."""

    name: ClassVar[str] = "openai"
    title: ClassVar[str] = "OpenAI Images API"

    async def offers(self) -> Offers:
        """Return the models whose names look like image models. Relays may have more than they list."""
        with request_to(self.service, paid=False):
            listed = await ask_models(self._session, self._base / "models", self._key)
        images = tuple(id_ for id_ in listed if looks_like_images(id_))
        return Offers(images=images, others=frozenset(listed) - set(images), complete=self._base.host == OFFICIAL)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        """Draw the pictures, from references where there are any."""
        wanted = draft(await self._readable(request))
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
        """Send the request; once more without a parameter that the service does not know, and return its name."""
        answer = ImagesAnswer(count)
        unknown = await self._send(wanted, answer, progress, last=False)
        if unknown is None:
            return answer, ""
        await self._send(wanted.without(unknown), answer, progress, last=True)
        return answer, "" if unknown in OURS else unknown

    async def _send(self, wanted: Draft, answer: ImagesAnswer, progress: Progress, *, last: bool) -> str | None:
        """Send one request and read the whole answer, or return the parameter that the service does not know."""

        async def tell(partial: int) -> None:
            percent = min(100.0 * (partial + 1) / (PARTIALS + 1), 95.0)
            await progress(f"Partial picture {partial + 1} of {PARTIALS}", percent)

        async with self._post(wanted.path, encoded(wanted), silence_s=self._timeouts.silence_s) as response:
            if response.status == HTTPStatus.OK:
                await listen(response, answer, tell, self._timeouts.linger_s)
                return None
            body = await read_start(response)
            unknown = unknown_parameter(wanted, body) if response.status in {400, 422} else None
            if unknown is None or last:
                raise upstream_error(response.status, body, response.headers)
            return unknown
