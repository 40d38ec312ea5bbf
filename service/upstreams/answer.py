"""One answer of an image service, read as its bytes arrive: parsed JSON out, however it was framed.

Bytes go through a `Base64Extractor` (long base64 out), an `SseReader` (events) and `orjson`. A service that was asked
to stream may answer with one JSON body, one that was not may stream, and some leave out the blank lines between events:
all come out as `Event`s. `listen` is the one loop that waits for the bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, NamedTuple, Protocol, TypeVar

import aiohttp
import orjson

from service.upstreams.base64_extractor import Base64Extractor, ExtractedBase64
from service.upstreams.errors import UpstreamError
from service.upstreams.image_sources import Source
from service.upstreams.kinds import Kind
from service.upstreams.sse import SseReader

MAX_ANSWER: Final = 100 * 1024 * 1024
"""Bytes of one answer: several pictures of the largest size, inline."""

MAX_EVENT: Final = 8 * 1024 * 1024
"""Bytes of one event or body without its long base64: what is parsed in one go. No service says as much."""

PIECE: Final = 32 * 1024
"""Bytes taken at one go, at most 0.5 ms of work."""

DONE: Final = b"[DONE]"

Said = TypeVar("Said")
Said_co = TypeVar("Said_co", covariant=True)


class Event(NamedTuple):
    """One JSON value of an answer, and what its event calls itself, if anything."""

    name: str
    value: object


class AnswerReader:
    """`feed` it all bytes, then `end` it. `done` says that the service has said all, though the connection is open.

    `unreadable` says that some event was no JSON, `text` is what came outside of all events and is no JSON either.
    """

    def __init__(self) -> None:
        self.lifted: Final = ExtractedBase64()
        self.done = False
        self.unreadable = False
        self.text = ""
        self._size = 0
        self._bytes = Base64Extractor(self.lifted, json=True)
        self._events = SseReader()

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes and yield the events that they complete."""
        self._size += len(data)
        if self._size > MAX_ANSWER:
            raise UpstreamError(Kind.LOST, detail=f"(Its answer is larger than {MAX_ANSWER // 2**20} MB.)")
        for event in self._events.feed(self._bytes.lift(data)):
            yield from self._event(event)

    def end(self) -> Iterator[Event]:
        """Yield what the end of the answer completes: a last event, or a body that was no stream."""
        for event in self._events.feed(self._bytes.rest()):
            yield from self._event(event)
        for event in self._events.rest():
            yield from self._event(event)
        yield from self._body(b"\n".join(self._events.other))

    def _event(self, data: bytes) -> Iterator[Event]:
        """Read the data of one event. Lines that only make sense one by one were sent without blank lines between."""
        if data.strip() == DONE:
            self.done = True
            return
        if len(data) > MAX_EVENT:
            raise UpstreamError(Kind.LOST, detail=f"(One part of its answer is larger than {MAX_EVENT // 2**20} MB.)")
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            lines = data.splitlines()
            self.unreadable |= len(lines) == 1
            for line in lines if len(lines) > 1 else ():
                yield from self._event(line)
        else:
            yield Event(self._events.name.decode(errors="replace"), value)

    def _body(self, body: bytes) -> Iterator[Event]:
        """Read what came outside of all events: one JSON body, JSON by lines, or a page of a proxy."""
        if body.lstrip().startswith((b"{", b"[")):
            yield from self._event(body)
        elif body.lstrip().startswith(b"<"):
            raise UpstreamError(Kind.ADDRESS, body.decode(errors="replace"))
        else:
            self.text = body.decode(errors="replace")


class Answer(Protocol[Said_co]):
    """What `listen` needs of an answer. `finished`: all was said, and only the end of the connection is missing."""

    @property
    def done(self) -> bool: ...

    @property
    def finished(self) -> bool: ...

    def feed(self, data: bytes) -> Iterator[Said_co]: ...

    def end(self) -> Iterator[Said_co]: ...

    def cut(self) -> None: ...

    def pictures(self) -> list[Source]: ...


async def listen(
    response: aiohttp.ClientResponse, answer: Answer[Said], tell: Callable[[Said], Awaitable[None]], linger_s: float
) -> None:
    """Read the answer to its end and tell what it says on the way.

    A connection that breaks after the picture arrived has lost nothing. One that stays open, or breaks, after all was
    said has ended.
    """
    while not answer.done:
        try:
            async with asyncio.timeout(linger_s if answer.finished else None):
                piece = await response.content.read(PIECE)
        except (aiohttp.ClientError, TimeoutError):
            if answer.finished:
                break
            answer.cut()
            if not answer.pictures():
                raise
            return
        if not piece:
            break
        for said in answer.feed(piece):
            await tell(said)
        await asyncio.sleep(0)  # reading what is buffered already lets nobody else run
    for said in answer.end():
        await tell(said)
