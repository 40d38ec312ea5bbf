"""What image services that are reached over HTTP have in common: an address, a key, patience, and their pictures."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Protocol

import aiohttp

from service.images import Picture
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.upstreams.address import api_base
from service.upstreams.base import Upstream
from service.upstreams.base64_extractor import ExtractedBase64
from service.upstreams.errors import UpstreamError
from service.upstreams.fetch import Trusted, bearer
from service.upstreams.image_sources import Source
from service.upstreams.pictures import PictureReader
from service.upstreams.request_body import Body


class Answered(Protocol):
    """An answer that was read to its end: where its pictures are, or why there are none."""

    @property
    def lifted(self) -> ExtractedBase64: ...

    def pictures(self) -> list[Source]: ...

    def without_picture(self) -> UpstreamError: ...


class HttpUpstream(Upstream):
    """One server. Its pictures may lie on its own host, private or not, and on any public one."""

    title: ClassVar[str]
    """What a person calls it."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, *, max_file_bytes: int, timeouts: Timeouts = TIMEOUTS
    ) -> None:
        self.deadline_s = timeouts.total_s + timeouts.download_s
        self._session = session
        self._base = api_base(endpoint.url)
        self._key = endpoint.key
        self._timeouts = timeouts
        self._pictures = PictureReader(
            session=session,
            trusted=Trusted(base=self._base, key=endpoint.key),
            max_file_bytes=max_file_bytes,
            timeouts=timeouts,
        )

    def describe(self) -> str:
        return f"{self.title} at {self._base}"

    async def fetch_again(self, source: str) -> bytes:
        return await self._pictures.again(source)

    def _post(
        self, path: str, body: Body, *, timeout: aiohttp.ClientTimeout, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send one request. Whoever leaves the block, cancelled or not, closes what is left of the connection."""
        return self._session.post(
            self._base / path,
            data=body,
            headers=body.headers | dict(headers or {}) | bearer(self._key),
            allow_redirects=False,  # the key would go along
            timeout=timeout,
        )

    def _patience(self, silence_s: float) -> aiohttp.ClientTimeout:
        """For one request and its answer. The silence is counted once the request is sent."""
        timeouts = self._timeouts
        return aiohttp.ClientTimeout(total=timeouts.total_s, sock_connect=timeouts.connect_s, sock_read=silence_s)

    async def _drawn(self, answer: Answered, note: str) -> list[Picture]:
        """The pictures of an answer, at least one. Raise `UpstreamError`."""
        pictures = await self._pictures.read(answer.pictures(), answer.lifted, note)
        if not pictures:
            raise answer.without_picture()
        return pictures
