"""The tools: TOOLS is the list, in the order in which clients show them."""

from typing import Final

from service.tools import cache, delete, generate, generate_image, history, history_page
from service.tools.base import Tool

TOOLS: Final[tuple[Tool, ...]] = (generate.TOOL, generate_image.TOOL, history.TOOL, delete.TOOL, cache.TOOL)

APP_TOOLS: Final[tuple[Tool, ...]] = (history_page.TOOL,)
"""Tools of the view of an MCP App, which no model is shown."""
