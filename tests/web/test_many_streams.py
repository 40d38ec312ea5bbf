"""Many streams of notices: all are told, and all may close at once (the watchdog of the loop looks on)."""

import asyncio
import json
from typing import Any

from service.protocol.subscriptions import TOOLS
from tests.conftest import Serve
from tests.wire import ACCEPT, modern_headers, modern_params, request, until, wire_client

STREAMS = 150

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(port: int, line: str, headers: dict[str, str], body: bytes, awaited: bytes) -> Ends:
    """A connection on which a stream has begun."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fields = {"Host": f"127.0.0.1:{port}", "Accept": ACCEPT, **headers, "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body)
    await reader.readuntil(awaited)
    return reader, writer


async def modern(port: int, id_: int) -> Ends:
    message: dict[str, Any] = request(
        "subscriptions/listen", modern_params({"notifications": {"toolsListChanged": True}}), id_
    )
    headers = {**modern_headers("subscriptions/listen"), "Content-Type": "application/json"}
    return await opened(port, "POST /mcp", headers, json.dumps(message).encode(), b"acknowledged")


async def test_hundreds_of_streams_are_told_and_close_at_once(serve: Serve) -> None:
    """Bug: 5,000 that closed at once kept the loop for three seconds."""
    limits = {"EASEL_STREAMS": "0/0", "EASEL_CALLS_PER_MINUTE": "0/0", "EASEL_CALLS_AT_ONCE": "0/0"}
    async with serve(**limits, EASEL_CONNECTIONS="0/0") as easel, wire_client(easel.mcp_url) as client:
        port, hub = easel.settings.port, easel.endpoint.server.hub
        streams = [await modern(port, number) for number in range(STREAMS)]
        for _ in range(STREAMS):
            await client.open()
            headers = {"Mcp-Session-Id": client.session_id, "Mcp-Protocol-Version": "2025-11-25"}
            streams.append(await opened(port, "GET /mcp", headers, b"", b"still here"))
        assert hub.streams.overall == 2 * STREAMS
        hub.publish(TOOLS)
        await asyncio.gather(*(reader.readuntil(b"notifications/tools/list_changed") for reader, _ in streams))
        for _, writer in streams:
            writer.close()
        await until(lambda: hub.streams.overall == 0)
        assert not hub.is_heard
        assert not easel.endpoint.keep_alive._new
        assert not easel.endpoint.keep_alive._known
