"""The official Python SDK's server under uvicorn, as its own documentation starts it."""

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

from benchmarks.serving import port_from_command_line
from benchmarks.work import DESCRIPTION, TOOL, reply_to

server = MCPServer("sdk", log_level="ERROR")


@server.tool(name=TOOL, description=DESCRIPTION, structured_output=False)
async def echo(message: str, context: Context) -> str:
    """Run the tool."""
    await context.report_progress(1)
    return reply_to(message)


if __name__ == "__main__":
    uvicorn.run(
        server.streamable_http_app(), host="127.0.0.1", port=port_from_command_line(), log_level="error",
        access_log=False,
    )  # fmt: skip
