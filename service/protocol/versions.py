"""Which revisions of MCP are spoken, and which of two eras a revision belongs to.

*Legacy* revisions open a session with `initialize`; *modern* ones carry version, client and capabilities on each
request (spec 2026-07-28, Versioning, Terminology). Revisions are members of a set and are never compared by size.
"""

from enum import Enum
from typing import Final

MODERN_VERSIONS: Final = ("2026-07-28",)
LEGACY_VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Newest first: the first is what `initialize` answers to a client that asks for a revision we do not have."""

SUPPORTED_VERSIONS: Final = MODERN_VERSIONS + LEGACY_VERSIONS
"""What `server/discover` and -32022 list, newest first."""


class Era(Enum):
    """How a message is read and answered. Decided once, at admission."""

    LEGACY = "legacy"
    MODERN = "modern"


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


def negotiate(requested: str) -> str:
    """The revision that `initialize` agrees on: the requested one, else our newest legacy one.

    Never a modern one: those have no `initialize` (spec 2025-11-25, Lifecycle, Version Negotiation).
    """
    return requested if requested in LEGACY_VERSIONS else LEGACY_VERSIONS[0]


def era_of(version_header: str | None, meta_names_version: bool) -> Era:
    """The era of one message, from its `MCP-Protocol-Version` header and whether `_meta` names a version.

    A version we have never heard of is modern, where -32022 tells the client what we speak. Neither `Mcp-Method` nor
    the method `initialize` decides: legacy clients send the one, and modern clients may try the other.
    """
    if meta_names_version or (version_header is not None and version_header not in LEGACY_VERSIONS):
        return Era.MODERN
    return Era.LEGACY
