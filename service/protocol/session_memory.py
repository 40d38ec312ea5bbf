"""Soft state of legacy sessions: their log level, and the resources they subscribed to.

Everything else about a session is in its id. A client whose session was forgotten, as by a restart, sets the level and
subscribes again. The sessions heard from longest ago are forgotten first.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.subscriptions import MAX_NAMED

MAX_SESSIONS: Final = 10_000

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""The levels of `notifications/message` (RFC 5424), from the least to the most severe."""

LEGACY_DEFAULT: Final = "info"
"""The level of a session that never called `logging/setLevel`: the spec leaves it to the server."""


def read_level(value: object) -> str:
    """Return `value` as a level; raises -32602 with the list of levels."""
    if not isinstance(value, str) or value not in LEVELS:
        raise RpcError(INVALID_PARAMS, f"The level must be one of {', '.join(LEVELS)}.")
    return value


def passes(level: str, threshold: str | None) -> bool:
    """Return whether a message of this level is sent; without a threshold none is (spec 2026-07-28, Logging)."""
    return threshold is not None and LEVELS.index(level) >= LEVELS.index(threshold)


@dataclass
class Remembered:
    """The level and the subscriptions of one session."""

    log_level: str = LEGACY_DEFAULT
    resources: set[str] = field(default_factory=set)


@dataclass
class SessionMemory:
    """The sessions that set a level or subscribed to a resource."""

    _sessions: OrderedDict[str, Remembered] = field(default_factory=OrderedDict)

    def look(self, session_id: str) -> Remembered:
        """Return the state of a session, or the defaults. The returned object is for reading only."""
        if session_id not in self._sessions:
            return Remembered()
        self._sessions.move_to_end(session_id)
        return self._sessions[session_id]

    def level_of(self, session_id: str) -> str:
        """Return the least severe level that a session wants."""
        return self.look(session_id).log_level if session_id in self._sessions else LEGACY_DEFAULT

    def set_level(self, session_id: str, level: str) -> None:
        """Set the least severe level that a session wants."""
        self._of(session_id).log_level = level

    def subscribe(self, session_id: str, uri: str) -> None:
        """Add a resource to a session's subscriptions; raises -32602 when it has too many."""
        resources = self._of(session_id).resources
        if len(resources) >= MAX_NAMED and uri not in resources:
            raise RpcError(INVALID_PARAMS, f"A session can subscribe to {MAX_NAMED} resources at most.")
        resources.add(uri)

    def unsubscribe(self, session_id: str, uri: str) -> None:
        """Remove a resource from a session's subscriptions, if it is there."""
        self._of(session_id).resources.discard(uri)

    def forget(self, session_id: str) -> None:
        """Forget a session that was ended."""
        self._sessions.pop(session_id, None)

    def _of(self, session_id: str) -> Remembered:
        remembered = self._sessions.setdefault(session_id, Remembered())
        self._sessions.move_to_end(session_id)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return remembered
