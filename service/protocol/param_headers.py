"""Tool arguments that go into HTTP headers as well: `x-mcp-header` in a schema, `Mcp-Param-*` on the wire.

Spec 2026-07-28, Streamable HTTP, Custom Headers from Tool Parameters. Only properties that are reached from the root by
`properties` alone may be annotated; a header must say what the body says, or the call is refused with -32020.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from service.protocol.errors import HEADER_MISMATCH, RpcError
from service.protocol.headers import PARAM, Headers, decode_value

ParamHeaders: TypeAlias = Mapping[tuple[str, ...], str]
"""The path of each annotated property, and the name of its header."""

ANNOTATION: Final = "x-mcp-header"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TYPES: Final = ("string", "integer", "boolean")
_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_VALUES: Final = ("default", "const", "enum", "examples")
"""Keywords that hold schemas by name, and those that hold no schemas."""
_DECIMAL: Final = re.compile(r"-?[0-9]{1,400}(\.0+)?")


def find_param_headers(schema: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The annotated properties of an input schema; raises ValueError for an annotation that clients would refuse."""
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


def check_param_headers(headers: Headers, wanted: ParamHeaders, arguments: Mapping[str, Any]) -> None:
    """Raise -32020 unless every annotated argument that is there has its header, which says the same, and no other."""
    for path, header in wanted.items():
        value, sent, name = _value_at(arguments, path), headers.get(header), ".".join(path)
        if value is None and sent is None:
            continue
        if sent is None:
            raise RpcError(HEADER_MISMATCH, f"The header {header} is missing; the argument {name} is there.")
        if value is None:
            raise RpcError(HEADER_MISMATCH, f"The header {header} is there, but the argument {name} is not.")
        if not _same(decode_value(header, sent), value):
            raise RpcError(HEADER_MISMATCH, f"The header {header} does not say what {name} says in the body.")


def _schemas(schema: object, path: tuple[str, ...] | None) -> Iterator[tuple[tuple[str, ...] | None, dict[str, Any]]]:
    """Every schema within a schema, with its path where `properties` alone lead to it."""
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
