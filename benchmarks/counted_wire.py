"""Proxies on loopback that pass bytes on and count: the round trips and notices of PostgreSQL, the requests of S3.

A round trip is a change of direction: the client has said something, and waits for the server. It is named after the
last statement in what was said. Connecting is a round trip of its own kind (postgresql.org/docs/current/protocol.html).
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

PIECE: Final = 1 << 18
TYPE_BYTES: Final = 1
LENGTH_BYTES: Final = 4
SSL_REQUEST: Final = 80877103
LONGEST_NAME: Final = 70
CONNECTING: Final = "(connecting)"
PREPARING: Final = "(preparing)"
REQUEST: Final = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n")
OWN_NAME: Final = re.compile(r"[0-9a-f]{16,}[^/?]*")


@dataclass
class Counts:
    """The counts of one proxy: round trips or requests by their names, notices, and connections now and at most."""

    trips: Counter[str] = field(default_factory=Counter)
    notices: int = 0
    connections: int = 0
    most_connections: int = 0

    def clear(self) -> None:
        """Begin anew, with the connections that are open."""
        self.trips.clear()
        self.notices = 0
        self.most_connections = self.connections


class Watcher(Protocol):
    """Sees what passes on one connection."""

    def asked(self, data: bytes) -> None:
        """Take bytes of the client."""

    def answered(self, data: bytes) -> None:
        """Take bytes of the server."""


class PostgresWatcher:
    """Reads the messages of both sides of one connection."""

    def __init__(self, counts: Counts) -> None:
        """Begin before the first byte."""
        self._counts = counts
        self._is_asking = False
        self._name = CONNECTING
        self._statements: dict[bytes, str] = {}
        self._sent = b""
        self._received = b""
        self._is_started = False

    def asked(self, data: bytes) -> None:
        """Take bytes of the client."""
        self._is_asking = True
        self._sent += data
        while (message := self._next()) is not None:
            self._read(*message)

    def answered(self, data: bytes) -> None:
        """Take bytes of the server: the first after the client's end a round trip."""
        if self._is_asking:
            self._counts.trips[self._name] += 1
            self._is_asking = False
        self._received += data
        if not self._is_started:  # the answer to the question for TLS is one byte
            self._received = b""
            return
        while len(self._received) > LENGTH_BYTES:
            size = TYPE_BYTES + int.from_bytes(self._received[1:5], "big")
            if len(self._received) < size:
                return
            self._counts.notices += self._received[:1] == b"A"
            self._received = self._received[size:]

    def _next(self) -> tuple[bytes, bytes] | None:
        """The next whole message of the client, by its type."""
        head = TYPE_BYTES if self._is_started else 0
        if len(self._sent) < head + LENGTH_BYTES:
            return None
        size = head + int.from_bytes(self._sent[head : head + LENGTH_BYTES], "big")
        if len(self._sent) < size:
            return None
        kind, body = self._sent[:head], self._sent[head + LENGTH_BYTES : size]
        self._sent = self._sent[size:]
        if not self._is_started:
            self._is_started = int.from_bytes(body[:4], "big") != SSL_REQUEST
        return kind, body

    def _read(self, kind: bytes, body: bytes) -> None:
        if kind == b"Q":
            self._name = shown(body)
        elif kind == b"P":
            name, _, rest = body.partition(b"\0")
            self._statements[name] = shown(rest)
            self._name = f"{PREPARING} {self._statements[name]}"
        elif kind == b"B":
            name = body.partition(b"\0")[2].partition(b"\0")[0]
            self._name = self._statements.get(name, "?")


def shown(statement: bytes) -> str:
    """The beginning of a statement, up to a zero byte, in one line."""
    text = " ".join(statement.partition(b"\0")[0].decode(errors="replace").split())
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


class HttpWatcher:
    """Counts requests, by their method and their path without what is a name of one object."""

    def __init__(self, counts: Counts) -> None:
        """Begin before the first request."""
        self._counts = counts

    def asked(self, data: bytes) -> None:
        """Take bytes of the client. A request begins with a piece of its own, as the client waits before it."""
        if (found := REQUEST.match(data)) is not None:
            path = OWN_NAME.sub("…", found[2].decode().partition("?")[0])
            self._counts.trips[f"{found[1].decode()} {path}"] += 1

    def answered(self, data: bytes) -> None:
        """Take bytes of the server."""


@asynccontextmanager
async def counted(port: int, watch: Callable[[Counts], Watcher]) -> AsyncIterator[tuple[int, Counts]]:
    """Listen before a port of this machine, until the block ends; the value is the port to go to, and the counts."""
    counts = Counts()
    at_work: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, see: Callable[[bytes], None]) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE):
                see(data)
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        watcher = watch(counts)
        counts.connections += 1
        counts.most_connections = max(counts.most_connections, counts.connections)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(carry(reader, there_writer, watcher.asked))
                group.create_task(carry(there_reader, writer, watcher.answered))
        finally:
            counts.connections -= 1
            writer.close()
            there_writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        at_work.add(task)
        task.add_done_callback(at_work.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], counts
    finally:
        server.close()
        for task in tuple(at_work):
            task.cancel()
