"""Turns to draw: so many generations of each owner, and of all, are at work at once; the others wait in a fair queue.

1. An owner's generations come in their order. Between owners the turns go round, so that hundreds of one owner delay
   another owner's by one turn.
2. A generation that is cancelled while it waits leaves the queue, and takes no turn from anybody.
3. How many may wait is decided when a job begins, from the database (`storage/sqlite_limits.py`); the turns themselves
   are those of this process.
"""

import asyncio
from collections import deque

from service.images import Progress
from service.limits import GENERATIONS_AT_ONCE, UNLIMITED, Allowances


class Turns:
    """The turns of one process."""

    def __init__(self, allowances: Allowances = UNLIMITED) -> None:
        """Let as many generations work at once as the allowances say."""
        self._allowances = allowances
        self._at_work: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """The queue of each owner who has one, in the order in which their turns come."""

    @property
    def waiting(self) -> int:
        """The number of generations in the queue."""
        return sum(map(len, self._waiting.values()))

    async def take(self, owner: str, progress: Progress) -> bool:
        """Take a turn of this owner, which `give_back` ends; progress tells the place in the queue.

        Return whether it had to be waited for.
        """
        if owner not in self._waiting and self._take_place(owner):
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(owner, deque())
        queue.append(turn)
        await progress(f"Waiting for its turn, as number {len(queue)}")
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(owner, turn)
            raise
        return True

    def give_back(self, owner: str) -> None:
        """End a turn that was taken, and begin those of the queue that have room now."""
        self._free_place(owner)
        while (following := next(filter(self._take_place, self._waiting), None)) is not None:
            queue = self._waiting.pop(following)
            turn = queue.popleft()
            if queue:
                self._waiting[following] = queue  # behind all others
            if turn.cancelled():  # it is about to leave
                self._free_place(following)
            else:
                turn.set_result(None)

    def _leave(self, owner: str, turn: "asyncio.Future[None]") -> None:
        """Take a cancelled generation out of the queue; one whose turn came in the same moment gives it back."""
        if not turn.cancelled():
            self.give_back(owner)
            return
        queue = self._waiting.get(owner, deque())
        if turn in queue:
            queue.remove(turn)
        if not queue:
            self._waiting.pop(owner, None)

    def _free_place(self, owner: str) -> None:
        self._at_work[owner] -= 1
        if not self._at_work[owner]:
            del self._at_work[owner]

    def _take_place(self, owner: str) -> bool:
        """Take a place at work for a generation of this owner; return False where there is none."""
        own, everybodys = self._at_work.get(owner, 0), sum(self._at_work.values())
        each = self._allowances.each(GENERATIONS_AT_ONCE, owner)
        if own >= each or everybodys >= self._allowances.overall(GENERATIONS_AT_ONCE):
            return False
        self._at_work[owner] = own + 1
        return True
