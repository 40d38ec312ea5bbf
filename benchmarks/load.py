"""Load: connections that each send a prepared request, wait for the whole answer, and send it again.

Raw sockets under asyncio. An answer is not parsed while it is measured: its status line and its last bytes are looked
at, and its end is found by `Content-Length` or the last chunk. The first answer of each connection is kept for a
closer look. What this process itself takes is measured too, so that it cannot be the bottleneck unseen.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_OK: Final = b"HTTP/1.1 200"


@dataclass
class Tally:
    """What one run of load found out. `latencies` in seconds; `busy` is the share of a core that the load took.

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


class _Connection(asyncio.Protocol):
    """One keep-alive connection. `ended` is done when the time is up and the last answer is there."""

    def __init__(self, request: bytes, tally: Tally, counts_from: float, until: float) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._tally = tally
        self._counts_from = counts_from
        self._until = until
        self._buffer = b""
        self._total = -1
        self._sent = 0.0
        self._first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self._tally.problems.append(f"a connection was closed: {exc}")
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if self._total < 0:
            self._total = _length(buffer)
        if len(buffer) >= self._total if self._total > 0 else self._total == 0 and buffer.endswith(_LAST_CHUNK):
            self._complete(buffer)

    def _send(self) -> None:
        self._buffer, self._total = b"", -1
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def _complete(self, answer: bytes) -> None:
        now = time.perf_counter()
        if not answer.startswith(_OK) or b'"result"' not in answer:
            self._tally.problems.append(answer[:500].decode(errors="replace"))
            self._end()
            return
        if self._first:
            self._tally.samples.append(answer)
            self._first = False
        self._tally.count += 1
        if self._sent >= self._counts_from and now < self._until:
            self._tally.latencies.append(now - self._sent)
        if now < self._until:
            self._send()
        else:
            self._end()

    def _end(self) -> None:
        self.ended.set_result(None)
        self._transport.close()


async def press(port: int, requests: Sequence[bytes], warm_up_s: float, seconds: float) -> Tally:
    """Send each request on a connection of its own, over and over; what starts in the warm-up does not count."""
    tally = Tally(seconds=seconds)
    counts_from = time.perf_counter() + warm_up_s
    until = counts_from + seconds
    loop, cpu = asyncio.get_running_loop(), time.process_time()
    connections = [_Connection(request, tally, counts_from, until) for request in requests]
    for each in connections:
        await loop.create_connection(lambda each=each: each, "127.0.0.1", port)  # type: ignore[misc]  # mypy infers no lambda with a default
    async with asyncio.timeout(warm_up_s + seconds + 30):
        await asyncio.gather(*(each.ended for each in connections))
    tally.busy = (time.process_time() - cpu) / (warm_up_s + seconds)
    return tally


def _length(buffer: bytes) -> int:
    """Bytes of the whole answer; 0 when it ends with its last chunk, -1 while its head is not complete."""
    end = buffer.find(_HEAD_END)
    if end < 0:
        return -1
    _, found, rest = buffer[:end].lower().partition(b"\r\ncontent-length:")
    return end + len(_HEAD_END) + int(rest.partition(b"\r\n")[0]) if found else 0
