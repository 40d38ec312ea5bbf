"""What legacy sessions told this process: their log level, and the resources they subscribed to.

All else about a session is in its id. This much is soft: a client that finds it forgotten, after a restart, says it
again. The sessions heard from longest ago are forgotten first.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.log_levels import LEGACY_DEFAULT
from service.protocol.subscriptions import MAX_NAMED

MAX_SESSIONS: Final = 10_000


@dataclass
class Remembered:
    """What one session told us."""

    log_level: str = LEGACY_DEFAULT
    resources: set[str] = field(default_factory=set)


@dataclass
class SessionMemory:
    """The sessions that told something."""

    _sessions: OrderedDict[str, Remembered] = field(default_factory=OrderedDict)

    def look(self, session_id: str) -> Remembered:
        """What a session told, or how one is that told nothing. Not for writing."""
        if session_id not in self._sessions:
            return Remembered()
        self._sessions.move_to_end(session_id)
        return self._sessions[session_id]

    def level_of(self, session_id: str) -> str:
        """The least severe level that a session wants."""
        return self.look(session_id).log_level if session_id in self._sessions else LEGACY_DEFAULT

    def set_level(self, session_id: str, level: str) -> None:
        """Remember the least severe level that it wants."""
        self._of(session_id).log_level = level

    def subscribe(self, session_id: str, uri: str) -> None:
        """Remember a resource; raises -32602 when it has too many."""
        resources = self._of(session_id).resources
        if len(resources) >= MAX_NAMED and uri not in resources:
            raise RpcError(INVALID_PARAMS, f"A session can subscribe to {MAX_NAMED} resources at most.")
        resources.add(uri)

    def unsubscribe(self, session_id: str, uri: str) -> None:
        """Forget a resource; one that it did not subscribe to is no mistake."""
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
