"""The answer with a picture: one table of its headers, whether its bytes come from a file or are in memory.

What is in memory is written straight to the transport (`response.py`), with header lines that are made once for each
picture. Of a large one so much is written at a time as a connection takes: a slow reader holds no copy of the rest.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aiohttp import hdrs, web

from service.storage.files import Files, OpenRange, StoredFile
from service.web.response import FITS_BYTES, NOTHING, RawResponse, header_lines

SEND_TIMEOUT_S: Final = 600
"""The largest picture we keep by default has 100 MB; who takes longer for it than this has stopped reading."""

PIECE: Final = 256 * 1024
"""Bytes of memory that are written at one go."""

SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    # Always, as a copy in the cache that an <img> asked for may be read by a script of the page later.
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
}


@dataclass(frozen=True, kw_only=True)
class Served:
    """A picture or a derivative as it is sent: its type and size, its ETag, and the name that it is saved under."""

    stored: StoredFile
    tag: str
    shown_as: str
    source: str
    """The name of its file."""
    varies: bool = False
    """Another `Accept` would have been answered with another one."""
    held: bytes | None = None
    """All its bytes, for one that is in memory."""

    @cached_property
    def lasting(self) -> Mapping[str, str]:
        """Its headers in 200 and 206, and again in 304 (RFC 9110, 15.4.5)."""
        headers = {**SAFE, hdrs.ETAG: f'"{self.tag}"', hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable"}
        return {**headers, hdrs.VARY: hdrs.ACCEPT} if self.varies else headers

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Its headers in 200 and 206, without those that tell the part that is sent."""
        return {
            **self.lasting,
            hdrs.CONTENT_TYPE: self.stored.media_type,
            hdrs.CONTENT_DISPOSITION: f'inline; filename="{self.shown_as}"',
            hdrs.ACCEPT_RANGES: "bytes",
        }

    @cached_property
    def lasting_lines(self) -> bytes:
        """The headers of 304 as they are sent."""
        return header_lines(self.lasting)

    @cached_property
    def lines(self) -> bytes:
        """The headers of 200 and 206 as they are sent."""
        return header_lines(self.headers)

    def content_range(self, span: range) -> str:
        """Return the value of Content-Range for a part of it."""
        return f"bytes {span.start}-{span.stop - 1}/{self.stored.size}"


def not_modified(request: web.Request, served: Served) -> web.StreamResponse:
    """Answer that the reader has it."""
    raw = RawResponse(request)
    raw.file(304, served.lasting_lines)
    return raw.sent


async def send_file(
    request: web.Request, served: Served, span: range | None, files: Files
) -> web.StreamResponse | None:
    """Answer with the bytes of a file, or the part of them; None once it was removed."""
    response = web.StreamResponse(status=200 if span is None else 206, headers=served.headers)
    if span is not None:
        response.headers[hdrs.CONTENT_RANGE] = served.content_range(span)
    wanted = range(served.stored.size) if span is None else span
    response.content_length = len(wanted)
    if request.method == hdrs.METH_HEAD or not wanted:
        return response
    opened = await files.open_range(served.source, wanted)
    if opened is None:
        return None
    async with opened:
        await send_range(request, response, opened, wanted)
    return response


async def send_held(
    request: web.Request,
    served: Served,
    span: range | None,
    sending: Callable[[Served], AbstractContextManager[None]],
) -> web.StreamResponse:
    """Answer with bytes in memory, or the part of them; `sending` counts an answer that takes a while."""
    wanted = range(served.stored.size) if span is None else span
    lines = b"%bContent-Length: %d\r\n" % (served.lines, len(wanted))
    if span is not None:
        lines += b"Content-Range: %b\r\n" % served.content_range(span).encode()
    raw = RawResponse(request)
    if request.method == hdrs.METH_HEAD or served.held is None:
        body = NOTHING
    else:
        body = memoryview(served.held)[wanted.start : wanted.stop]
    if raw.file(200 if span is None else 206, lines, body[:PIECE]) and (len(body) > PIECE or raw.waiting > FITS_BYTES):
        with sending(served):
            await _send_rest(raw, body)
    return raw.sent


async def _send_rest(raw: RawResponse, body: memoryview) -> None:
    """Send what comes after the first piece; one who stops reading is disconnected."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SEND_TIMEOUT_S
    for at in range(PIECE, len(body) + PIECE, PIECE):
        if raw.waiting > FITS_BYTES and not await raw.flush(max(0.0, until - loop.time()), whole=False):
            return
        if at < len(body) and not raw.more(body[at : at + PIECE]):
            return


async def send_range(request: web.Request, response: web.StreamResponse, opened: OpenRange, span: range) -> None:
    """Send the bytes of the range. Once fewer than announced were sent, only closing tells the client."""
    sent = 0
    with suppress(ConnectionError, TimeoutError):  # the client has gone, or stopped reading
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await response.prepare(request)
            if opened.disk_file is None:
                sent = await _send_chunks(response, opened)
            elif request.transport is not None:
                loop = asyncio.get_running_loop()
                sent = await loop.sendfile(request.transport, opened.disk_file, span.start, len(span))
    if sent != len(span) and request.transport is not None:
        request.transport.abort()


async def _send_chunks(response: web.StreamResponse, opened: OpenRange) -> int:
    """Pass the bytes on as the storage gives them, and count them."""
    sent = 0
    async for chunk in opened.chunks():
        await response.write(chunk)
        sent += len(chunk)
    return sent
