"""The queue of pictures that wait for a decoder: so many have a place at once, the others wait in a fair order.

1. A picture that an image service has just drawn is paid for, and goes before all others. Of the others, which callers
   give or look at again, at most all but one are decoded at once: a paid one never waits for their decoding.
2. In each lane, one owner comes after the other: somebody who sends a hundred pictures waits for their own.
   One owner has one place among the others: a picture that takes its whole time holds up those of its owner alone.
3. What is made before anybody asks for it comes last: one at a time, and only while nothing else is decoded or waits.
4. In each lane one large picture is decoded at a time, which bounds the memory.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from enum import Enum, auto


class Lane(Enum):
    """The kinds of pictures, the one that goes first at the top."""

    PAID = auto()
    OTHER = auto()
    AHEAD = auto()


class _Waiter:
    """One picture that waits. `granted` is set when it gets a place, which it occupies from then on."""

    def __init__(self, lane: Lane, owner: str, *, large: bool) -> None:
        self.lane = lane
        self.owner = owner
        self.large = large
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class DecodingQueue:
    """Grants `at_once` places, two or more. The owner whose last picture is longest ago comes first."""

    def __init__(self, at_once: int) -> None:
        """Begin with all places free."""
        self._at_once = at_once
        self._running: list[_Waiter] = []
        self._waiting: dict[Lane, OrderedDict[str, deque[_Waiter]]] = {lane: OrderedDict() for lane in Lane}

    @asynccontextmanager
    async def place(self, lane: Lane, owner: str, *, large: bool = False) -> AsyncIterator[None]:
        """Wait for a place and occupy it for the length of the block."""
        waiter = _Waiter(lane, owner, large=large)
        self._waiting[lane].setdefault(owner, deque()).append(waiter)
        self._grant()
        try:
            await waiter.granted
            yield
        finally:
            if waiter in self._running:
                self._running.remove(waiter)
            else:  # cancelled while it waited
                self._leave_queue(waiter)
            self._grant()

    def _grant(self) -> None:
        """Grant places as long as there are free ones and a picture that may take one."""
        while waiter := next(self._eligible(), None):
            self._leave_queue(waiter)
            self._running.append(waiter)
            waiter.granted.set_result(None)

    def _eligible(self) -> Iterator[_Waiter]:
        """Yield the waiting pictures that may be decoded now, the next one first."""
        for lane in Lane:
            places = self._at_once if lane is Lane.PAID else self._at_once - 1
            alike = [each for each in self._running if each.lane is lane]
            if len(self._running) == self._at_once or len(alike) >= places:
                continue
            if lane is Lane.AHEAD and (self._running or self._waiting[Lane.PAID] or self._waiting[Lane.OTHER]):
                continue
            large_is_taken = any(each.large for each in alike)
            for owner, queue in self._waiting[lane].items():
                if lane is Lane.OTHER and any(each.owner == owner for each in alike):
                    continue
                first = next((each for each in queue if not each.granted.cancelled()), None)
                if first is not None and not (first.large and large_is_taken):
                    yield first

    def _leave_queue(self, waiter: _Waiter) -> None:
        """Take a picture out of the queue of its owner, who goes to the end of the owners."""
        owners = self._waiting[waiter.lane]
        owners[waiter.owner].remove(waiter)
        if owners[waiter.owner]:
            owners.move_to_end(waiter.owner)
        else:
            del owners[waiter.owner]
