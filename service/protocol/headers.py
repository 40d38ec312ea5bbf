"""HTTP headers of MCP: their names, the `=?base64?…?=` form of values, and agreement with the body.

Spec 2026-07-28, Streamable HTTP, Request Metadata and Server Validation. A header that repeats, that lacks or that
differs is -32020: whoever routed by it and we, who act on the body, must have read the same.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Final

from service.protocol.errors import HEADER_MISMATCH, RpcError
from service.protocol.jsonrpc import Request

PROTOCOL_VERSION: Final = "Mcp-Protocol-Version"
METHOD: Final = "Mcp-Method"
NAME: Final = "Mcp-Name"
SESSION_ID: Final = "Mcp-Session-Id"
LAST_EVENT_ID: Final = "Last-Event-Id"
PARAM: Final = "Mcp-Param-"
"""How the names of the headers begin that hold an argument of a tool (`param_headers.py`)."""

NAMED_BY: Final[Mapping[str, str]] = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""Methods whose target goes into `Mcp-Name`, and the param that holds it."""

_ROUTING: Final = frozenset(name.lower() for name in (PROTOCOL_VERSION, METHOD, NAME, SESSION_ID))
_PREFIX: Final = "=?base64?"
_SUFFIX: Final = "?="


class Headers:
    """The headers of one request that MCP cares for, by name without regard to case."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Read raw header lines; raises `RpcError` when one that routes occurs twice."""
        lines = list(pairs)
        self._values = {name.lower(): value for name, value in lines}
        if len(self._values) < len(lines):  # seldom, and only then is it looked which
            _check_repeated(lines)

    def get(self, name: str) -> str | None:
        """The value of a header, or None."""
        return self._values.get(name.lower())


def _check_repeated(lines: Iterable[tuple[str, str]]) -> None:
    seen = set[str]()
    for name, _ in lines:
        key = name.lower()
        if key in seen and (key in _ROUTING or key.startswith(PARAM.lower())):
            raise RpcError(HEADER_MISMATCH, f"The header {name[:100]!r} occurs more than once; send it once.")
        seen.add(key)


def check_routing(headers: Headers, request: Request) -> None:
    """Raise -32020 unless `Mcp-Method`, and `Mcp-Name` where the method has a target, say what the body says."""
    _check(METHOD, headers.get(METHOD), request.method)
    param = NAMED_BY.get(request.method)
    target = request.params.get(param) if param else None
    # A target that is missing or no string is the method's own error, -32602, and nothing to compare with.
    if isinstance(target, str):
        sent = headers.get(NAME)
        _check(NAME, None if sent is None else decode_value(NAME, sent), target)


def decode_value(name: str, value: str) -> str:
    """The text behind a header value: as it stands, or out of its Base64 form, of which only the canonical is taken.

    A value with the prefix and no suffix is a literal (spec, Value Encoding).
    """
    if not (value.startswith(_PREFIX) and value.endswith(_SUFFIX) and len(value) >= len(_PREFIX) + len(_SUFFIX)):
        return value
    encoded = value[len(_PREFIX) : -len(_SUFFIX)]
    try:
        decoded = base64.b64decode(encoded, validate=True)
        # Bits after the last character let several spellings mean one value; a router may compare the spelling.
        if base64.b64encode(decoded).decode() == encoded:
            return decoded.decode()
    except (binascii.Error, ValueError):
        pass
    raise RpcError(HEADER_MISMATCH, f"The header {name} starts as Base64 but is not Base64 of UTF-8 text.")


def _check(name: str, sent: str | None, expected: str) -> None:
    if sent is None:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is missing; the body says {expected[:200]!r}.")
    if sent != expected:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is {sent[:200]!r}, but the body says {expected[:200]!r}.")
