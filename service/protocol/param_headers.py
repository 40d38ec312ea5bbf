"""Tool arguments that go into HTTP headers as well: `x-mcp-header` in a schema, `Mcp-Param-*` on the wire.

Spec 2026-07-28, Streamable HTTP, Custom Headers from Tool Parameters. Only properties that are reached from the root by
`properties` alone may be annotated; a header must say what the body says, or the call is refused with -32020.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from service.protocol.errors import HEADER_MISMATCH, RpcError
from service.protocol.headers import Headers, decode_value

ParamHeaders: TypeAlias = Mapping[tuple[str, ...], str]
"""The path of each annotated property, and the name of its header."""

ANNOTATION: Final = "x-mcp-header"
PREFIX: Final = "Mcp-Param-"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TYPES: Final = ("string", "integer", "boolean")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,400}(\.0+)?")


def find_param_headers(schema: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The annotated properties of an input schema; raises ValueError for an annotation that clients would refuse."""
    found: dict[tuple[str, ...], str] = {}
    for path, name in _annotations(schema, ()):
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{ANNOTATION} of {'.'.join(path)} is no HTTP field name: {name!r}")
        header = PREFIX + name
        if header.lower() in (each.lower() for each in found.values()):
            raise ValueError(f"{ANNOTATION} {name!r} occurs twice")
        found[path] = header
    return found


def check_param_headers(headers: Headers, wanted: ParamHeaders, arguments: Mapping[str, Any]) -> None:
    """Raise -32020 unless every annotated argument that is there has its header, and says the same in it."""
    for path, header in wanted.items():
        value = _value_at(arguments, path)
        sent = headers.get(header)
        if value is None:
            continue
        if sent is None:
            raise RpcError(HEADER_MISMATCH, f"The header {header} is missing; the argument {'.'.join(path)} is there.")
        if not _same(decode_value(header, sent), value):
            raise RpcError(HEADER_MISMATCH, f"The header {header} does not say what {'.'.join(path)} says in the body.")


def _annotations(schema: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, each in (properties if isinstance(properties, dict) else {}).items():
        if isinstance(each, dict) and ANNOTATION in each:
            if each.get("type") not in _TYPES:
                raise ValueError(f"{ANNOTATION} of {name} needs one of the types {', '.join(_TYPES)}")
            yield (*path, name), each[ANNOTATION]
        yield from _annotations(each, (*path, name))


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
