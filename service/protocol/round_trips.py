"""Multi round-trip requests (spec 2026-07-28, MRTR): a call that asks ends with `input_required` and is run again.

`requestState` carries the call from one round to the next, in the client's hands: the results of earlier rounds, what
the handler keeps, and which requests were sent. It is signed, bound to the owner, the method and its params, and
expires; it is not encrypted. Spec, Server Requirements: treat it as attacker-controlled input.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from service.protocol import signing
from service.protocol.client_requests import ClientRequest, ClientResult
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.jsonrpc import Request

LIFETIME_S: Final = 3600
"""A form may lie open over lunch; a state from yesterday is asked for anew."""

_PER_ROUND: Final = ("inputResponses", "requestState", "_meta")
"""Params that differ from round to round, so the binding leaves them out."""

REFUSED: Final = (
    "params.requestState is not one that was given for this call, or has expired: send the call without it."
)


class InputRequiredError(Exception):
    """Ends a call early: `result` asks the client to send the call again with the results of `inputRequests`."""

    def __init__(self, result: dict[str, Any]) -> None:
        """Take the result of the call."""
        super().__init__("input required")
        self.result = result


@dataclass(kw_only=True)
class RequestState:
    """The state of one call in this round. `asked` are the keys of the round before; `results` grows in each round."""

    key: bytes = field(repr=False)
    binding: str
    expires: float
    results: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()

    def token(self, keep: Mapping[str, Any] | None, asked: Iterable[str]) -> str | None:
        """Return the `requestState` for a client that is `asked` these keys; None when there is nothing to carry."""
        kept = self.kept if keep is None else dict(keep)
        if keep is None and not kept and not self.results:
            return None
        payload = {"a": self.results, "k": kept, "q": sorted(asked), "b": self.binding, "t": self.expires}
        body = signing.encode(orjson.dumps(payload))
        return f"{body}.{signing.sign(self.key, body)}"


def begin_state(key: bytes, request: Request, owner: str, now: float) -> RequestState:
    """Return the state of a call in its first round."""
    return RequestState(key=key, binding=_binding(request, owner), expires=now + LIFETIME_S)


def read_state(key: bytes, request: Request, owner: str, now: float) -> RequestState | None:
    """Return the state that a request brings, if any; raises -32602 for one that was not given for this very call."""
    token = request.params.get("requestState")
    if token is None:
        return None
    if not isinstance(token, str) or not token.isascii():
        raise RpcError(INVALID_PARAMS, REFUSED)
    body, _, signature = token.rpartition(".")
    if not signing.is_signed(key, body, signature):
        raise RpcError(INVALID_PARAMS, REFUSED)
    payload = orjson.loads(signing.decode(body))
    state = begin_state(key, request, owner, now)
    if payload["b"] != state.binding or now >= payload["t"]:
        raise RpcError(INVALID_PARAMS, REFUSED)
    state.results, state.kept, state.asked = payload["a"], payload["k"], frozenset(payload["q"])
    return state


class RoundTrips:
    """The asking of one call: results that its client brought are taken, and missing ones end the call."""

    def __init__(self, state: RequestState, responses: object) -> None:
        """Begin a round with the state so far and the `inputResponses` of the request."""
        self._state = state
        self._responses: dict[str, Any] = responses if isinstance(responses, dict) else {}

    @property
    def kept(self) -> Mapping[str, Any]:
        """The mapping that the handler kept when it asked in the round before."""
        return self._state.kept

    def ask(self, requests: Mapping[str, ClientRequest], keep: Mapping[str, Any] | None) -> dict[str, ClientResult]:
        """Return the results that came with this round or an earlier one; raises `InputRequiredError` for missing ones.

        A result that was taken stands. With something to `keep`, a result counts only beside the state that keeps it:
        the handler goes on with what the client saw when it answered.
        """
        state = self._state
        counted = {key: each for key, each in self._responses.items() if keep is None or key in state.asked}
        known = {**counted, **state.results}
        results = {key: known[key] for key, each in requests.items() if each.accepts(known.get(key))}
        missing = {key: each for key, each in requests.items() if key not in results}
        state.results.update(results)
        if not missing:
            return results
        result: dict[str, Any] = {
            "resultType": "input_required",
            "inputRequests": {key: each.wire() for key, each in missing.items()},
        }
        token = state.token(keep, missing)
        if token is not None:
            result["requestState"] = token
        raise InputRequiredError(result)


def _binding(request: Request, owner: str) -> str:
    stable = {name: value for name, value in request.params.items() if name not in _PER_ROUND}
    bound = orjson.dumps([owner, request.method, stable], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(bound).hexdigest()
