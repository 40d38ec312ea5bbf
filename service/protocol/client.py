"""The other side of a connection: the revision of MCP that it speaks, and its name, release and capabilities.

*Legacy* revisions open a session with `initialize`; *modern* ones carry version, client and capabilities on each
request (spec 2026-07-28, Versioning, Terminology). Revisions are members of a set and are never compared by size. All
of it is self-reported, so never a ground for trust.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, Final

import orjson

_KNOWN: Final = ("roots", "sampling", "elicitation", "extensions")
_MAX_NAME: Final = 64
_MAX_PARTS: Final = 16
_MAX_CACHED: Final = 4096
_PART: Final = re.compile(r"[A-Za-z0-9._/-]{1,64}")
"""The name of an extension or a mode; it goes into the session id, and that into a header."""

APPS: Final = "io.modelcontextprotocol/ui"
"""The extension MCP Apps."""

APP_TYPE: Final = "text/html;profile=mcp-app"
"""The one type of a view."""

SHOWS_APPS: Final = f"extensions/{APPS}#{APP_TYPE}"
"""The capability of a client that shows views of this type. No extension that a client names is spelled so."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """Name and release as sent, cut short, or empty; `capabilities` the names of what it declared.

    An extension is named `extensions/<identifier>`, a mode of eliciting `elicitation/<mode>`; eliciting without a mode
    is by form (spec 2025-11-25, Elicitation, Capabilities).
    """

    name: str = ""
    version: str = ""
    capabilities: frozenset[str] = frozenset()

    @cached_property
    def shows_apps(self) -> bool:
        """True for a client that shows the view which a tool names (SEP-1865, MCP Apps, Capability Negotiation)."""
        return SHOWS_APPS in self.capabilities


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
        if name == "extensions" and _shows_apps(parts.get(APPS)):
            yield SHOWS_APPS
        yield from (f"{name}/{part}" for part in parts if _PART.fullmatch(part))


def _shows_apps(settings: object) -> bool:
    types = settings.get("mimeTypes") if isinstance(settings, dict) else None
    return isinstance(types, list) and APP_TYPE in types


def _text(value: object) -> str:
    return value[:_MAX_NAME] if isinstance(value, str) else ""


MODERN_VERSIONS: Final = ("2026-07-28",)
LEGACY_VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Newest first: `initialize` answers the first one to a client that asks for a revision we do not have."""

SUPPORTED_VERSIONS: Final = MODERN_VERSIONS + LEGACY_VERSIONS
"""The list of `server/discover` and of -32022, newest first."""


class Era(Enum):
    """The way in which a message is read and answered. Decided once, at admission."""

    LEGACY = "legacy"
    MODERN = "modern"

    __hash__ = object.__hash__  # a member is the only one of its kind; Enum's own hash runs Python for each lookup


BOTH: Final = frozenset(Era)
LEGACY: Final = frozenset({Era.LEGACY})
MODERN: Final = frozenset({Era.MODERN})

OUTLIVES_ITS_STREAM: Final = LEGACY
"""Eras in which a lost connection does not cancel the call: `notifications/cancelled` does (spec 2025-11-25,
Transports). In the others closing the stream is the cancellation (spec 2026-07-28, Streamable HTTP, Cancellation)."""

HAS_TASKS: Final = MODERN
"""Eras of the tasks extension: a legacy client may declare it, but has no method to ask for a task."""

BATCHES: Final = frozenset({"2025-03-26"})
"""The one revision that has JSON-RPC batches; the next took them out again."""

RESUMES: Final = frozenset({"2025-11-25"})
"""Revisions whose streams begin with an empty event that a client can resume from. Older clients may take an event
without data for a broken message."""

COMPLETES_ELICITATION: Final = frozenset({"2025-11-25"})
"""Revisions with `notifications/elicitation/complete`, and with an id for a page that a person is sent to. The next
revision took both out again: its client comes again with the call, and finds out."""


ERA_OF: Final[Mapping[str | None, Era]] = {None: Era.LEGACY, **dict.fromkeys(LEGACY_VERSIONS, Era.LEGACY)}
"""The era of an `MCP-Protocol-Version` header, for a message whose `_meta` names no version; all others are modern.

So is a version that we have never heard of: -32022 tells its client what we speak. Neither `Mcp-Method` nor the method
`initialize` decides: legacy clients send the one, and modern clients may try the other."""


def negotiate(requested: str) -> str:
    """Return the revision that `initialize` agrees on: the requested one, else our newest legacy one.

    Never a modern one: those have no `initialize` (spec 2025-11-25, Lifecycle, Version Negotiation).
    """
    return requested if requested in LEGACY_VERSIONS else LEGACY_VERSIONS[0]
