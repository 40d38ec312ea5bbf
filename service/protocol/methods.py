"""The method handlers, and METHODS, the one table of which there are and in which era.

A handler takes the server and the call, returns a plain dict and raises `RpcError`. It knows no HTTP and no envelope.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from service.protocol.call import Call
from service.protocol.catalog import Server
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.jsonrpc import Result
from service.protocol.versions import BOTH, LEGACY, MODERN, SUPPORTED_VERSIONS, Era

Handler: TypeAlias = Callable[[Server, Call], Awaitable[Result]]


@dataclass(frozen=True)
class Method:
    """One row of the table."""

    handle: Handler
    eras: frozenset[Era]


async def initialize(server: Server, call: Call) -> Result:
    """Open a session: admission has negotiated `call.version` and minted `call.session`."""
    return {
        "protocolVersion": call.version,
        "capabilities": server.capabilities,
        "serverInfo": server.info,
        "instructions": server.instructions,
    }


async def ping(server: Server, call: Call) -> Result:  # noqa: ARG001 - every handler takes both
    """Answer that we are here."""
    return {}


async def discover(server: Server, call: Call) -> Result:  # noqa: ARG001 - every handler takes both
    """Say what we speak and offer."""
    return {
        "supportedVersions": list(SUPPORTED_VERSIONS),
        "capabilities": server.capabilities,
        "instructions": server.instructions,
    }


async def list_tools(server: Server, call: Call) -> Result:
    """List the tools, always in one page and one order, so that a model's prompt cache holds."""
    if call.params.get("cursor") is not None:
        raise RpcError(INVALID_PARAMS, "params.cursor is not one of ours: tools/list has a single page.")
    return {"tools": [tool.listing for tool in server.tools.values()]}


async def call_tool(server: Server, call: Call) -> Result:
    """Run one tool. An unknown name is the caller's mistake; a failed run is a result."""
    name = call.params.get("name")
    tool = server.tools.get(name) if isinstance(name, str) else None
    if tool is None:
        known = ", ".join(server.tools)
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {str(name)[:100]}. The tools are: {known}.")
    arguments = call.params.get("arguments", {})
    if not isinstance(arguments, dict):
        raise RpcError(INVALID_PARAMS, "params.arguments must be an object, or be left out.")
    return await tool.run(call, arguments)


METHODS: Final[Mapping[str, Method]] = {
    "initialize": Method(initialize, LEGACY),
    "ping": Method(ping, LEGACY),
    "server/discover": Method(discover, MODERN),
    "tools/list": Method(list_tools, BOTH),
    "tools/call": Method(call_tool, BOTH),
}
