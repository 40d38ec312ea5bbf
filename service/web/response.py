"""HTTP responses written straight to the transport: the head and the first bytes of the body are one write.

aiohttp's own responses take as long as a whole cheap call does: an object, headers by name, signals, a coroutine for
each step, a write for the head and one for every chunk. Here the head is put together from cached parts.

1. `whole` writes a JSON response; `begin`, `put` and `end` write a stream of events, `file` and `more` a file. None of
   them waits. Events that nobody waits for go out together at the end of the round of the loop, or with the next write:
   progress that is told right before a result costs no packet of its own.
2. `flush` waits until the client has taken the written bytes.
3. The handler returns `sent` then, which tells aiohttp that nothing is left to do.
"""

import asyncio
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from service.web.cross_origin import CROSS_ORIGIN, NONE

SERVER: Final = "easel"
"""The `Server` header of every response; aiohttp's own value tells which versions to attack."""


FITS_BYTES: Final = 64 * 1024
"""The high-water mark of a transport: smaller writes are not waited for."""

JOINED_BYTES: Final = 16 * 1024
"""Bytes of a file that are copied to go out with its head: a second write takes longer than that."""

NOTHING: Final = memoryview(b"")
NO_HEADERS: Final[Mapping[str, str]] = {}

_JSON: Final = "Content-Type: application/json\r\n"
_EVENTS: Final = "Content-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"
_CHUNKS: Final = "Transfer-Encoding: chunked\r\n"


class Sent(web.StreamResponse):
    """The response object of a handler that has written its response. It has no state, so all requests share one."""

    def __init__(self, *, keep_alive: bool) -> None:
        """Make the response object for connections that stay open, or for those that end."""
        super().__init__()
        self._connection_stays = keep_alive

    @property
    def keep_alive(self) -> bool:
        """True for a connection that stays open for another request."""
        return self._connection_stays

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002 - aiohttp's signature
        """Do nothing: the head is out."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the end is out."""


SENT: Final = Sent(keep_alive=True)
SENT_LAST: Final = Sent(keep_alive=False)


class RawResponse:
    """The response to one request. A write returns whether the connection is still there."""

    __slots__ = ("_chunked", "_head", "_held", "_is_old", "_request", "begun", "sent")

    def __init__(self, request: web.Request) -> None:
        """Begin the response to a request, of which nothing is written yet."""
        self.begun = False
        """True for a stream of events."""
        self.sent = SENT if request.keep_alive else SENT_LAST
        self._request = request
        self._is_old = request.version.minor == 0
        self._chunked = False
        self._head = b""
        self._held = b""

    @property
    def waiting(self) -> int:
        """The bytes that wait in the transport, beyond those in the system's socket buffer."""
        transport = self._request.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    def whole(self, body: bytes, status: int, headers: Mapping[str, str]) -> bool:
        """Write a JSON response."""
        head = b"%bContent-Length: %d\r\n\r\n" % (self._head_of(status, _JSON, headers), len(body))
        if len(body) <= FITS_BYTES:
            return self._write(head + body)
        return self._write(head) and self._write(body)

    def file(self, status: int, lines: bytes, body: memoryview = NOTHING) -> bool:
        """Write the head of a file with header lines of its own, and the first bytes of it."""
        stays = self.sent is SENT
        head = _status(status, self._is_old) + lines + _common(self._is_old, stays, int(time.time())) + b"\r\n"
        if len(body) <= JOINED_BYTES:
            return self._write(head + body)
        return self._write(head) and self._write(body)

    def more(self, body: memoryview) -> bool:
        """Write further bytes of a file."""
        return self._write(body)

    def begin(self, headers: Mapping[str, str]) -> None:
        """Become a stream of events; the head goes out with the first of them."""
        self.begun = True
        self._chunked = not self._is_old
        if self._is_old:  # HTTP/1.0 has no chunks: the end of the connection ends the stream
            self.sent = SENT_LAST
        self._head = self._head_of(200, _EVENTS if self._is_old else _EVENTS + _CHUNKS, headers) + b"\r\n"

    def put(self, chunk: bytes, headers: Mapping[str, str] = NO_HEADERS, *, optional: bool = False) -> bool:
        """Write a chunk of the stream, which begins with it.

        An `optional` one is left out for a slow reader, and may go out a moment later.
        """
        if not self.begun:
            self.begin(headers)
        if optional and self.waiting > FITS_BYTES:
            return True
        head, self._head = self._head, b""
        data = head + (b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)
        return self._hold(data) if optional else self._write(data)

    def end(self, chunk: bytes = b"", headers: Mapping[str, str] = NO_HEADERS) -> bool:
        """Write the last chunk, if any, and end the stream."""
        if not self.begun:
            self.begin(headers)
        head, self._head = self._head, b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk) if chunk else b"0\r\n\r\n"
        return self._write(head + chunk)

    async def flush(self, deadline_s: float, *, whole: bool) -> bool:
        """Wait until the transport is below its high-water mark, or, for the `whole`, empty.

        Return whether the client took the bytes. A client that does not read until the deadline is disconnected.
        """
        transport = self._request.transport
        if transport is None:
            return False
        # `drain` waits only while the transport is above its limit.
        if whole:
            transport.set_write_buffer_limits(0)
        try:
            async with asyncio.timeout(deadline_s):
                await self._request.writer.drain()
        except TimeoutError:
            transport.abort()
            return False
        except ConnectionError:
            return False
        finally:
            if whole:
                transport.set_write_buffer_limits()
        return self._request.transport is not None and not transport.is_closing()

    def _hold(self, data: bytes) -> bool:
        """Write bytes at the end of the round, or before the next ones."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return False
        if not self._held:
            self._request.task.get_loop().call_soon(self._release)
        self._held += data
        self._request.writer.output_size += len(data)
        return True

    def _release(self) -> None:
        if self._held:
            self._write(b"")

    def _write(self, data: bytes | memoryview) -> bool:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return False
        # The count tells aiohttp that a response has begun: it writes none of its own after it.
        self._request.writer.output_size += len(data)
        if self._held:
            data, self._held = b"".join((self._held, data)), b""
        transport.write(data)
        return not transport.is_closing()

    def _head_of(self, status: int, form: str, headers: Mapping[str, str]) -> bytes:
        if hdrs.ORIGIN in self._request.headers:
            cors = self._request.get(CROSS_ORIGIN, NONE)
            headers = {**headers, **cors}
        head = _head(status, form, self._is_old, self.sent is SENT, int(time.time()))
        return head + header_lines(headers) if headers else head


@lru_cache(maxsize=64)
def _head(status: int, form: str, is_old: bool, stays: bool, second: int) -> bytes:
    """Return the head that all responses of one kind within one second share."""
    return _status(status, is_old) + form.encode() + _common(is_old, stays, second)


@lru_cache(maxsize=64)
def _status(status: int, is_old: bool) -> bytes:
    return f"HTTP/1.{0 if is_old else 1} {status} {HTTPStatus(status).phrase}\r\n".encode()


@lru_cache(maxsize=8)
def _common(is_old: bool, stays: bool, second: int) -> bytes:
    """Return the header lines that stand in every response of one second."""
    # RFC 9112, 9.3: a connection stays by default, in HTTP/1.0 it does not.
    connection = "" if stays is not is_old else f"Connection: {'keep-alive' if stays else 'close'}\r\n"
    return f"Date: {formatdate(second, usegmt=True)}\r\nServer: {SERVER}\r\n{connection}".encode()


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Return headers as they are sent. Raises `ValueError` for a value that no header can hold."""
    return b"".join(_line(name, value) for name, value in headers.items())


def _line(name: str, value: str) -> bytes:
    if not value.isprintable() or not value.isascii():
        raise ValueError(f"the header {name} cannot hold {value[:100]!r}")
    return f"{name}: {value}\r\n".encode()


async def name_the_server(request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG001 - aiohttp's signature
    """Name this server in a response of aiohttp's own: a receiver of `on_response_prepare`."""
    response.headers[hdrs.SERVER] = SERVER
