"""The name, release and capabilities of a client. They are self-reported, so never a ground for trust."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import orjson

_KNOWN: Final = ("roots", "sampling", "elicitation", "extensions")
_MAX_NAME: Final = 64
_MAX_PARTS: Final = 16
_MAX_CACHED: Final = 4096
_PART: Final = re.compile(r"[A-Za-z0-9._/-]{1,64}")
"""The name of an extension or a mode; it goes into the session id, and that into a header."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """Name and release as sent, cut short, or empty; `capabilities` the names of what it declared.

    An extension is named `extensions/<identifier>`, a mode of eliciting `elicitation/<mode>`; eliciting without a mode
    is by form (spec 2025-11-25, Elicitation, Capabilities).
    """

    name: str = ""
    version: str = ""
    capabilities: frozenset[str] = frozenset()


def read_client(info: object, capabilities: object) -> Client:
    """Return the client of `clientInfo` and capabilities; members against the schema count as left out."""
    # A modern client sends the same with every request.
    key = orjson.dumps([info, capabilities])
    return _read_cached(key) if len(key) <= _MAX_CACHED else _read(info, capabilities)


@lru_cache(maxsize=256)
def _read_cached(key: bytes) -> Client:
    info, capabilities = orjson.loads(key)
    return _read(info, capabilities)


def _read(info: object, capabilities: object) -> Client:
    named: Mapping[str, Any] = info if isinstance(info, dict) else {}
    declared: Mapping[str, Any] = capabilities if isinstance(capabilities, dict) else {}
    return Client(
        name=_text(named.get("name")),
        version=_text(named.get("version")),
        capabilities=frozenset([*_names(declared), *islice(_parts(declared), _MAX_PARTS)]),
    )


def _names(declared: Mapping[str, Any]) -> list[str]:
    return [name for name in _KNOWN if isinstance(declared.get(name), dict)]


def _parts(declared: Mapping[str, Any]) -> Iterator[str]:
    for name in _names(declared):
        parts = declared[name] or ({"form": {}} if name == "elicitation" else {})
        yield from (f"{name}/{part}" for part in parts if _PART.fullmatch(part))


def _text(value: object) -> str:
    return value[:_MAX_NAME] if isinstance(value, str) else ""
