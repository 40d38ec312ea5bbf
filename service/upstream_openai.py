"""The OpenAI Images API, and services that speak it.

It is synchronous and has no task id: an answer that is lost was paid for all the same. So what the model cannot do is
said before anything is sent, and partial pictures keep the connection alive and say how far the work is.
"""

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import ClassVar, Final

import aiohttp

from service.fetch import Trusted, bearer, fetch
from service.images import ImageRequest, Picture, Progress, Reference
from service.settings import WAITS, Endpoint, Waits
from service.upstream import Offers, Upstream
from service.upstream_address import api_base
from service.upstream_answer import listen
from service.upstream_errors import reaching, read_start, upstream_error
from service.upstream_model_list import ask_models, looks_like_images
from service.upstream_openai_answer import ImagesAnswer
from service.upstream_openai_request import (
    OURS,
    PARTIALS,
    Draft,
    by_url,
    draft,
    encoded,
    media_type_of,
    unknown_parameter,
)
from service.upstream_pictures import PictureReader

OFFICIAL: Final = "api.openai.com"


class OpenAiUpstream(Upstream):
    """One Images API."""

    name: ClassVar[str] = "openai"

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, *, max_file_bytes: int, waits: Waits = WAITS
    ) -> None:
        self.deadline_s = waits.total_s + waits.download_s
        self._session = session
        self._base = api_base(endpoint.url)
        self._key = endpoint.key
        self._waits = waits
        self._pictures = PictureReader(
            session=session,
            trusted=Trusted(base=self._base, key=endpoint.key),
            max_file_bytes=max_file_bytes,
            waits=waits,
        )

    def describe(self) -> str:
        return f"OpenAI Images API at {self._base}"

    async def offers(self) -> Offers:
        """No field says what a model does, so its name decides. Relays may have more than they list."""
        with reaching(self.name, paid=False):
            listed = await ask_models(self._session, self._base / "models", self._key)
        images = tuple(id_ for id_ in listed if looks_like_images(id_))
        return Offers(images=images, others=frozenset(listed) - set(images), complete=self._base.host == OFFICIAL)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        wanted = draft(await self._readable(request))
        await progress(f"Asking {request.model} for a picture", 0)
        with reaching(self.name):
            answer, left_out = await self._ask(wanted, request.count, progress)
            note = f"The service does not know {left_out}, and drew without it." if left_out else ""
            pictures = await self._pictures.read(answer.pictures(), answer.lifted, note)
            if not pictures:
                raise answer.without_picture()
            return pictures

    async def _readable(self, request: ImageRequest) -> ImageRequest:
        """The request with its references as bytes, unless the service reads them all by their URLs."""
        if by_url(request):
            return request
        return replace(request, references=tuple([await self._bytes(each) for each in request.references]))

    async def _bytes(self, reference: Reference) -> Reference:
        if reference.data:
            return reference
        data = await fetch(self._session, reference.url, max_bytes=self._pictures.max_file_bytes)
        return Reference(data=data, media_type=media_type_of(data))

    async def _ask(self, wanted: Draft, count: int, progress: Progress) -> tuple[ImagesAnswer, str]:
        """Send the request; once more without a parameter that the service does not know. Say which, if asked for."""
        answer = ImagesAnswer(count)
        unknown = await self._send(wanted, answer, progress, last=False)
        if unknown is None:
            return answer, ""
        await self._send(wanted.without(unknown), answer, progress, last=True)
        return answer, "" if unknown in OURS else unknown

    async def _send(self, wanted: Draft, answer: ImagesAnswer, progress: Progress, *, last: bool) -> str | None:
        """Send one request and read the whole answer, or return the parameter that it cannot have."""

        async def tell(partial: int) -> None:
            percent = min(100.0 * (partial + 1) / (PARTIALS + 1), 95.0)
            await progress(f"Partial picture {partial + 1} of {PARTIALS}", percent)

        async with self._session.post(
            self._base / wanted.path,
            data=await asyncio.to_thread(encoded, wanted),
            headers=bearer(self._key) | ({} if wanted.files else {"Content-Type": "application/json"}),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=self._waits.total_s, sock_connect=self._waits.connect_s, sock_read=self._waits.silence_s
            ),
        ) as response:
            if response.status == HTTPStatus.OK:
                await listen(response, answer, tell, self._waits.linger_s)
                return None
            body = await read_start(response)
            unknown = unknown_parameter(wanted, body) if response.status in {400, 422} else None
            if unknown is None or last:
                raise upstream_error(response.status, body, response.headers)
            return unknown
