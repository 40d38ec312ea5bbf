"""Ended sessions in PostgreSQL, which every replica keeps a copy of in memory.

Every request of a session asks, so that answers come from the copy. It is brought up to date by `look`: every `LOOK_S`,
and at once when a replica tells of an end. A look reads the ends that were noted shortly before the last one as well,
since transactions become visible in another order than they took their time.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from service.images import WorkError
from service.storage.ended_sessions import EndedSessions
from service.storage.postgresql.database import Connection, Database, change

logger = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""Time after which an end of another replica is known, also where no notice came."""

OVERLAP: Final = timedelta(seconds=60)
"""The longest that an end may take to be seen after its time was taken; a statement is cut off long before."""

LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)

INSERT: Final = "INSERT INTO ended_sessions (digest, expires_at, taken) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
SELECT_NEW: Final = "SELECT digest, expires_at, noted_at FROM ended_sessions WHERE noted_at >= $1"
PURGE: Final = """
    DELETE FROM ended_sessions WHERE expires_at <= least($1, extract(epoch FROM clock_timestamp())::double precision)
"""
"""Over by both clocks: a replica whose own is hours ahead must not let a link that was taken be taken again."""


class PostgresSessions(EndedSessions):
    """The ended sessions of one database."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Begin with an empty copy; `open` fills it."""
        self.ended: Callable[[], None] = lambda: None
        """Tells other replicas that a session has ended. It neither waits nor raises."""
        self._database = database
        self._clock = clock
        self._ends: dict[bytes, float] = {}
        self._newest = LONG_AGO
        self._wanted = asyncio.Event()

    @classmethod
    async def open(cls, database: Database, clock: Callable[[], float]) -> Self:
        """Read all ends, and remove those of sessions that would be over by now."""
        sessions = cls(database, clock)
        await sessions.forget_old()
        await sessions.look()
        return sessions

    def contains(self, session_id: str) -> bool:
        return bool(self._ends) and _digest(session_id) in self._ends

    async def add(self, session_id: str, expires: float) -> None:
        await self._end(session_id, expires, is_taken=False)

    async def take(self, session_id: str, expires: float) -> bool:
        return await self._end(session_id, expires, is_taken=True)

    @property
    def count(self) -> int:
        """The number of ends in memory."""
        return len(self._ends)

    async def look(self) -> None:
        """Bring the copy up to date. Raises `WorkError` where the database refuses."""
        rows = await self._database.read(_new, self._newest - OVERLAP)
        self._ends.update((digest, expires) for digest, expires, _ in rows)
        self._newest = max((noted for *_, noted in rows), default=self._newest)

    async def forget_old(self) -> None:
        """Remove the ends of sessions that would be over by now."""
        now = self._clock()
        self._ends = {digest: expires for digest, expires in self._ends.items() if expires > now}
        await self._database.call(change, PURGE, now)

    def look_soon(self) -> None:
        """Have the next look at once: another replica has told of an end."""
        self._wanted.set()

    async def keep_up(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            try:
                await self.look()
            except WorkError as error:  # the next look reads what this one did not
                logger.debug("ended sessions were not looked up: %s", error)

    async def _end(self, session_id: str, expires: float, *, is_taken: bool) -> bool:
        digest = _digest(session_id)
        try:
            is_first = await self._database.call(change, INSERT, digest, expires, is_taken) > 0
        except WorkError as error:
            raise OSError(str(error)) from error
        self._ends[digest] = expires
        self.ended()
        return is_first


async def _new(connection: Connection, since: datetime) -> list[tuple[bytes, float, datetime]]:
    return [tuple(row) for row in await connection.fetch(SELECT_NEW, since)]


def _digest(session_id: str) -> bytes:
    """The form in which an id is stored, so that nobody who reads the database can use the session."""
    return hashlib.sha256(session_id.encode()).digest()
