"""Our protocol layer and edge with the one tool, guard and all checks on, as `service.app` puts them together."""

import asyncio
import contextlib
import gc
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.serving import port_from_command_line
from benchmarks.work import DESCRIPTION, SCHEMA, TOOL, reply_to
from service.protocol.admission import Keys
from service.protocol.call import Call
from service.protocol.catalog import Server, ToolEntry
from service.protocol.jsonrpc import Result
from service.protocol.session import Sessions
from service.settings import Settings
from service.storage.disk_sessions import DiskSessions
from service.web.connections import Bounds, Connections
from service.web.guard import Guard
from service.web.mcp import MAX_BODY_BYTES, McpEndpoint
from service.web.sessions import add_routes
from service.web.sockets import Listener, listen


async def echo(call: Call, arguments: Mapping[str, Any]) -> Result:
    """Run the tool."""
    call.report("At work", 1)
    return {"content": [{"type": "text", "text": reply_to(arguments["message"])}]}


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    listing = {"name": TOOL, "description": DESCRIPTION, "inputSchema": SCHEMA}
    tools = {TOOL: ToolEntry(listing=listing, run=echo)}
    server = Server(name="easel", version="1", title="Easel", instructions="Call echo.", tools=tools)
    with tempfile.TemporaryDirectory() as folder:
        ended = DiskSessions(Path(folder), time.time)
        sessions = Sessions(secrets.token_bytes(32))
        keys = Keys(sessions=sessions, request_state=secrets.token_bytes(32), is_ended=ended.contains)
        app = web.Application(middlewares=[Guard(Settings.from_env({})).middleware()], client_max_size=MAX_BODY_BYTES)
        add_routes(app, "/mcp", McpEndpoint(server=server, keys=keys), ended)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        assert runner.server is not None, "it was set up"  # noqa: S101 - aiohttp's type covers a runner that was not
        Listener(listen("127.0.0.1", port), Connections(Bounds())).start(app, runner.server)
        gc.freeze()  # as `service.serve` does
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(port_from_command_line()))
