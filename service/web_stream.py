"""The HTTP answer to one call: JSON, unless something comes before the result; then an SSE stream.

1. Nothing is sent until the handler has something to say, so that an error still gets its HTTP status.
2. The first notification, or `SILENCE_S` without one, opens the stream; comments keep a silent one alive.
3. The result is the last event, and ends the stream.

A client that is gone is no error: what is sent to it is dropped.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiohttp import hdrs, web

from service.protocol.dispatch import Answer
from service.protocol.sse import KEEP_ALIVE, frame

SILENCE_S: Final = 5.0
"""A client or proxy that hears nothing at all gives up, some after a minute; they get headers long before."""

WRITE_DEADLINE_S: Final = 30.0
"""A client that does not read for so long is gone."""

_SSE_HEADERS: Final = {
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
    """One answer in the making."""

    def __init__(self, request: web.Request, accepts: Accepts, silence_s: float = SILENCE_S) -> None:
        self._request = request
        self._accepts = accepts
        self._silence_s = silence_s
        self._response: web.StreamResponse | None = None
        self._gone = False
        self._lock = asyncio.Lock()
        self._silence = asyncio.get_running_loop().call_later(silence_s, self._break_silence)
        self._beat: asyncio.Task[None] | None = None

    async def send(self, message: bytes) -> None:
        """Send one notification. A client that takes no stream does not get it."""
        if self._accepts.sse:
            await self._write(frame(message))

    async def finish(self, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
        """Send the result, as JSON with `headers` and the answer's own status if no stream was opened."""
        self._silence.cancel()
        if self._response is None and self._accepts.json:
            return web.Response(
                body=answer.body, status=answer.status, headers=headers, content_type="application/json"
            )
        await self._write(frame(answer.body), headers)
        return await self.end()

    async def end(self) -> web.StreamResponse:
        """End the stream as it stands; of a cancelled call that is all there is."""
        self._silence.cancel()
        response = await self._open({})
        try:
            await response.write_eof()
        except ConnectionError:
            self._gone = True
        return response

    def abandon(self) -> None:
        """The connection is lost: drop whatever is still sent."""
        self._gone = True
        self._silence.cancel()

    async def _write(self, data: bytes, headers: dict[str, str] | None = None) -> None:
        async with self._lock:
            if self._gone:
                return
            try:
                async with asyncio.timeout(WRITE_DEADLINE_S):
                    response = await self._open(headers or {})
                    await response.write(data)
            except (ConnectionError, TimeoutError):
                self.abandon()

    async def _open(self, headers: dict[str, str]) -> web.StreamResponse:
        if self._response is None:
            self._response = web.StreamResponse(headers=_SSE_HEADERS | headers)
            await self._response.prepare(self._request)
        return self._response

    def _break_silence(self) -> None:
        if self._accepts.sse and not self._gone:
            self._beat = asyncio.create_task(self._write(KEEP_ALIVE))
            self._silence = asyncio.get_running_loop().call_later(self._silence_s, self._break_silence)


def _refuses(part: str) -> bool:
    """Whether a media range says q=0, not acceptable."""
    parameters = part.replace(" ", "").lower().split(";")[1:]
    return any(parameter.startswith("q=0") and not parameter[3:].strip(".0") for parameter in parameters)
