"""Confirmation of irreversible steps: `confirm: true`, or the person's own yes where the client can ask for it."""

from typing import Any, Final

from service.protocol.call import Call
from service.protocol.questions import ELICIT_FORM, elicit
from service.tools.base import Arguments

FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"confirm": {"type": "boolean", "title": "Yes, go ahead", "default": False}},
    "required": ["confirm"],
}

AFTER_NO: Final = (
    "The question came back without a yes. If the person wants it all the same, let them say so, then call again with "
    "confirm true."
)
"""The message after a no. The client may have answered by itself, so it does not say that the person refused."""


def can_be_asked(call: Call) -> bool:
    """Tell whether the client shows forms to its person."""
    return ELICIT_FORM in call.client.capabilities


async def confirmed(call: Call, arguments: Arguments, question: str) -> bool:
    """Return True to go ahead. Call it before any effect; where no person can be asked, the call ends with advice."""
    if arguments.get("confirm", False):
        return True
    instead = f"Nothing was done yet. {question} Ask the person; only if they agree, call again with confirm true."
    answer = await call.ask("confirm", elicit(question, FORM), instead=instead)
    return answer["action"] == "accept" and answer.get("content", {}).get("confirm") is True
