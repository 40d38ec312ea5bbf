"""The HTTP answer to one call: JSON, unless something comes before the result; then an SSE stream.

1. Nothing is sent until the handler has something to say, so that an error still gets its HTTP status.
2. The first message, or `SILENCE_S` without one, opens the stream; comments keep a silent one alive.
3. The result is the last event, and ends the stream.

A client that is gone is no error: what is sent to it is dropped, but for what a legacy client may still come for
(`replay.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from aiohttp import web

from service.protocol.receipts import Receipts
from service.protocol.replay import Stream
from service.protocol.sse import KEEP_ALIVE, frame, priming
from service.web.keep_alive import Silences
from service.web.response import FITS_BYTES, SENT_LAST, HttpAnswer

SILENCE_S: Final = 5.0
"""A client or proxy that hears nothing at all gives up, some after a minute; they get headers long before."""

WRITE_DEADLINE_S: Final = 120.0
"""The largest result, of 800 kB, over a modem. A client that takes longer does not read, and is cut off."""

NO_HEADERS: Final[Mapping[str, str]] = {}


class Accepts:
    """Which of the two forms of an answer the client takes (RFC 9110, 12.5.1)."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the `Accept` header lines. Without any, everything is taken."""
        text = ",".join(lines) or "*/*"
        ranges = {part.partition(";")[0].strip().lower() for part in text.split(",") if not _refuses(part)}
        self.json = not ranges.isdisjoint({"application/json", "application/*", "*/*"})
        self.sse = not ranges.isdisjoint({"text/event-stream", "text/*", "*/*"})


class ReplyStream:
    """One answer in the making. What `keep` opens keeps its events, which then have ids and outlive the connection.

    Whatever is written is written at once and whole, so that what several say at a time stays in order.
    """

    __slots__ = (
        *("_accepts", "_answer", "_call_ended", "_deadline_s", "_gone", "_keep", "_kept", "_last", "_receipts"),
        *("_silences", "hung_up"),
    )

    def __init__(
        self,
        request: web.Request,
        accepts: Accepts,
        silences: Silences,
        *,
        keep: Callable[[], Stream] | None = None,
        deadline_s: float = WRITE_DEADLINE_S,
    ) -> None:
        self.hung_up = False
        """Whether the connection was ended though the call goes on."""
        self._accepts = accepts
        self._answer = HttpAnswer(request)
        self._call_ended = False
        self._deadline_s = deadline_s
        self._gone = False
        self._keep = keep
        self._kept: Stream | None = None
        self._last: bytes | None = None
        self._receipts: list[Receipts] = []
        self._silences = silences
        if accepts.sse:
            silences.watch(self)

    @property
    def opened(self) -> bool:
        """Whether something was sent, so that the result must follow on the stream."""
        return self._answer.begun

    async def open(self) -> None:
        """Send the head and a first byte now. A client that takes no stream goes on waiting."""
        if self._accepts.sse and not self.opened and not self._gone:
            self._put_chunk(self._begin() or KEEP_ALIVE)

    async def send(self, message: bytes) -> bool:
        """Send one message, and say whether it went out. A client that takes no stream does not get it."""
        if not self._accepts.sse or not self._put(message):
            return False
        return self._answer.waiting <= FITS_BYTES or await self._taken(whole=False)

    def beat(self) -> bool:
        """Break the silence, unless the client has not read what it was told before."""
        if not self._gone and not self._answer.waiting:
            self._put_chunk(self._begin() + KEEP_ALIVE)
        return not self._gone

    async def finish(self, body: bytes, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
        """Send the last message, as JSON with this status and these headers if no stream was opened."""
        self._silences.forget(self)
        if self.opened or not self._accepts.json:
            sent = self._put(body, headers, last=True)
        else:
            sent = not self._gone and self._answer.whole(body, status, headers)
        return await self._ended(sent)

    async def end(self) -> web.StreamResponse:
        """End the stream as it stands; of a cancelled call that is all there is. One that hung up goes on elsewhere."""
        if self.hung_up:
            return self._answer.sent
        self._silences.forget(self)
        if not self.opened and not self._accepts.sse:
            return web.Response(status=202)
        return await self._ended(not self._gone and self._answer.end(self._begin()))

    def hang_up(self) -> bool:
        """End the connection and not the stream: the client comes again with the last event id (SEP-1699).

        Whether there was such a connection.
        """
        if self._keep is None or not self._accepts.sse or self._gone:
            return False
        self._answer.end(self._begin())
        self.hung_up = True
        self.abandon()
        return True

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
        self._silences.forget(self)
        if self._call_ended:
            self._keep_last()

    async def _ended(self, sent: bool) -> web.StreamResponse:
        """See that the client takes the whole answer, where that matters to somebody or will take a while."""
        self._end_kept()
        if not sent:  # whatever is there of the answer must not look like all of it
            return SENT_LAST
        if not self._receipts and self._answer.waiting <= FITS_BYTES:
            return self._answer.sent
        if await self._taken(whole=bool(self._receipts)):
            for receipts in self._receipts:
                receipts.run()
        return self._answer.sent

    async def _taken(self, *, whole: bool) -> bool:
        taken = await self._answer.flushed(self._deadline_s, whole=whole)
        if not taken:
            self.abandon()
        return taken

    def _put(self, message: bytes, headers: Mapping[str, str] = NO_HEADERS, *, last: bool = False) -> bool:
        """Write a message as an event, or keep it for a client that is gone."""
        if self._gone:
            self._keep_event(message)
            return False
        return self._put_chunk(self._begin(headers) + self._keep_event(message), last=last)

    def _put_chunk(self, chunk: bytes, *, last: bool = False) -> bool:
        written = self._answer.end(chunk) if last else self._answer.put(chunk)
        if not written:
            self.abandon()
        return written

    def _begin(self, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """Be a stream, if it is none yet; what it begins with then."""
        if self.opened:
            return b""
        self._answer.begin(headers)
        if self._keep is None:
            return b""
        self._kept = self._keep()
        return priming(f"{self._kept.id}-0") if self._kept.primed else b""

    def _keep_event(self, message: bytes) -> bytes:
        if message is self._last:
            self._last = None
        return frame(message) if self._kept is None else self._kept.append(message)

    def _keep_last(self) -> None:
        if self._kept is not None:
            if self._last is not None:
                self._keep_event(self._last)
            self._end_kept()

    def _end_kept(self) -> None:
        if self._kept is not None:
            # Only a call that stands alone has its events kept, so there is one at most.
            self._kept.end(next(iter(self._receipts), None))


def _refuses(part: str) -> bool:
    """Whether a media range says q=0, not acceptable."""
    parameters = part.replace(" ", "").lower().split(";")[1:]
    return any(parameter.startswith("q=0") and not parameter[3:].strip(".0") for parameter in parameters)
