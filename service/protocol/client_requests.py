"""Requests that a server may send to a client: elicitation, sampling and roots, and the shape of their results.

A handler makes one with `elicit`, `elicit_url`, `sample` or `list_roots` and hands it to `Call.ask`. `sample` and
`list_roots` are used by the conformance fixture alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from service.protocol.client import Client
from service.protocol.errors import MISSING_CAPABILITY, RpcError
from service.protocol.jsonrpc import Result

ClientResult: TypeAlias = dict[str, Any]
"""The result of one request to the client, as the schema of its method has it."""

ELICIT: Final = "elicitation/create"
SAMPLE: Final = "sampling/createMessage"
ROOTS: Final = "roots/list"

ELICIT_FORM: Final = "elicitation/form"
ELICIT_URL: Final = "elicitation/url"
"""The two modes of eliciting. A client MUST NOT be asked in one that it did not declare (spec 2025-11-25)."""


class UnaskableError(Exception):
    """The client cannot be asked. The message names the argument to pass instead."""


def tool_error(text: str) -> Result:
    """Return a refusal as a tool result, which the model reads and acts on."""
    return {"content": [{"type": "text", "text": text}], "isError": True}


@dataclass(frozen=True, kw_only=True)
class ClientRequest:
    """One request to the client: its method, its params, and the capability that the client must have declared.

    `capability` is spelled as in `Client.capabilities`. `legacy_params` are sent to legacy revisions in addition.
    """

    method: str
    params: Mapping[str, Any]
    capability: str
    legacy_params: Mapping[str, Any] = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        """Return the entry of `inputRequests` (spec 2026-07-28, MRTR)."""
        return {"method": self.method, "params": dict(self.params)}

    def accepts(self, result: object) -> bool:
        """Return whether `result` has the shape of a result of this method. Its content is for the handler to judge."""
        match self.method, result:
            case "elicitation/create", {"action": "accept", **rest}:
                # The consent to open a page brings no content.
                return self.capability == ELICIT_URL or isinstance(rest.get("content", {}), dict)
            case "elicitation/create", {"action": "decline" | "cancel"}:
                return True
            case "sampling/createMessage", {"role": str(), "content": dict() | list(), "model": str()}:
                return True
            case "roots/list", {"roots": list()}:
                return True
            case _:
                return False


def elicit(message: str, schema: Mapping[str, Any]) -> ClientRequest:
    """Return the request to fill in a form; `schema` is an object of primitive properties."""
    params = {"mode": "form", "message": message, "requestedSchema": dict(schema)}
    return ClientRequest(method=ELICIT, params=params, capability=ELICIT_FORM)


def elicit_url(message: str, url: str, elicitation_id: str) -> ClientRequest:
    """Return the request to open a page of ours. `accept` is the consent to open it, and says nothing of its end.

    The page's content stays between the person and the page. `elicitation_id` is unique, and names the page in
    `Call.complete_elicitation`; revision 2026-07-28 has neither.
    """
    params = {"mode": "url", "message": message, "url": url}
    own = {"elicitationId": elicitation_id}
    return ClientRequest(method=ELICIT, params=params, capability=ELICIT_URL, legacy_params=own)


def sample(text: str, *, max_tokens: int) -> ClientRequest:
    """Return the request to have the client's model answer a text."""
    message = {"role": "user", "content": {"type": "text", "text": text}}
    return ClientRequest(method=SAMPLE, params={"messages": [message], "maxTokens": max_tokens}, capability="sampling")


def list_roots() -> ClientRequest:
    """Return the request for the client's roots."""
    return ClientRequest(method=ROOTS, params={}, capability="roots")


def check_capabilities(client: Client, requests: Mapping[str, ClientRequest], instead: str | None) -> None:
    """Raise unless the client declared the capability of every request.

    Spec 2026-07-28: a server MUST NOT rely on capabilities the client has not declared. With `instead`, the argument
    to pass, it is an `UnaskableError`; else -32021.
    """
    missing = sorted({each.capability for each in requests.values()} - client.capabilities)
    if not missing:
        return
    if instead is not None:
        raise UnaskableError(instead)
    raise missing_capabilities(dict(map(_shaped, missing)))


def missing_capabilities(required: Mapping[str, Any]) -> RpcError:
    """Return -32021 with the capabilities that the client must declare, shaped as `ClientCapabilities`."""
    names = ", ".join(required)
    return RpcError(MISSING_CAPABILITY, f"The client must declare: {names}.", {"requiredCapabilities": dict(required)})


def _shaped(capability: str) -> tuple[str, dict[str, Any]]:
    """Return the member of `ClientCapabilities` for a capability spelled as in `Client.capabilities`."""
    name, _, mode = capability.partition("/")
    return name, {mode: {}} if mode else {}
