"""Streams of a legacy session over HTTP: the GET stream, and a call whose connection a test breaks."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tests.wire import ACCEPT, WireClient, request


@dataclass
class Event:
    """One server-sent event: its id, and the message it carries, if any."""

    id: str = ""
    message: dict[str, Any] = field(default_factory=dict)
    primes: bool = False


async def events_of(content: aiohttp.StreamReader | asyncio.StreamReader) -> AsyncIterator[Event]:
    """The events of a stream, one by one; comments and whatever frames chunks are passed over."""
    event = Event()
    async for line in content:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        if name == "id":
            event.id = value.strip()
        elif name == "data":
            event.message = json.loads(value) if value.strip() else {}
            event.primes = not event.message
        elif not name and not value and (event.message or event.primes):
            yield event
            event = Event()


@dataclass
class Stream:
    """An open GET stream."""

    answer: aiohttp.ClientResponse
    events: AsyncIterator[Event]

    async def next(self) -> Event:
        async with asyncio.timeout(60):
            return await anext(self.events)

    async def ended(self) -> bool:
        """True where nothing more comes; waits for it."""
        try:
            await self.next()
        except StopAsyncIteration:
            return True
        return False


@asynccontextmanager
async def get(client: WireClient, session_id: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Open the session's stream, or come again with `last_event_id`, past the first sign of life."""
    sent = {"Accept": "text/event-stream", "Mcp-Session-Id": session_id or client.session_id}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.session.get(client.url, headers=sent | client.headers) as answer:
        if answer.status == 200:
            assert (await answer.content.readline()).startswith(b":")
        yield Stream(answer, events_of(answer.content))


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection as a crashed client does: RST, no goodbye."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def calling(
    client: WireClient, tool: str, id_: object = 1, arguments: Mapping[str, Any] | None = None
) -> AsyncIterator[tuple[AsyncIterator[Event], asyncio.StreamWriter]]:
    """Call a tool over a connection of one's own, to break it."""
    url = URL(client.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    params = {"name": tool, "arguments": dict(arguments or {}), "_meta": {"progressToken": "p"}}
    body = json.dumps(request("tools/call", params, id_)).encode()
    head = [
        "POST /mcp HTTP/1.1",
        "Host: localhost",
        f"Accept: {ACCEPT}",
        "Content-Type: application/json",
        f"Mcp-Session-Id: {client.session_id}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in client.headers.items()),
    ]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    while (await reader.readline()).strip():
        pass
    try:
        yield events_of(reader), writer
    finally:
        writer.transport.abort()
