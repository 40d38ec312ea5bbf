"""The HTTP response to one call: JSON, unless a message comes before the result; then an SSE stream.

1. Nothing is sent until the handler has something to say, so that an error still gets its HTTP status.
2. The first message, or `SILENCE_S` without one, opens the stream; comments keep a silent one alive.
3. The result is the last event, and ends the stream.

A lost connection is no error: messages are dropped then, but for those that a legacy client may still come for
(`replay.py`).
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Final, Protocol

from aiohttp import web

from service.protocol.call import Call, DeliveryCallbacks
from service.protocol.origins import Origin
from service.protocol.pending_requests import ClientChannel, PendingRequests
from service.protocol.replay import EVENT, KEEP_ALIVE, Stream, priming
from service.web.response import FITS_BYTES, NO_HEADERS, SENT_LAST, RawResponse

SILENCE_S: Final = 5.0
"""Clients and proxies give up on a silent response, some after a minute; they get headers long before."""

AGAIN_S: Final = 20.0
"""Seconds between two comments after that: the shortest limits that proxies have are about a minute."""

AT_ONCE: Final = 50
"""Comments that are sent before other work has its turn: a millisecond."""

MOMENTS: Final = 50
"""The parts of the first wait by which comments may be late."""

WRITE_DEADLINE_S: Final = 120.0
"""The largest result, of 800 kB, over a modem. A client that takes longer does not read, and is disconnected."""


class Accepts:
    """The forms of a response that the client takes (RFC 9110, 12.5.1)."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the `Accept` header lines. Without any, everything is taken."""
        text = ",".join(lines) or "*/*"
        ranges = {part.partition(";")[0].strip().lower() for part in text.split(",") if not _refuses(part)}
        self.json = not ranges.isdisjoint({"application/json", "application/*", "*/*"})
        self.sse = not ranges.isdisjoint({"text/event-stream", "text/*", "*/*"})


class Silent(Protocol):
    """A response that may fall silent."""

    def beat(self) -> bool:
        """Send a keep-alive comment; return whether another may be needed."""


class KeepAlive:
    """Sends comments on silent responses: the first after `first_s` seconds, others `again_s` seconds after the last.

    One timer serves all of them. Nearly every response ends before its first comment, and a timer set and cancelled
    with each costs more than its JSON. All wait equally long, so the one that began first is due first.
    """

    def __init__(self, first_s: float, again_s: float | None = None) -> None:
        """Watch no response yet. Without `again_s` all waits are equal."""
        self._first_s = first_s
        self._again_s = again_s or first_s
        self._new: dict[Silent, float] = {}
        self._known: dict[Silent, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, response: Silent) -> None:
        """Start sending comments on this response when it is silent."""
        self._new[response] = time.monotonic() + self._first_s  # as the loop counts
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._first_s, self._tick)

    def forget(self, response: Silent) -> None:
        """Stop sending comments on this response: it has ended, or its client is gone."""
        if self._new.pop(response, None) is None:
            self._known.pop(response, None)

    def _tick(self) -> None:
        """Send the comments that are due, of thousands so many at once."""
        loop = asyncio.get_running_loop()
        now, self._timer = loop.time(), None
        due = [*_due(self._new, now), *_due(self._known, now)]
        for response in due:
            self.forget(response)
            if response.beat():
                self._known[response] = now + self._again_s
        following = [next(iter(each.values())) for each in (self._new, self._known) if each]
        if following:
            # Those that are due within a moment go together; where there are more already, after other work.
            moment = self._first_s / MOMENTS if len(due) < AT_ONCE else 0.0
            self._timer = loop.call_at(max(min(following), now + moment), self._tick)


def _due(waiting: Mapping[Silent, float], now: float) -> list[Silent]:
    return [response for response, due in islice(waiting.items(), AT_ONCE) if due <= now]


class ReplyStream:
    """The response in the making. Events go to the store that `store` opens, then have ids and outlive the connection.

    Every write is whole and at once, so that messages of several tasks stay in order.
    """

    __slots__ = (
        *("_accepts", "_call_ended", "_deadline_s", "_deliveries", "_gone", "_keep_alive", "_last", "_response"),
        *("_origin", "_store", "_stored", "hung_up"),
    )

    def __init__(
        self,
        request: web.Request,
        accepts: Accepts,
        keep_alive: KeepAlive,
        *,
        store: Callable[[], Stream] | None = None,
        deadline_s: float = WRITE_DEADLINE_S,
    ) -> None:
        """Begin a response of which nothing is sent yet; a slow reader is disconnected after `deadline_s`."""
        self.hung_up = False
        """True once the connection was ended though the call goes on."""
        self._accepts = accepts
        self._call_ended = False
        self._deadline_s = deadline_s
        self._deliveries: list[DeliveryCallbacks] = []
        self._gone = False
        self._keep_alive = keep_alive
        self._last: bytes | None = None
        self._origin = ""
        self._store = store
        self._stored: Stream | None = None
        self._response = RawResponse(request)

    @property
    def opened(self) -> bool:
        """True for a stream, of which the result must be an event."""
        return self._response.begun

    def watch_silence(self) -> None:
        """Become a stream, by a comment, once nothing was sent for a while; else silence lasts to the first message."""
        if self._accepts.sse:
            self._keep_alive.watch(self)

    def open(self) -> None:
        """Send the head and a first byte now, unless the client takes no stream."""
        if self._accepts.sse and not self._response.begun and not self._gone:
            self._put_chunk(self._begin() or KEEP_ALIVE)

    async def send(self, message: bytes) -> bool:
        """Send one message, waiting for a slow reader; return whether it went out."""
        if not self._accepts.sse or not self._put(message):
            return False
        return self._response.waiting <= FITS_BYTES or await self._flush(whole=False)

    def post(self, message: bytes) -> None:
        """Send one message without waiting; dropped on the wire, though not from the store, for a slow reader."""
        if self._accepts.sse:
            self._put(message, optional=True)

    def note_origin(self, origin: Origin) -> None:
        """Note what the result comes from; a client of an open stream learns the new id by an empty event."""
        self._origin = origin.written()
        if self._stored is not None:
            self._stored.origin = self._origin
            if self._stored.primed and not self._gone:
                self._put_chunk(priming(self._stored.place), optional=True)

    def beat(self) -> bool:
        """Send a comment, unless the client has not read the bytes before; return whether it is still there."""
        if not self._gone and not self._response.waiting:
            self._put_chunk(self._begin() + KEEP_ALIVE)
        return not self._gone

    async def finish(self, body: bytes, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
        """Send the last message, as JSON with this status and these headers if no stream was opened."""
        self._keep_alive.forget(self)
        if self._response.begun or not self._accepts.json:
            sent = self._put(body, headers, last=True)
        else:
            sent = not self._gone and self._response.whole(body, status, headers)
        self._end_stored()
        if sent and not self._deliveries and self._response.waiting <= FITS_BYTES:
            return self._response.sent
        return await self._deliver(sent)

    async def end(self) -> web.StreamResponse:
        """End the stream without a result, as of a cancelled call. A stream that hung up goes on elsewhere."""
        if self.hung_up:
            return self._response.sent
        self._keep_alive.forget(self)
        if not self._response.begun and not self._accepts.sse:
            return web.Response(status=202)
        sent = not self._gone and self._response.end(self._begin())
        self._end_stored()
        return await self._deliver(sent)

    def hang_up(self) -> bool:
        """End the connection and not the stream; return whether there was one that can be resumed (SEP-1699)."""
        if self._store is None or not self._accepts.sse or self._gone:
            return False
        self._response.end(self._begin())
        self.hung_up = True
        self.abandon()
        return True

    def leave_behind(self, body: bytes | None, delivery: DeliveryCallbacks | None = None) -> None:
        """Note the last message of the call, which has ended, for a client whose connection is gone.

        Its delivery callbacks run when the whole response, of all calls of it, was handed over.
        """
        self._call_ended, self._last = True, body
        if delivery is not None:
            self._deliveries.append(delivery)
        if self._gone:
            self._store_last()

    def abandon(self) -> None:
        """Give up the lost connection: further messages are stored for a client that comes again, or dropped."""
        self._gone = True
        self._keep_alive.forget(self)
        if self._call_ended:
            self._store_last()

    async def _deliver(self, sent: bool) -> web.StreamResponse:
        """Wait until the client has taken the whole response, and run the delivery callbacks."""
        if not sent:  # a response that was cut must not look like a whole one
            return SENT_LAST
        if (self._deliveries or self._response.waiting > FITS_BYTES) and await self._flush(
            whole=bool(self._deliveries)
        ):
            for delivery in self._deliveries:
                delivery.run()
        return self._response.sent

    async def _flush(self, *, whole: bool) -> bool:
        taken = await self._response.flush(self._deadline_s, whole=whole)
        if not taken:
            self.abandon()
        return taken

    def _put(
        self, message: bytes, headers: Mapping[str, str] = NO_HEADERS, *, last: bool = False, optional: bool = False
    ) -> bool:
        """Write a message as an event, or store it for a client that is gone."""
        if self._gone:
            self._event_of(message)
            return False
        head = b"" if self._response.begun else self._begin()
        return self._put_chunk(head + self._event_of(message), headers, last=last, optional=optional)

    def _put_chunk(
        self, chunk: bytes, headers: Mapping[str, str] = NO_HEADERS, *, last: bool = False, optional: bool = False
    ) -> bool:
        response = self._response
        written = response.end(chunk, headers) if last else response.put(chunk, headers, optional=optional)
        if not written:
            self.abandon()
        return written

    def _begin(self) -> bytes:
        """Return the event with which a stream begins; none where it has begun, or where nobody stores events."""
        if self._response.begun or self._store is None:
            return b""
        self._stored = self._store()
        self._stored.origin = self._origin
        return priming(self._stored.place) if self._stored.primed else b""

    def _event_of(self, message: bytes) -> bytes:
        """Return the event of a message, which is stored where events are."""
        if message is self._last:
            self._last = None
        return EVENT % message if self._stored is None else self._stored.append(message)

    def _store_last(self) -> None:
        if self._stored is not None:
            if self._last is not None:
                self._event_of(self._last)
            self._end_stored()

    def _end_stored(self) -> None:
        if self._stored is not None:
            # Only a call that stands alone has its events stored, so there is one at most.
            self._stored.end(next(iter(self._deliveries), None))


class StreamChannel(ClientChannel):
    """The channel of a call whose response is a `ReplyStream`; `leave` lets the request end without its call."""

    __slots__ = ("_leave", "_stream", "pending", "takes_messages")

    def __init__(
        self, stream: ReplyStream, accepts: Accepts, pending: PendingRequests, leave: Callable[[Call], None]
    ) -> None:
        """Make the channel of one call on the stream of its request, or of its batch."""
        self.pending = pending
        self.takes_messages = accepts.sse
        self._stream = stream
        self._leave = leave

    async def send(self, message: bytes) -> bool:
        """Send on the stream."""
        return await self._stream.send(message)

    def post(self, message: bytes) -> None:
        """Send on the stream without waiting."""
        self._stream.post(message)

    def open(self) -> None:
        """Send the head of the stream."""
        self._stream.open()

    def note_origin(self, origin: Origin) -> None:
        """Note it in the ids of events."""
        self._stream.note_origin(origin)

    def hang_up(self, call: Call) -> None:
        """End the connection of a call whose client can come again for its result."""
        if self._stream.hang_up():
            self._leave(call)


def _refuses(part: str) -> bool:
    """Return whether a media range has q=0, not acceptable."""
    parameters = part.replace(" ", "").lower().split(";")[1:]
    return any(parameter.startswith("q=0") and not parameter[3:].strip(".0") for parameter in parameters)
