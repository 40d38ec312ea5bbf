"""The yardstick: what aiohttp costs with the least that answers a JSON-RPC request. It checks nothing."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from aiohttp import web

from benchmarks.serving import port_from_command_line
from benchmarks.work import DESCRIPTION, SCHEMA, TOOL, reply_to

Params: TypeAlias = Mapping[str, Any]
SERVER: Final = {"name": "bare", "version": "1"}


def call(params: Params) -> dict[str, Any]:
    """Run the tool."""
    return {"content": [{"type": "text", "text": reply_to(params["arguments"]["message"])}]}


def list_tools(params: Params) -> dict[str, Any]:  # noqa: ARG001 - every method takes them
    """List the tool."""
    return {"tools": [{"name": TOOL, "description": DESCRIPTION, "inputSchema": SCHEMA}]}


METHODS: Final[Mapping[str, Callable[[Params], dict[str, Any]]]] = {"tools/call": call, "tools/list": list_tools}


async def post(request: web.Request) -> web.StreamResponse:
    """Answer one request, as a stream where progress is asked for."""
    message = json.loads(await request.read())
    params = message["params"]
    result = METHODS[message["method"]](params)
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": "complete", **result}}
    token = params.get("_meta", {}).get("progressToken")
    if token is None:
        return web.Response(body=json.dumps(answer).encode(), content_type="application/json")
    notice = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}}
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await stream.prepare(request)
    for each in (notice, answer):
        await stream.write(b"event: message\ndata: " + json.dumps(each).encode() + b"\n\n")
    await stream.write_eof()
    return stream


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/mcp", post)
    web.run_app(app, host="127.0.0.1", port=port_from_command_line(), access_log=None, print=None)
