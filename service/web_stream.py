"""The HTTP answer to one call: JSON, unless something comes before the result; then an SSE stream.

1. Nothing is sent until the handler has something to say, so that an error still gets its HTTP status.
2. The first message, or `SILENCE_S` without one, opens the stream; comments keep a silent one alive.
3. The result is the last event, and ends the stream.

A client that is gone is no error: what is sent to it is dropped, but for what a legacy client may still come for
(`web_resume.py`).
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import hdrs, web

from service.protocol.replay import Stream
from service.protocol.sse import KEEP_ALIVE, frame, priming

SILENCE_S: Final = 5.0
"""A client or proxy that hears nothing at all gives up, some after a minute; they get headers long before."""

WRITE_DEADLINE_S: Final = 30.0
"""A client that does not read for so long is gone."""

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
        silence_s: float = SILENCE_S,
        keep: Callable[[], Stream] | None = None,
    ) -> None:
        self.hung_up: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
        """Done when the connection was ended though the call goes on."""
        self._request = request
        self._accepts = accepts
        self._silence_s = silence_s
        self._keep = keep
        self._kept: Stream | None = None
        self._response: web.StreamResponse | None = None
        self._gone = False
        self._lock = asyncio.Lock()
        self._silence = asyncio.get_running_loop().call_later(silence_s, self._break_silence)
        self._beat: asyncio.Task[None] | None = None

    @property
    def opened(self) -> bool:
        """Whether something was sent, so that the result must follow on the stream."""
        return self._response is not None

    async def send(self, message: bytes) -> None:
        """Send one message. A client that takes no stream does not get it."""
        if self._accepts.sse:
            await self._write(message)

    async def finish(self, body: bytes, status: int, headers: dict[str, str]) -> web.StreamResponse:
        """Send the last message, as JSON with this status and these headers if no stream was opened."""
        self._silence.cancel()
        if self._response is None and self._accepts.json:
            return web.Response(body=body, status=status, headers=headers, content_type="application/json")
        await self._write(body, headers)
        return await self.end()

    async def end(self) -> web.StreamResponse:
        """End the stream as it stands; of a cancelled call that is all there is."""
        self._silence.cancel()
        if self._kept is not None:
            self._kept.end()
        async with self._lock:
            response = await self._open({})
            try:
                await response.write_eof()
            except ConnectionError:
                self._gone = True
            return response

    async def hang_up(self) -> None:
        """End the connection and not the stream: the client comes again with the last event id (SEP-1699)."""
        if self._keep is None or not self._accepts.sse or self._gone:
            return
        async with self._lock:
            response = await self._open({})
            self.abandon()
            await response.write_eof()
        self.hung_up.set_result(response)

    def leave_behind(self, body: bytes | None) -> None:
        """The call has ended: when its connection is gone, the last message is kept for when the client comes again."""
        if self._gone and self._kept is not None:
            if body is not None:
                self._kept.append(body)
            self._kept.end()

    def abandon(self) -> None:
        """The connection is lost: what is still sent is dropped, or kept for when the client comes again."""
        self._gone = True
        self._silence.cancel()

    async def _write(self, message: bytes, headers: dict[str, str] | None = None) -> None:
        async with self._lock:
            if self._gone:
                self._keep_event(message)
                return
            try:
                async with asyncio.timeout(WRITE_DEADLINE_S):
                    response = await self._open(headers or {})
                    await response.write(self._keep_event(message))
            except (ConnectionError, TimeoutError):
                self.abandon()

    def _keep_event(self, message: bytes) -> bytes:
        return frame(message) if self._kept is None else self._kept.append(message)

    async def _open(self, headers: dict[str, str]) -> web.StreamResponse:
        if self._response is None:
            self._response = web.StreamResponse(headers=SSE_HEADERS | headers)
            await self._response.prepare(self._request)
            self._kept = self._keep() if self._keep is not None else None
            if self._kept is not None and self._kept.primed:
                await self._response.write(priming(f"{self._kept.id}-0"))
        return self._response

    async def _comment(self) -> None:
        async with self._lock:
            if not self._gone:
                try:
                    await (await self._open({})).write(KEEP_ALIVE)
                except ConnectionError:
                    self.abandon()

    def _break_silence(self) -> None:
        if self._accepts.sse and not self._gone:
            self._beat = asyncio.create_task(self._comment())
            self._silence = asyncio.get_running_loop().call_later(self._silence_s, self._break_silence)


def _refuses(part: str) -> bool:
    """Whether a media range says q=0, not acceptable."""
    parameters = part.replace(" ", "").lower().split(";")[1:]
    return any(parameter.startswith("q=0") and not parameter[3:].strip(".0") for parameter in parameters)
