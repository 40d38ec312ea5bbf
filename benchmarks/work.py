"""The work of every peer: one trivial tool, whose reply is about 500 bytes with all that surrounds it."""

from typing import Any, Final

TOOL: Final = "echo"
DESCRIPTION: Final = "Say something back."
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"message": {"type": "string"}},
    "required": ["message"],
}
FILLING: Final = "The quick brown fox jumps over the lazy dog, and all of it is repeated. " * 5


def reply_to(message: str) -> str:
    """The text that the tool answers with."""
    return f"{message}: {FILLING}"
