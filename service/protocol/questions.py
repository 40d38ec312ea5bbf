"""What a handler may ask the person or the client: elicitation, sampling, roots. And what counts as an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Answer: TypeAlias = dict[str, Any]

ELICIT: Final = "elicitation/create"
SAMPLE: Final = "sampling/createMessage"
ROOTS: Final = "roots/list"

ELICIT_FORM: Final = "elicitation/form"
ELICIT_URL: Final = "elicitation/url"
"""The two modes of eliciting. A client MUST NOT be asked in one that it did not declare (spec 2025-11-25)."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request to the client, as its method and params; `legacy_params` are what legacy revisions want besides.

    `capability` is what the client must have declared to be asked this, as `client.py` names it.
    """

    method: str
    params: Mapping[str, Any]
    capability: str
    legacy_params: Mapping[str, Any] = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        """As it stands in `inputRequests`."""
        return {"method": self.method, "params": dict(self.params)}

    def accepts(self, answer: object) -> bool:
        """Whether `answer` has the shape of a result of this method. What it says is the handler's to judge."""
        match self.method, answer:
            case "elicitation/create", {"action": "accept", **rest}:
                # A person who agreed to open a page has said no more than that.
                return self.capability == ELICIT_URL or isinstance(rest.get("content", {}), dict)
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
    params = {"mode": "form", "message": message, "requestedSchema": dict(schema)}
    return Question(method=ELICIT, params=params, capability=ELICIT_FORM)


def elicit_url(message: str, url: str, elicitation_id: str) -> Question:
    """Ask the person to open a page of ours: `accept` says that they agreed to, not that they are done there.

    What they enter stays between them and the page. `elicitation_id` is unique, and names it in a notice that it is
    done (`Call.complete_elicitation`); revision 2026-07-28 has neither.
    """
    params = {"mode": "url", "message": message, "url": url}
    own = {"elicitationId": elicitation_id}
    return Question(method=ELICIT, params=params, capability=ELICIT_URL, legacy_params=own)


def sample(text: str, *, max_tokens: int) -> Question:
    """Ask the client's model to answer a text."""
    message = {"role": "user", "content": {"type": "text", "text": text}}
    return Question(method=SAMPLE, params={"messages": [message], "maxTokens": max_tokens}, capability="sampling")


def list_roots() -> Question:
    """Ask the client for its roots."""
    return Question(method=ROOTS, params={}, capability="roots")
