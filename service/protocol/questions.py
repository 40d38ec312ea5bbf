"""What a handler may ask the person or the client: elicitation, sampling, roots. And what counts as an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Answer: TypeAlias = dict[str, Any]

ELICIT: Final = "elicitation/create"
SAMPLE: Final = "sampling/createMessage"
ROOTS: Final = "roots/list"

CAPABILITY: Final[Mapping[str, str]] = {ELICIT: "elicitation/form", SAMPLE: "sampling", ROOTS: "roots"}
"""What the client must have declared to be asked this, as `client.py` names it. We elicit by forms alone."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request to the client, as its method and params."""

    method: str
    params: Mapping[str, Any]

    @property
    def capability(self) -> str:
        """The client capability that it takes."""
        return CAPABILITY[self.method]

    def wire(self) -> dict[str, Any]:
        """As it stands in `inputRequests`, or in a JSON-RPC request."""
        return {"method": self.method, "params": dict(self.params)}

    def accepts(self, answer: object) -> bool:
        """Whether `answer` has the shape of a result of this method. What it says is the handler's to judge."""
        match self.method, answer:
            case "elicitation/create", {"action": "accept", **rest}:
                return isinstance(rest.get("content", {}), dict)
            case "elicitation/create", {"action": "decline" | "cancel"}:
                return True
            case "sampling/createMessage", {"role": str(), "content": dict() | list(), "model": str()}:
                return True
            case "roots/list", {"roots": list()}:
                return True
            case _:
                return False


def elicit(message: str, schema: Mapping[str, Any]) -> Question:
    """Ask the person to fill in a form: `schema` is an object of primitive properties."""
    return Question(method=ELICIT, params={"mode": "form", "message": message, "requestedSchema": dict(schema)})


def sample(text: str, *, max_tokens: int) -> Question:
    """Ask the client's model to answer a text."""
    message = {"role": "user", "content": {"type": "text", "text": text}}
    return Question(method=SAMPLE, params={"messages": [message], "maxTokens": max_tokens})


def list_roots() -> Question:
    """Ask the client for its roots."""
    return Question(method=ROOTS, params={})
