"""The contract of ended sessions: one lives in its id, so that its end is remembered until the id would expire."""

from abc import ABC, abstractmethod


class EndedSessions(ABC):
    """The ended sessions that every process knows."""

    @abstractmethod
    def contains(self, session_id: str) -> bool:
        """True for a session that any process ended. Answers from memory: every request of a session asks.

        The end that this process noted counts at once, that of another a moment later.
        """

    @abstractmethod
    async def add(self, session_id: str, expires: float) -> None:
        """End a session; durable when this returns. `expires` is when its id does, in seconds since the epoch.

        Raises `OSError` when the end cannot be stored.
        """

    @abstractmethod
    async def take(self, session_id: str, expires: float) -> bool:
        """End what may be used once, as `add` does; False where somebody else was first, in whichever process."""
