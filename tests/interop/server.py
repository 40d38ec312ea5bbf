"""The conformance fixture and a few tools more, over HTTP or stdio: `python -m tests.interop.server --port N`."""

import argparse
import asyncio
import contextlib
import secrets
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from service.protocol.admission import Keys
from service.protocol.call import Call
from service.protocol.catalog import Server, ToolEntry
from service.protocol.jsonrpc import Result
from service.protocol.session import Sessions
from service.protocol.subscriptions import Hub, ResourceUpdated
from service.stdio import StdioServer
from tests.conformance.content import said
from tests.conformance.server import running, server

Arguments = Mapping[str, Any]

LONG_S = 60.0
WATCHED = "test://watched-resource"


def object_of(kind: str, *names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name in names}, "required": list(names)}


def more_tools(hub: Hub) -> dict[str, ToolEntry]:
    """Tools that the suite lacks: structured output, a call that is cancelled, a resource that changes."""
    cancelled: Counter[str] = Counter()

    async def add(call: Call, arguments: Arguments) -> Result:
        total = arguments["a"] + arguments["b"]
        return {**said(f"The sum is {total}."), "structuredContent": {"sum": total}}

    async def wait(call: Call, arguments: Arguments) -> Result:
        try:
            call.report("Waiting.", 0)
            await asyncio.sleep(LONG_S)
        except asyncio.CancelledError:
            cancelled[arguments["key"]] += 1
            raise
        return said("Nobody cancelled.")

    async def was_cancelled(call: Call, arguments: Arguments) -> Result:
        return said("yes" if cancelled[arguments["key"]] else "no")

    async def touch(call: Call, arguments: Arguments) -> Result:
        hub.publish(ResourceUpdated(WATCHED))
        return said("Touched.")

    return {
        "add": entry("add", add, object_of("number", "a", "b"), outputSchema=object_of("number", "sum")),
        "wait": entry("wait", wait, object_of("string", "key")),
        "was_cancelled": entry("was_cancelled", was_cancelled, object_of("string", "key")),
        "touch": entry("touch", touch, {"type": "object"}),
    }


def entry(name: str, run: Any, schema: Mapping[str, Any], **listed: Any) -> ToolEntry:
    listing = {"name": name, "description": f"Interop fixture: {name}.", "inputSchema": schema, **listed}
    return ToolEntry(listing=listing, run=run)


def fixture() -> Server:
    """The conformance fixture with the further tools."""
    made = server()
    made.tools = {**made.tools, **more_tools(made.hub)}
    return made


async def serve_http(port: int) -> None:
    async with running(port, fixture()) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


async def serve_stdio() -> None:
    keys = Keys(sessions=Sessions(secrets.token_bytes(32)), request_state=secrets.token_bytes(32))
    stdio = StdioServer(server=fixture(), keys=keys, owner="local", output=sys.stdout.buffer)
    await stdio.serve(sys.stdin.buffer, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The interop fixture, on loopback or stdio.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stdio", action="store_true")
    asked = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_stdio() if asked.stdio else serve_http(asked.port))
