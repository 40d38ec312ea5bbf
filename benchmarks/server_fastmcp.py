"""FastMCP's server over HTTP, as its own documentation starts it.

The checkout's own environment has no fastmcp: hence the import by name, which is not type-checked.
"""

from importlib import import_module
from typing import Any

from benchmarks.serving import port_from_command_line
from benchmarks.work import DESCRIPTION, TOOL, reply_to

fastmcp: Any = import_module("fastmcp")
server = fastmcp.FastMCP("fastmcp")


async def echo(message: str, context: fastmcp.Context) -> str:
    """Run the tool."""
    await context.report_progress(1)
    return reply_to(message)


server.tool(name=TOOL, description=DESCRIPTION, output_schema=None)(echo)

if __name__ == "__main__":
    server.run(
        transport="http", host="127.0.0.1", port=port_from_command_line(), log_level="error", show_banner=False,
        uvicorn_config={"access_log": False},
    )  # fmt: skip
