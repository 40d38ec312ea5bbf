"""The revisions of MCP that are spoken, and the era of each.

*Legacy* revisions open a session with `initialize`; *modern* ones carry version, client and capabilities on each
request (spec 2026-07-28, Versioning, Terminology). Revisions are members of a set and are never compared by size.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

MODERN_VERSIONS: Final = ("2026-07-28",)
LEGACY_VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Newest first: `initialize` answers the first one to a client that asks for a revision we do not have."""

SUPPORTED_VERSIONS: Final = MODERN_VERSIONS + LEGACY_VERSIONS
"""The list of `server/discover` and of -32022, newest first."""


class Era(Enum):
    """The way in which a message is read and answered. Decided once, at admission."""

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


ERA_OF: Final[Mapping[str | None, Era]] = {None: Era.LEGACY, **dict.fromkeys(LEGACY_VERSIONS, Era.LEGACY)}
"""The era of an `MCP-Protocol-Version` header, for a message whose `_meta` names no version; all others are modern.

So is a version that we have never heard of: -32022 tells its client what we speak. Neither `Mcp-Method` nor the method
`initialize` decides: legacy clients send the one, and modern clients may try the other."""


def negotiate(requested: str) -> str:
    """Return the revision that `initialize` agrees on: the requested one, else our newest legacy one.

    Never a modern one: those have no `initialize` (spec 2025-11-25, Lifecycle, Version Negotiation).
    """
    return requested if requested in LEGACY_VERSIONS else LEGACY_VERSIONS[0]
