"""Requests to one folder of a bucket: objects are put, read, listed and deleted.

1. They go out over the one client session of the service, so that its proxies and its certificates hold for them too.
2. A request that met a busy server or a broken connection is sent again, as long as that takes `PATIENCE_S` together: a
   storage that is down is told in seconds. All of them may be repeated; an object's bytes depend on its key alone.
3. What the server refuses is a `WorkError` of kind `storage`, which names the setting to look at and no secret.
"""

import asyncio
import base64
import dataclasses
import hashlib
import io
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import aiohttp
from yarl import URL

from service.bounds.bodies import read_limited
from service.storage.s3.signing import EMPTY, Signer, query_of
from service.storage_urls import S3
from service.troubles import Trouble, storage_error

logger = logging.getLogger(__name__)

CONNECT_S: Final = 2.0
SILENCE_S: Final = 4.5
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
PATIENCE_S: Final = 2.5
"""Seconds after which nothing is sent again: with the last silence no call waits longer than five or so."""

PAUSES_S: Final = (0.1, 0.3, 0.9)
"""Pauses before a request is sent again."""

BUSY: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Statuses that pass. 409 is that of two conditional writes of one key at once."""

DELETE_AT_ONCE: Final = 1000
"""The most keys of one request (docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html)."""

MOST_XML: Final = 8_000_000
"""Bytes of an answer in XML: a thousand keys take some hundred kilobytes."""

SLOW: Final = Trouble(
    "the bucket does not answer", "look at the storage that EASEL_FILES_URL names, and at the network", is_away=True
)
NO_BUCKET: Final = "NoSuchBucket"

REFUSED: Final = Trouble(
    "the bucket refuses the key", "look at EASEL_S3_KEY_ID, EASEL_S3_SECRET_KEY and EASEL_S3_REGION, and at its rights"
)
SKEWED: Final = Trouble("the clock of this machine is wrong", "set it: S3 takes no signature that is 15 minutes off")
ABSENT: Final = Trouble("there is no such bucket", "make the bucket that EASEL_FILES_URL names, or correct its name")
FAR: Final = Trouble(
    "the bucket lies in another region", "correct EASEL_S3_REGION, and EASEL_S3_ENDPOINT where that names a region too"
)
UNSAFE: Final = Trouble(
    "no encrypted connection to the storage comes about",
    "correct EASEL_S3_ENDPOINT, or let this machine trust its certificate (SSL_CERT_FILE)",
)
ODD: Final = Trouble("the bucket answers as none does", "look at EASEL_S3_ENDPOINT")

BY_CODE: Final[Mapping[str, Trouble]] = {
    "RequestTimeTooSkewed": SKEWED,
    NO_BUCKET: ABSENT,
    "AuthorizationHeaderMalformed": FAR,
    "PermanentRedirect": FAR,
    "TemporaryRedirect": FAR,
    "IllegalLocationConstraintException": FAR,
}
BY_STATUS: Final[Mapping[int, Trouble]] = {401: REFUSED, 403: REFUSED, 404: ABSENT, **dict.fromkeys(BUSY, SLOW)}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An object of the folder: its name there, its bytes, and when it was written (seconds since the epoch)."""

    name: str
    size: int
    written_at: float


@dataclass(frozen=True, kw_only=True)
class _Request:
    """One request: about the object of a name, or about the folder. `digest` is the SHA-256 of its body."""

    method: str
    name: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    data: bytes = field(default=b"", repr=False)
    digest: str = EMPTY

    def target(self, prefix: str) -> str:
        """Return the path and the query after the URL of the bucket."""
        path = "/" if self.name is None else f"/{prefix}{self.name}"
        return f"{path}?{query_of(self.query)}" if self.query else path


class Bucket:
    """The folder of a bucket. Names are those within the folder, of signs that need no escape in a URL."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        place: S3,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Use the bucket that the settings name; `clock` and `pause` are those of the system."""
        self._session = session
        self._place = place
        self._signer = Signer(place, clock)
        self._pause = pause
        self._knows_conditions = True

    async def put(self, name: str, data: bytes, headers: Mapping[str, str], *, replace: bool = False) -> None:
        """Put an object; without `replace`, one that is there stays as it is.

        A server that knows no conditions (RFC 9110, 13.1.2) is asked without one from then on.
        """
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        request = _Request(method="PUT", name=name, headers=headers, data=data, digest=digest)
        if not replace and self._knows_conditions:
            if_absent = dataclasses.replace(request, headers={**headers, "If-None-Match": "*"})
            async with await self._send(if_absent) as answer:
                self._knows_conditions = answer.status != 501
                if self._knows_conditions:
                    await _check("The picture could not be stored", answer, {200, 412})
                    return
        async with await self._send(request) as answer:
            await _check("The picture could not be stored", answer)

    async def size_of(self, name: str) -> int | None:
        """Return the bytes that an object has; None where there is none."""
        async with await self._send(_Request(method="HEAD", name=name)) as answer:
            if answer.status == 404:  # an answer to HEAD has no body that would tell a bucket which is gone
                return None
            await _check("The picture could not be looked for", answer)
            if answer.content_length is None:  # something between us and the server took it away
                raise storage_error("The picture could not be looked for", ODD)
            return answer.content_length

    async def open(self, name: str, span: range | None = None) -> aiohttp.ClientResponse | None:
        """Return the answer that holds an object, or a part of it, to be read and closed; None where there is none."""
        headers = {} if span is None else {"Range": f"bytes={span.start}-{span.stop - 1}"}
        answer = await self._send(_Request(method="GET", name=name, headers=headers))
        if answer.status in {200, 206}:
            return answer
        async with answer:
            if answer.status != 404 or await _code_of(answer) == NO_BUCKET:
                await _check("The picture could not be read", answer)
        return None

    async def delete(self, names: Collection[str]) -> dict[str, str]:
        """Delete these objects; return the names of those that the server does not let go, and its words."""
        left: dict[str, str] = {}
        each = list(names)
        for start in range(0, len(each), DELETE_AT_ONCE):
            left |= await self._delete(each[start : start + DELETE_AT_ONCE])
        return left

    async def list(self, beginning: str = "") -> AsyncIterator[Listed]:
        """Yield every object of the folder whose name begins so, in the order of the names."""
        prefix = self._place.prefix
        query = {"list-type": "2", "prefix": prefix + beginning}
        while True:
            async with await self._send(_Request(method="GET", query=query)) as answer:
                await _check("The pictures could not be listed", answer)
                page = await _xml(answer)
            for each in page.iterfind("{*}Contents"):
                key, size, written = (each.findtext(f"{{*}}{name}", "") for name in ("Key", "Size", "LastModified"))
                yield Listed(
                    name=key.removeprefix(prefix),
                    size=int(size),
                    written_at=datetime.fromisoformat(written).timestamp(),
                )
            token = page.findtext("{*}NextContinuationToken")
            if page.findtext("{*}IsTruncated") != "true" or not token:
                return
            query = {**query, "continuation-token": token}

    async def _delete(self, names: Collection[str]) -> dict[str, str]:
        keys = "".join(f"<Object><Key>{escape(self._place.prefix + name)}</Key></Object>" for name in names)
        body = f"<Delete><Quiet>true</Quiet>{keys}</Delete>".encode()
        checksum = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {"Content-MD5": checksum, "Content-Type": "application/xml"}
        digest = hashlib.sha256(body).hexdigest()
        request = _Request(method="POST", headers=headers, query={"delete": ""}, data=body, digest=digest)
        async with await self._send(request) as answer:
            await _check("The pictures could not be removed", answer)
            page = await _xml(answer)
        errors = [(each.findtext("{*}Key", ""), each.findtext("{*}Code", "")) for each in page.iterfind("{*}Error")]
        return {key.removeprefix(self._place.prefix): code for key, code in errors if code != "NoSuchKey"}

    async def _send(self, request: _Request) -> aiohttp.ClientResponse:
        """Return the answer to a request, whatever its status, sent again where that may help."""
        url = URL(self._place.url + request.target(self._place.prefix), encoded=True)
        ends, pauses = time.monotonic() + PATIENCE_S, iter(PAUSES_S)
        while True:
            answer = await self._try(request, url)
            pause = next(pauses, None)
            is_last = pause is None or time.monotonic() + pause >= ends
            if isinstance(answer, aiohttp.ClientResponse):
                if is_last or answer.status not in BUSY:
                    return answer
                answer.close()
            elif is_last:
                trouble = UNSAFE if isinstance(answer, aiohttp.ClientSSLError) else SLOW
                raise storage_error("The storage of pictures could not be reached", trouble, answer) from answer
            await self._pause(pause or 0)

    async def _try(self, request: _Request, url: URL) -> aiohttp.ClientResponse | Exception:
        """Send a request once; return the answer, or the error of a connection that broke."""
        headers = self._signer.sign(request.method, url, request.headers, request.digest)
        body = io.BytesIO(request.data)  # bytes as such are written in one piece, which holds the event loop
        try:
            return await self._session.request(
                request.method,
                url,
                headers=headers,
                data=body,
                timeout=TIMEOUT,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is one of the latter
            body.close()  # aiohttp's frames keep it, in cycles: megabytes for each try, until these are collected
            return error.with_traceback(None)


async def _check(what: str, answer: aiohttp.ClientResponse, good: Collection[int] = (200,)) -> None:
    """Raise the `WorkError` of an answer whose status is none of the good ones."""
    if answer.status not in good:
        code = await _code_of(answer)
        trouble = BY_CODE.get(code) or BY_STATUS.get(answer.status, ODD)
        logger.debug("%s: HTTP %d %s", what, answer.status, code)
        raise storage_error(what, trouble)


async def _code_of(answer: aiohttp.ClientResponse) -> str:
    """Return the code of an error, such as NoSuchKey; "" where the body has none."""
    try:
        return ET.fromstring(await read_limited(answer.content, MOST_XML)).findtext("{*}Code", "")  # noqa: S314 - as below
    except (ET.ParseError, aiohttp.ClientError, OSError):
        return ""


async def _xml(answer: aiohttp.ClientResponse) -> ET.Element:
    """Read an answer in XML. The server is the configured one; Expat bounds what entities may become."""
    try:
        return ET.fromstring(await read_limited(answer.content, MOST_XML))  # noqa: S314 - see above
    except (ET.ParseError, aiohttp.ClientError, OSError) as error:
        raise storage_error("The bucket's answer could not be read", ODD, error) from error
