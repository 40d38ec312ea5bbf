"""Server-sent events as bytes, and the events of legacy streams, stored for clients that lost their connection.

Spec 2025-11-25, Resumability and Redelivery: an event id names its stream and its place in it; events of one stream
are never replayed on another. Memory is bounded over all streams, and of each owner: the oldest that has no reader goes
first. The format of events is that of WHATWG HTML, Server-sent events, Parsing an event stream.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final

from service.bounds.limits import REPLAY_MEGABYTES, Allowances
from service.protocol.call import DeliveryCallbacks
from service.protocol.origins import MARK

KEEP_ALIVE: Final = b": still here\n\n"
"""A comment. Clients ignore it; it keeps proxies and clients from taking a silent stream for a dead one."""

RETRY_MS: Final = 500
"""Milliseconds that a client whose connection was ended waits before it comes again."""

EVENT: Final = b"event: message\ndata: %b\n\n"
"""The event of one JSON-RPC message. JSON from our encoder holds no line break."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of all events of all streams."""

MAX_STREAMS: Final = 2000


def frame(message: bytes, event_id: str | None = None) -> bytes:
    """Return the event of one JSON-RPC message, with an id on a stream that can be resumed."""
    event = EVENT % message
    return event if event_id is None else b"id: %b\n%b" % (event_id.encode(), event)


def priming(event_id: str) -> bytes:
    """Return the first event of a stream that can be resumed: an id, no data (spec 2025-11-25, Transports; SEP-1699).

    The empty `data` line is needed: an event without one is not dispatched, and its id not remembered.
    """
    return f"id: {event_id}\nretry: {RETRY_MS}\ndata:\n\n".encode()


class Stream:
    """The events of one stream, from its first on. `primed`: it begins with an empty event, number 0."""

    # There are thousands, and most are never asked for.
    __slots__ = (
        "_ended",
        "_frames",
        "_grow",
        "_news",
        "delivery",
        "id",
        "newest",
        "origin",
        "owner",
        "primed",
        "readers",
        "session_id",
        "size",
    )

    def __init__(
        self, stream_id: str, session_id: str, owner: str, *, primed: bool, grow: "Callable[[Stream, int], None]"
    ) -> None:
        """Begin a stream without events; `grow` gets the stream and the size of each stored one."""
        self.id = stream_id
        self.session_id = session_id
        self.owner = owner
        self.primed = primed
        self.origin = ""
        """The origin of the stream in the ids of its events (`origins.py`), from where it is known on."""
        self.newest = 0
        """The number of the newest event."""
        self.size = 0
        self.readers = 0
        self.delivery: DeliveryCallbacks | None = None
        """The callbacks of the result, for a reader that followed the stream to its end."""
        self._grow: Callable[[Stream, int], None] | None = grow
        self._frames: list[bytes] = []
        self._ended = False
        self._news: asyncio.Event | None = None
        """Set for all readers at once; a reader that finds nothing new waits for the next event, which sets it."""

    @property
    def place(self) -> str:
        """The id of the newest event."""
        return f"{self.id}{self.origin}-{self.newest}"

    def append(self, message: bytes) -> bytes:
        """Store one message for the readers; returns its event."""
        self.newest += 1
        event = frame(message, self.place)
        if self._grow is not None:
            self._frames.append(event)
            self.size += len(event)
            self._tell()
            self._grow(self, len(event))
        return event

    def end(self, delivery: DeliveryCallbacks | None = None) -> None:
        """Take no more events. `delivery` are the callbacks of the result, which is the last event."""
        self.delivery = delivery
        self._ended = True
        self._tell()

    def is_over(self, after: int) -> bool:
        """Return whether nothing comes after number `after`, now or later."""
        return self._ended and after >= self.newest

    def let_go(self) -> None:
        """Free the stored events. Further messages have their events, and are not stored."""
        self._grow = self.delivery = None
        self._frames.clear()

    async def follow(self, after: int) -> AsyncGenerator[bytes, None]:
        """Yield every event after number `after`, and later ones as they come, until the stream ends."""
        self.readers += 1
        try:
            while True:
                while after < len(self._frames):
                    after += 1
                    yield self._frames[after - 1]
                if self._ended:
                    return
                self._news = self._news or asyncio.Event()
                self._news.clear()
                await self._news.wait()
        finally:
            self.readers -= 1

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()


@dataclass
class _Kept:
    """Streams in their order, oldest first, and the bytes of all their events."""

    size: int = 0
    streams: OrderedDict[str, Stream] = field(default_factory=OrderedDict)

    def exceeds(self, max_bytes: float, max_streams: int) -> bool:
        return self.size > max_bytes or len(self.streams) > max_streams


@dataclass
class Streams:
    """The streams that can be resumed, within bounds of bytes and number, of all owners and of each.

    `max_bytes_of` takes an owner.
    """

    max_bytes: float = MAX_BYTES
    max_bytes_of: Callable[[str], float] = lambda owner: math.inf  # noqa: ARG005 - the signature
    max_streams: int = MAX_STREAMS
    max_streams_of_one: int = MAX_STREAMS // 2
    _all: _Kept = field(default_factory=_Kept)
    _of_owners: dict[str, _Kept] = field(default_factory=dict)

    @classmethod
    def within(cls, allowances: Allowances) -> "Streams":
        """Return a store within the limits of the settings."""
        bound = allowances.bound(REPLAY_MEGABYTES)
        return cls(max_bytes=bound.overall * 1_000_000, max_bytes_of=lambda owner: bound.each(owner) * 1_000_000)

    @property
    def size(self) -> int:
        """The bytes of all events."""
        return self._all.size

    def open(self, stream_id: str, session_id: str, owner: str, *, primed: bool) -> Stream:
        """Return a new stream of a session; older ones beyond the limits are dropped."""
        stream = Stream(stream_id, session_id, owner, primed=primed, grow=self._grow)
        for kept in (self._all, self._of_owners.setdefault(owner, _Kept())):
            kept.streams[stream_id] = stream
        self._grow(stream, 0)
        return stream

    def find(self, event_id: str, session_id: str) -> tuple[Stream, int] | None:
        """Return the stream of an event of this session and the event's number; None when it is not stored any more."""
        name, _, number = event_id.rpartition("-")
        stream = self._all.streams.get(name.partition(MARK)[0])
        if stream is None or stream.session_id != session_id or not number.isdecimal() or len(number) > 9:
            return None
        return (stream, int(number)) if int(number) <= stream.newest else None

    def forget_session(self, session_id: str) -> None:
        """Drop all streams of an ended session."""
        for stream in [each for each in self._all.streams.values() if each.session_id == session_id]:
            stream.end()
            self._drop(stream)

    def _grow(self, stream: Stream, by: int) -> None:
        """Count bytes, and make room: first among the owner's own, then among all."""
        own = self._of_owners[stream.owner]
        self._all.size += by
        own.size += by
        self._make_room(own, self.max_bytes_of(stream.owner), self.max_streams_of_one)
        self._make_room(self._all, self.max_bytes, self.max_streams)

    def _make_room(self, kept: _Kept, max_bytes: float, max_streams: int) -> None:
        while kept.exceeds(max_bytes, max_streams):
            oldest = next((each for each in kept.streams.values() if not each.readers), None)
            if oldest is None:
                return
            self._drop(oldest)

    def _drop(self, stream: Stream) -> None:
        own = self._of_owners[stream.owner]
        for kept in (self._all, own):
            del kept.streams[stream.id]
            kept.size -= stream.size
        if not own.streams:
            del self._of_owners[stream.owner]
        stream.let_go()
