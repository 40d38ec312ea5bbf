"""`history_page`: one page of the history with small pictures, for the view of an MCP App.

It is shown to clients of MCP Apps alone, whose hosts keep it from the model; it tells no more than `history` does.
"""

from service.authorization import LOOK
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import Arguments, Tool
from service.tools.context import ToolContext
from service.tools.history import list_page

PAGE: int = 12
"""Jobs of one page, when left out."""


async def run(context: ToolContext, call: Call, arguments: Arguments) -> Result:
    """Return the page."""
    return await list_page(context, call, {"limit": PAGE, "scope": "all", **arguments})


TOOL = Tool(
    name="history_page",
    scope=LOOK,
    run=run,
    annotations={"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
)
