"""Load: connections that each send a prepared request, wait for the whole answer, and send the next one.

Raw sockets under asyncio. An answer is not parsed while it is measured: its status line is looked at, and its end is
found by `Content-Length` or the last chunk. The first answer of each connection is kept for a closer look. What this
process itself takes is measured too, so that it cannot be the bottleneck unseen.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_NO_BODY: Final = b"HTTP/1.1 304"
PIECE: Final = 512 * 1024
SMALL: Final = 64 * 1024
"""Answers up to this size are looked through whenever they come; of larger ones the first alone."""

Turns: TypeAlias = Sequence[bytes]
"""The requests of one connection, sent in turn and over again."""


@dataclass(frozen=True)
class Expected:
    """The form of each answer: how it begins, and what an answer of `SMALL` size must hold."""

    start: bytes = b"HTTP/1.1 200"
    holds: bytes = b'"result"'


@dataclass
class Tally:
    """Outcome of one run of load. `latencies` in seconds; `busy` is the share of a core that the load took.

    `count` is every answer, those of the warm-up too.
    """

    count: int = 0
    latencies: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    samples: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    busy: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds


class Answer:
    """One answer as it comes in. `complete` once its end is there; its pieces are dropped where it is large."""

    def __init__(self, *, keeps: bool) -> None:
        self.head = b""
        self.complete = False
        self._keeps = keeps
        self._pieces: list[bytes] = []
        self._left = -1
        self._tail = b""

    @property
    def content(self) -> bytes:
        """All that was kept of it."""
        return self.head + b"".join(self._pieces)

    def feed(self, data: memoryview) -> None:
        """Take the next bytes."""
        if not self.head.endswith(_HEAD_END):
            rest = self.head + bytes(data)
            end = rest.find(_HEAD_END)
            if end < 0:
                self.head = rest
                return
            end += len(_HEAD_END)
            self.head, data = rest[:end], memoryview(rest)[end:]
            self._left = _length(self.head)
            self._keeps = self._keeps or self._left <= SMALL
        if self._keeps:
            self._pieces.append(bytes(data))
        if self._left >= 0:
            self._left -= len(data)
            self.complete = self._left <= 0
        else:
            self._tail = (self._tail + bytes(data[-len(_LAST_CHUNK) :]))[-len(_LAST_CHUNK) :]
            self.complete = self._tail == _LAST_CHUNK


def _length(head: bytes) -> int:
    """Bytes of the body that follows; -1 when it ends with its last chunk."""
    if head.startswith(_NO_BODY):
        return 0
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else -1


@dataclass(frozen=True)
class _Times:
    """When answers begin to count, and when the last request is sent."""

    counts_from: float
    until: float


class _Connection(asyncio.BufferedProtocol):
    """One keep-alive connection. `ended` is done when the time is up and the last answer is there."""

    def __init__(self, turns: Turns, tally: Tally, times: _Times, expected: Expected) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns: Iterator[bytes] = itertools.cycle(turns)
        self._tally = tally
        self._times = times
        self._expected = expected
        self._buffer = memoryview(bytearray(PIECE))
        self._answer = Answer(keeps=True)
        self._sent = 0.0
        self._first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self._tally.problems.append(f"a connection was closed: {exc}")
            self.ended.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._answer.feed(self._buffer[:nbytes])
        if self._answer.complete:
            self._complete(self._answer)

    def _send(self) -> None:
        self._answer = Answer(keeps=self._first)
        self._sent = time.perf_counter()
        self._transport.write(next(self._turns))

    def _complete(self, answer: Answer) -> None:
        now = time.perf_counter()
        content = answer.content
        if not content.startswith(self._expected.start) or self._expected.holds not in content:
            self._tally.problems.append(content[:500].decode(errors="replace"))
            self._end()
            return
        if self._first:
            self._tally.samples.append(content)
            self._first = False
        self._tally.count += 1
        if self._sent >= self._times.counts_from and now < self._times.until:
            self._tally.latencies.append(now - self._sent)
        if now < self._times.until:
            self._send()
        else:
            self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        self._transport.close()


async def press(port: int, connections: Sequence[Turns], warm_up_s: float, seconds: float, expected: Expected) -> Tally:
    """Have each connection send its requests over and over; what starts in the warm-up does not count."""
    tally = Tally(seconds=seconds)
    began = time.perf_counter() + warm_up_s
    times = _Times(began, began + seconds)
    loop, cpu = asyncio.get_running_loop(), time.process_time()
    opened = [_Connection(turns, tally, times, expected) for turns in connections]
    for each in opened:
        await loop.create_connection(lambda each=each: each, "127.0.0.1", port)  # type: ignore[misc]  # mypy infers no lambda with a default
    async with asyncio.timeout(warm_up_s + seconds + 60):
        await asyncio.gather(*(each.ended for each in opened))
    tally.busy = (time.process_time() - cpu) / (warm_up_s + seconds)
    return tally


async def ask(port: int, request: bytes) -> bytes:
    """Send one request on a connection of its own and return the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        answer = Answer(keeps=True)
        while not answer.complete:
            data = await reader.read(PIECE)
            if not data:
                raise RuntimeError(f"the connection was closed within the answer: {answer.content[:500]!r}")
            answer.feed(memoryview(data))
        return answer.content
    finally:
        writer.close()
