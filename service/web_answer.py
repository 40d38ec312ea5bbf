"""An HTTP answer that we write ourselves: its head and what comes with it are one write.

aiohttp's own responses take as long as a whole cheap call does: an object, headers by name, signals, a coroutine for
each step, a write for the head and one for every chunk. Here a head is put together from what is known beforehand.

1. `whole` writes a JSON answer; `begin`, `put` and `end` write a stream of events. None of them waits.
2. `flushed` waits until the client has taken what was written.
3. `sent` is what the handler returns then: it tells aiohttp that nothing is left to do.
"""

import asyncio
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion10, web
from aiohttp.abc import AbstractStreamWriter

SERVER: Final = "easel"
"""What we call ourselves in every answer; aiohttp's own name for itself tells which versions to attack."""

FITS_BYTES: Final = 64 * 1024
"""So much a transport takes at once: nobody waits for a client to read what is smaller."""

_EVENTS: Final = (
    b"Content-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"
)


class Sent(web.StreamResponse):
    """What a handler returns that has written its answer. It holds nothing, so one serves for all requests."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._connection_stays = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether another request may come over the connection."""
        return self._connection_stays

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002 - aiohttp's signature
        """The head is out."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """So is the end."""


SENT: Final = Sent(keep_alive=True)
SENT_LAST: Final = Sent(keep_alive=False)


class HttpAnswer:
    """The answer to one request. A write says whether the connection is still there."""

    __slots__ = ("_chunked", "_head", "_request", "begun", "sent")

    def __init__(self, request: web.Request) -> None:
        self.begun = False
        """Whether it is a stream, of which something was or will be written."""
        self.sent = SENT if request.keep_alive else SENT_LAST
        self._request = request
        self._chunked = False
        self._head = b""

    @property
    def waiting(self) -> int:
        """The bytes that the client has not taken yet, beyond what the system holds for it."""
        transport = self._request.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    def whole(self, body: bytes, status: int, headers: Mapping[str, str]) -> bool:
        """Write JSON."""
        head = b"%bContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n" % (
            self._status_line(status),
            len(body),
            self._common(headers),
        )
        if len(body) <= FITS_BYTES:
            return self._write(head + body)
        return self._write(head) and self._write(body)

    def begin(self, headers: Mapping[str, str]) -> None:
        """Be a stream of events; the head goes out with the first of them."""
        self.begun = True
        self._chunked = self._request.version != HttpVersion10
        if not self._chunked:  # then the end of the connection is that of the stream
            self.sent = SENT_LAST
        framing = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
        self._head = b"%b%b%b%b\r\n" % (self._status_line(200), _EVENTS, framing, self._common(headers))

    def put(self, chunk: bytes) -> bool:
        """Write a part of the stream."""
        head, self._head = self._head, b""
        return self._write(head + (b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk))

    def end(self, chunk: bytes = b"") -> bool:
        """Write the last part, if any, and end the stream."""
        head, self._head = self._head, b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk) if chunk else b"0\r\n\r\n"
        return self._write(head + chunk)

    async def flushed(self, deadline_s: float, *, whole: bool) -> bool:
        """Wait while more waits than a transport takes at once, or, for the `whole`, while anything does.

        Whether the client took it: one that does not read for so long is cut off.
        """
        transport = self._request.transport
        if transport is None:
            return False
        # The transport holds back those who write only while more than its limit waits in it.
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

    def _write(self, data: bytes) -> bool:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return False
        # By this aiohttp knows that an answer has begun, and writes none of its own after it.
        self._request.writer.output_size += len(data)
        transport.write(data)
        return not transport.is_closing()

    def _status_line(self, status: int) -> bytes:
        return _status_line(status, "1.0" if self._request.version == HttpVersion10 else "1.1")

    def _common(self, headers: Mapping[str, str]) -> bytes:
        keeps, is_old = self.sent.keep_alive, self._request.version == HttpVersion10
        connection = ("keep-alive" if is_old else "") if keeps else ("" if is_old else "close")
        common = _common(int(time.time()), connection)
        return common + b"".join(_line(name, value) for name, value in headers.items()) if headers else common


@lru_cache(maxsize=64)
def _status_line(status: int, version: str) -> bytes:
    return f"HTTP/{version} {status} {HTTPStatus(status).phrase}\r\n".encode()


@lru_cache(maxsize=8)
def _common(second: int, connection: str) -> bytes:
    """The lines that every answer of one second has."""
    lines = _line("Date", formatdate(second, usegmt=True)) + _line("Server", SERVER)
    return lines + _line("Connection", connection) if connection else lines


def _line(name: str, value: str) -> bytes:
    if not value.isprintable() or not value.isascii():
        raise ValueError(f"the header {name} cannot hold {value[:100]!r}")
    return f"{name}: {value}\r\n".encode()
