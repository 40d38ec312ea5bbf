"""The events of a legacy stream, kept so that a client that lost its connection gets what it missed.

Spec 2025-11-25, Resumability and Redelivery: an event id names its stream and its place in it; what was sent on one
stream is never replayed on another. Memory is bounded over all streams: the oldest that nobody follows goes first.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final

from service.protocol.receipts import Receipts
from service.protocol.sse import frame

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_STREAMS: Final = 2000


class Stream:
    """The events of one stream, from its first on. `primed`: it begins with an empty event, number 0."""

    # There are thousands, and most go without anybody having come for them.
    __slots__ = (
        "_ended",
        "_frames",
        "_grow",
        "_news",
        "id",
        "newest",
        "primed",
        "readers",
        "receipts",
        "session_id",
        "size",
    )

    def __init__(self, stream_id: str, session_id: str, *, primed: bool, grow: Callable[[int], None]) -> None:
        self.id = stream_id
        self.session_id = session_id
        self.primed = primed
        self.newest = 0
        """The number of the newest event."""
        self.size = 0
        self.readers = 0
        self.receipts: Receipts | None = None
        """To be run when somebody has followed it to its end."""
        self._grow: Callable[[int], None] | None = grow
        self._frames: list[bytes] = []
        self._ended = False
        self._news: asyncio.Event | None = None
        """What those who follow wait for. One serves all: who finds nothing new waits for the next, which sets it."""

    def append(self, message: bytes) -> bytes:
        """Keep one message, for whoever follows; returns its event."""
        self.newest += 1
        event = frame(message, f"{self.id}-{self.newest}")
        if self._grow is not None:
            self._frames.append(event)
            self.size += len(event)
            self._tell()
            self._grow(len(event))
        return event

    def end(self, receipts: Receipts | None = None) -> None:
        """There will be no more. `receipts` are those of the result, which is its last event."""
        self.receipts = receipts
        self._ended = True
        self._tell()

    def is_over(self, after: int) -> bool:
        """Whether nothing comes after number `after`, now or later."""
        return self._ended and after >= self.newest

    def let_go(self) -> None:
        """Keep nothing from now on; what is still appended has its event and is not kept."""
        self._grow = self.receipts = None
        self._frames.clear()

    async def follow(self, after: int) -> AsyncGenerator[bytes, None]:
        """Every event after number `after`, those to come as well, until the stream ends."""
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
class Streams:
    """The streams that can be resumed, oldest first. `size` counts the bytes of all their events."""

    max_bytes: int = MAX_BYTES
    max_streams: int = MAX_STREAMS
    size: int = 0
    _streams: OrderedDict[str, Stream] = field(default_factory=OrderedDict)

    def open(self, stream_id: str, session_id: str, *, primed: bool) -> Stream:
        """A new stream of a session; what is too old to be kept beside it goes."""
        stream = self._streams[stream_id] = Stream(stream_id, session_id, primed=primed, grow=self._grow)
        self._grow(0)
        return stream

    def find(self, event_id: str, session_id: str) -> tuple[Stream, int] | None:
        """The stream of an event of this session and the event's number, or None when it is not kept any more."""
        stream_id, _, number = event_id.rpartition("-")
        stream = self._streams.get(stream_id)
        if stream is None or stream.session_id != session_id or not number.isdecimal() or len(number) > 9:
            return None
        return (stream, int(number)) if int(number) <= stream.newest else None

    def forget_session(self, session_id: str) -> None:
        """Let go of everything that an ended session could have asked for."""
        for stream in [each for each in self._streams.values() if each.session_id == session_id]:
            stream.end()
            self._drop(stream)

    def _grow(self, by: int) -> None:
        self.size += by
        while self.size > self.max_bytes or len(self._streams) > self.max_streams:
            oldest = next((each for each in self._streams.values() if not each.readers), None)
            if oldest is None:
                return
            self._drop(oldest)

    def _drop(self, stream: Stream) -> None:
        del self._streams[stream.id]
        self.size -= stream.size
        stream.let_go()
