"""HTTP headers of MCP: their names, the `=?base64?…?=` form of values, and agreement with the body.

Spec 2026-07-28, Streamable HTTP, Request Metadata, Server Validation, and Custom Headers from Tool Parameters. A header
that repeats, is missing or differs from the body is -32020: a proxy that routed by the header and the server, which
acts on the body, must have read the same. `x-mcp-header` in a schema, by which an argument of a tool goes into
`Mcp-Param-*` as well, is used by the conformance fixture alone.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from service.protocol.errors import HEADER_MISMATCH, RpcError
from service.protocol.jsonrpc import Request

PROTOCOL_VERSION: Final = "Mcp-Protocol-Version"
METHOD: Final = "Mcp-Method"
NAME: Final = "Mcp-Name"
SESSION_ID: Final = "Mcp-Session-Id"
LAST_EVENT_ID: Final = "Last-Event-Id"
PARAM: Final = "Mcp-Param-"
"""The beginning of the names of headers that hold an argument of a tool."""

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

ParamHeaders: TypeAlias = Mapping[tuple[str, ...], str]
"""The path of each annotated property, and the name of its header."""

ANNOTATION: Final = "x-mcp-header"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TYPES: Final = ("string", "integer", "boolean")
_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords that hold schemas by name."""
_VALUES: Final = ("default", "const", "enum", "examples")
"""Keywords that hold no schemas."""
_DECIMAL: Final = re.compile(r"-?[0-9]{1,400}(\.0+)?")


class Headers:
    """The headers of one request, by name without regard to case."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Read raw header lines; raises `RpcError` when a routing header occurs twice."""
        lines = list(pairs)
        self._values = {name.lower(): value for name, value in lines}
        if len(self._values) < len(lines):  # seldom: only then the lines are gone through
            _check_repeated(lines)

    def get(self, name: str) -> str | None:
        """Return the value of a header, or None."""
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
    # A target that is missing or no string is the method's own error, -32602: there is nothing to compare with.
    if isinstance(target, str):
        sent = headers.get(NAME)
        _check(NAME, None if sent is None else decode_value(NAME, sent), target)


def decode_value(name: str, value: str) -> str:
    """Return the text of a header value, decoded from its Base64 form, of which only the canonical one is taken.

    A value with the prefix and no suffix is a literal (spec, Value Encoding). Raises -32020 for a broken form.
    """
    if not (value.startswith(_PREFIX) and value.endswith(_SUFFIX) and len(value) >= len(_PREFIX) + len(_SUFFIX)):
        return value
    encoded = value[len(_PREFIX) : -len(_SUFFIX)]
    try:
        decoded = base64.b64decode(encoded, validate=True)
        # Bits after the last character let several spellings mean one value, and a router may compare the spelling.
        if base64.b64encode(decoded).decode() == encoded:
            return decoded.decode()
    except (binascii.Error, ValueError):
        pass
    raise RpcError(HEADER_MISMATCH, f"The header {name} starts as Base64 but is not Base64 of UTF-8 text.")


def find_param_headers(schema: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """Return the annotated properties of an input schema; raises ValueError for an annotation that clients refuse."""
    found: dict[tuple[str, ...], str] = {}
    for path, each in _schemas(schema, ()):
        if ANNOTATION not in each:
            continue
        name = each[ANNOTATION]
        if not path:
            raise ValueError(f"{ANNOTATION} {name!r} is not at a property that `properties` alone lead to")
        if each.get("type") not in _TYPES:
            raise ValueError(f"{ANNOTATION} of {'.'.join(path)} needs one of the types {', '.join(_TYPES)}")
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{ANNOTATION} of {'.'.join(path)} is no HTTP field name: {name!r}")
        if (PARAM + name).lower() in (header.lower() for header in found.values()):
            raise ValueError(f"{ANNOTATION} {name!r} occurs twice")
        found[path] = PARAM + name
    return found


def check_param_headers(headers: Headers, annotated: ParamHeaders, arguments: Mapping[str, Any]) -> None:
    """Raise -32020 unless each annotated argument and its header say the same, or are both left out."""
    for path, header in annotated.items():
        value, sent, name = _value_at(arguments, path), headers.get(header), ".".join(path)
        if value is None and sent is None:
            continue
        if sent is None:
            raise RpcError(HEADER_MISMATCH, f"The header {header} is missing; the argument {name} is there.")
        if value is None:
            raise RpcError(HEADER_MISMATCH, f"The header {header} is there, but the argument {name} is not.")
        if not _same(decode_value(header, sent), value):
            raise RpcError(HEADER_MISMATCH, f"The header {header} does not say what {name} says in the body.")


def _check(name: str, sent: str | None, expected: str) -> None:
    if sent is None:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is missing; the body says {expected[:200]!r}.")
    if sent != expected:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is {sent[:200]!r}, but the body says {expected[:200]!r}.")


def _schemas(schema: object, path: tuple[str, ...] | None) -> Iterator[tuple[tuple[str, ...] | None, dict[str, Any]]]:
    """Yield every schema within a schema, with its path if `properties` alone lead to it."""
    if isinstance(schema, list):
        for each in schema:
            yield from _schemas(each, None)
    if not isinstance(schema, dict):
        return
    yield path, schema
    for keyword, value in schema.items():
        if keyword in _BY_NAME and isinstance(value, dict):
            inner = path if keyword == "properties" else None
            for name, each in value.items():
                yield from _schemas(each, None if inner is None else (*inner, name))
        elif keyword not in _VALUES:
            yield from _schemas(value, None)


def _value_at(arguments: object, path: tuple[str, ...]) -> Any:
    for name in path:
        arguments = arguments.get(name) if isinstance(arguments, dict) else None
    return arguments


def _same(sent: str, value: object) -> bool:
    match value:
        case bool():
            return sent == ("true" if value else "false")
        case int():
            # Compared as numbers, for `42.0` is 42 (spec, Server Validation).
            return bool(_DECIMAL.fullmatch(sent)) and int(sent.partition(".")[0]) == value
        case float() if value.is_integer():
            return bool(_DECIMAL.fullmatch(sent)) and int(sent.partition(".")[0]) == int(value)
        case _:
            return sent == value
