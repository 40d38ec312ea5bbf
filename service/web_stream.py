"""The HTTP answer to one call: JSON, unless something comes before the result; then an SSE stream.

1. Nothing is sent until the handler has something to say, so that an error still gets its HTTP status.
2. The first message, or `SILENCE_S` without one, opens the stream; comments keep a silent one alive.
3. The result is the last event, and ends the stream.

A client that is gone is no error: what is sent to it is dropped, but for what a legacy client may still come for
(`replay.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiohttp import hdrs, web

from service.protocol.receipts import Receipts
from service.protocol.replay import Stream
from service.protocol.sse import KEEP_ALIVE, frame, priming

SILENCE_S: Final = 5.0
"""A client or proxy that hears nothing at all gives up, some after a minute; they get headers long before."""

WRITE_DEADLINE_S: Final = 120.0
"""The largest result, of 800 kB, over a modem. A client that takes longer does not read, and is cut off."""

FITS_BYTES: Final = 64 * 1024
"""So much a transport takes at once: nobody waits for a client to read an answer that is smaller."""

SSE_HEADERS: Final = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class Accepts:
    """Which of the two forms of an answer the client takes (RFC 9110, 12.5.1)."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the `Accept` header lines. Without any, everything is taken."""
        text = ",".join(lines) or "*/*"
        ranges = {part.partition(";")[0].strip().lower() for part in text.split(",") if not _refuses(part)}
        self.json = not ranges.isdisjoint({"application/json", "application/*", "*/*"})
        self.sse = not ranges.isdisjoint({"text/event-stream", "text/*", "*/*"})


class ReplyStream:
    """One answer in the making. What `keep` opens keeps its events, which then have ids and outlive the connection."""

    def __init__(
        self,
        request: web.Request,
        accepts: Accepts,
        *,
        keep: Callable[[], Stream] | None = None,
        silence_s: float = SILENCE_S,
        deadline_s: float = WRITE_DEADLINE_S,
    ) -> None:
        self.hung_up: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
        """Done when the connection was ended though the call goes on."""
        self._request = request
        self._accepts = accepts
        self._silence_s = silence_s
        self._deadline_s = deadline_s
        self._keep = keep
        self._kept: Stream | None = None
        self._last: bytes | None = None
        self._receipts: list[Receipts] = []
        self._call_ended = False
        self._response: web.StreamResponse | None = None
        self._gone = False
        self._finishing = False
        self._lock = asyncio.Lock()
        self._silence = asyncio.get_running_loop().call_later(silence_s, self._break_silence)
        self._beat: asyncio.Task[None] | None = None

    @property
    def opened(self) -> bool:
        """Whether something was sent, so that the result must follow on the stream."""
        return self._response is not None

    async def open(self) -> None:
        """Send the head and a first byte now. A client that takes no stream goes on waiting."""
        if not self._accepts.sse or self.opened:
            return
        async with self._lock:
            if not self._gone and not self._finishing and not self.opened:
                response = self._begin({})
                primed = self._kept is not None and self._kept.primed
                await self._put(response, b"" if primed else KEEP_ALIVE)

    async def send(self, message: bytes) -> bool:
        """Send one message, and say whether it went out. A client that takes no stream does not get it."""
        return self._accepts.sse and await self._write(message)

    async def finish(self, body: bytes, status: int, headers: dict[str, str]) -> web.StreamResponse:
        """Send the last message, as JSON with this status and these headers if no stream was opened."""
        self._hush()
        if self._response is None and self._accepts.json:
            response = web.Response(body=body, status=status, headers=headers, content_type="application/json")
            # What aiohttp writes after us, nobody tells us whether it arrived.
            late = len(body) <= FITS_BYTES and not self._receipts
            return response if late else await self._put_end(response)
        await self._write(body, headers)
        return await self.end()

    async def end(self) -> web.StreamResponse:
        """End the stream as it stands; of a cancelled call that is all there is."""
        self._hush()
        self._end_kept()
        if self._response is None and not self._accepts.sse:
            return web.Response(status=202)
        return await self._close()

    async def hang_up(self) -> None:
        """End the connection and not the stream: the client comes again with the last event id (SEP-1699)."""
        if self._keep is not None and self._accepts.sse and not self._gone:
            self._hush()
            response = await self._close()
            self.abandon()
            if not self.hung_up.done():
                self.hung_up.set_result(response)

    def leave_behind(self, body: bytes | None, receipts: Receipts | None = None) -> None:
        """The call has ended, with this as its last message: it is kept for a client whose connection is gone.

        Its receipts are run when the whole answer, of all calls that it answers, was handed over.
        """
        self._call_ended, self._last = True, body
        if receipts is not None:
            self._receipts.append(receipts)
        if self._gone:
            self._keep_last()

    def abandon(self) -> None:
        """The connection is lost: what is still sent is dropped, or kept for when the client comes again."""
        self._gone = True
        self._hush()
        if self._call_ended:
            self._keep_last()

    def _keep_last(self) -> None:
        if self._kept is not None:
            if self._last is not None:
                self._keep_event(self._last)
            self._end_kept()

    def _end_kept(self) -> None:
        if self._kept is not None:
            # Only a call that stands alone has its events kept, so there is one at most.
            self._kept.end(next(iter(self._receipts), None))

    def _keep_event(self, message: bytes) -> bytes:
        if message is self._last:
            self._last = None
        return frame(message) if self._kept is None else self._kept.append(message)

    async def _write(self, message: bytes, headers: dict[str, str] | None = None) -> bool:
        async with self._lock:
            if self._gone:
                self._keep_event(message)
                return False
            response = self._begin(headers or {})
            return await self._put(response, self._keep_event(message))

    async def _comment(self) -> None:
        async with self._lock:
            if not self._gone and not self._finishing:
                await self._put(self._begin({}), KEEP_ALIVE)

    async def _close(self) -> web.StreamResponse:
        async with self._lock:
            return await self._put_end(self._begin({}))

    async def _put(self, response: web.StreamResponse, chunk: bytes) -> bool:
        try:
            async with reaching(self._request, self._deadline_s):
                await self._prepare(response)
                await response.write(chunk)
        except ConnectionError:
            self.abandon()
            return False
        return True

    async def _put_end(self, response: web.StreamResponse) -> web.StreamResponse:
        with suppress(ConnectionError):
            async with reaching(self._request, self._deadline_s):
                await self._prepare(response)
            await (end_whole if self._receipts else _end)(self._request, response, self._deadline_s)
            for receipts in self._receipts:
                receipts.run()
        return response

    def _begin(self, headers: dict[str, str]) -> web.StreamResponse:
        if self._response is None:
            self._response = web.StreamResponse(headers=SSE_HEADERS | headers)
            self._kept = self._keep() if self._keep is not None else None
        return self._response

    async def _prepare(self, response: web.StreamResponse) -> None:
        if not response.prepared:
            await response.prepare(self._request)
            if self._kept is not None and self._kept.primed:
                await response.write(priming(f"{self._kept.id}-0"))

    def _hush(self) -> None:
        self._finishing = True
        self._silence.cancel()

    def _break_silence(self) -> None:
        if self._accepts.sse and not self._gone:
            if self._beat is None or self._beat.done():
                self._beat = asyncio.create_task(self._comment())
            self._silence = asyncio.get_running_loop().call_later(self._silence_s, self._break_silence)


@asynccontextmanager
async def reaching(request: web.Request, deadline_s: float = WRITE_DEADLINE_S) -> AsyncIterator[None]:
    """Write to a client inside. One that does not read is cut off, which is as if it had gone: `ConnectionError`."""
    try:
        async with asyncio.timeout(deadline_s):
            yield
    except TimeoutError as late:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("The client does not read.") from late


async def end_whole(request: web.Request, response: web.StreamResponse, deadline_s: float = WRITE_DEADLINE_S) -> None:
    """End an answer, and return when the last byte of it has left this process. `ConnectionError`: it has not."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("The connection is lost.")
    # The transport holds back those who write only while more than this waits in it.
    transport.set_write_buffer_limits(0)
    try:
        await _end(request, response, deadline_s)
    finally:
        transport.set_write_buffer_limits()
    if request.transport is None:  # lost while it was waited for, which need not raise
        raise ConnectionResetError("The connection is lost.")


async def _end(request: web.Request, response: web.StreamResponse, deadline_s: float) -> None:
    async with reaching(request, deadline_s):
        await response.write_eof()


def _refuses(part: str) -> bool:
    """Whether a media range says q=0, not acceptable."""
    parameters = part.replace(" ", "").lower().split(";")[1:]
    return any(parameter.startswith("q=0") and not parameter[3:].strip(".0") for parameter in parameters)
