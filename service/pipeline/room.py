"""Room for new pictures, which of several replicas the one that leads makes for all.

The others ask it by a notice, `PAUSE_S` after the first that needs room, for all that come meanwhile. Where a notice is
lost, the next one does, or the hourly round.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from service.storage.notices import Notice, Notices, RoomWanted
from service.storage.replicas import Replica

PAUSE_S: Final = 1.0


class Room:
    """Asks the leader for room; in the leader, hears that it is wanted."""

    def __init__(self, notices: Notices, replica: Replica, pause_s: float = PAUSE_S) -> None:
        """Hear and ask by `notices`."""
        self._notices = notices
        self._replica = replica
        self._pause_s = pause_s
        self._asking: asyncio.TimerHandle | None = None
        self._wanted = asyncio.Event()
        notices.hear(self._hear)

    def ask(self) -> None:
        """Ask the leader soon. Never waits and never raises."""
        if self._asking is None:
            self._asking = asyncio.get_running_loop().call_later(self._pause_s, self._tell)

    async def keep(self, make: Callable[[], Awaitable[None]]) -> None:
        """Make room whenever it is wanted here, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await make()
            await asyncio.sleep(self._pause_s)

    def _tell(self) -> None:
        self._asking = None
        self._notices.tell(RoomWanted())

    def _hear(self, notice: Notice) -> None:
        if isinstance(notice, RoomWanted) and self._replica.leads:
            self._wanted.set()
