"""`requestState` of multi round-trip requests: what a call carries from one round to the next, in the client's hands.

The answers of earlier rounds, what the handler keeps and what was asked, signed, and bound to the owner, the method
and its parameters; it expires. It is not encrypted: the client can read it, and can bring it again while it lives.
Spec 2026-07-28, MRTR, Server Requirements: treat it as attacker-controlled input.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.jsonrpc import Request

LIFETIME_S: Final = 3600
"""A form may lie open over lunch; a state from yesterday is asked for anew."""

_OWN: Final = ("inputResponses", "requestState", "_meta")
"""Params that differ from round to round, so the binding leaves them out."""

REFUSED: Final = (
    "params.requestState is not one that was given for this call, or has expired: send the call without it."
)


@dataclass(kw_only=True)
class RequestState:
    """The state of one call in this round. `asked` is what the round before asked; `answers` grows as we go."""

    key: bytes = field(repr=False)
    binding: str
    expires: float
    answers: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()

    def token(self, keep: Mapping[str, Any] | None, asked: Iterable[str]) -> str | None:
        """What to hand to the client that is `asked` these keys, or None when there is nothing to carry."""
        kept = self.kept if keep is None else dict(keep)
        if keep is None and not kept and not self.answers:
            return None
        payload = {"a": self.answers, "k": kept, "q": sorted(asked), "b": self.binding, "t": self.expires}
        body = base64.urlsafe_b64encode(orjson.dumps(payload)).decode()
        return f"{body}.{_sign(self.key, body)}"


def begin_state(key: bytes, request: Request, owner: str, now: float) -> RequestState:
    """The state of a call that was not asked anything yet."""
    return RequestState(key=key, binding=_binding(request, owner), expires=now + LIFETIME_S)


def read_state(key: bytes, request: Request, owner: str, now: float) -> RequestState | None:
    """The state that a request brings, if any. Raises -32602 for one that we did not give for this very call."""
    token = request.params.get("requestState")
    if token is None:
        return None
    if not isinstance(token, str) or not token.isascii():
        raise RpcError(INVALID_PARAMS, REFUSED)
    body, _, signature = token.rpartition(".")
    # The MAC is over the text as it came: a lenient Base64 decoder would overlook what was appended.
    if not hmac.compare_digest(signature, _sign(key, body)):
        raise RpcError(INVALID_PARAMS, REFUSED)
    payload = orjson.loads(base64.urlsafe_b64decode(body))
    state = begin_state(key, request, owner, now)
    if payload["b"] != state.binding or now >= payload["t"]:
        raise RpcError(INVALID_PARAMS, REFUSED)
    state.answers, state.kept, state.asked = payload["a"], payload["k"], frozenset(payload["q"])
    return state


def _binding(request: Request, owner: str) -> str:
    own = {name: value for name, value in request.params.items() if name not in _OWN}
    said = orjson.dumps([owner, request.method, own], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(said).hexdigest()


def _sign(key: bytes, body: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, body.encode(), "sha256")).rstrip(b"=").decode()
