"""Confirmation of irreversible steps: `confirm: true`, or the person's own yes where the client can ask for it."""

from typing import Any, Final

from service.protocol.call import Call
from service.protocol.client_requests import ELICIT_FORM, elicit
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


async def unconfirmed(call: Call, arguments: Arguments, question: str) -> str | None:
    """Return None to go ahead, else what the model is to do after the no, or before a yes. Call it before any effect.

    A modern call runs again from its start with the person's answer. Where no person can be asked, the question is the
    answer: no failure, since nothing went wrong.
    """
    if arguments.get("confirm", False):
        return None
    if not can_be_asked(call):
        return f"{question} Ask the person; only if they agree, call again with confirm true."
    answer = await call.ask("confirm", elicit(question, FORM))
    agreed = answer["action"] == "accept" and answer.get("content", {}).get("confirm") is True
    return None if agreed else AFTER_NO
