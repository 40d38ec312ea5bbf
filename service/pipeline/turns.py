"""Turns to draw: so many pictures of each owner, and of all, are at work at once; the others wait in a fair queue.

1. An owner's generations come in their order. Between owners the turns go round, so that hundreds of one owner delay
   another owner's by one turn.
2. A generation that is cancelled while it waits leaves the queue, and takes no turn from anybody.
3. How many may wait is decided when a job begins, from the database (`storage/sqlite/limits.py`); the turns themselves
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
        self._waiting: dict[str, deque[tuple[asyncio.Future[None], int]]] = {}
        """The queue of each owner who has one, in the order in which their turns come, with the pictures of each."""

    @property
    def waiting(self) -> int:
        """The number of generations in the queue."""
        return sum(map(len, self._waiting.values()))

    async def take(self, owner: str, progress: Progress, pictures: int = 1) -> bool:
        """Take a turn of this owner, which `give_back` ends; progress tells the place in the queue.

        One request for more `pictures` than the limit has its turn once nothing else is at work. Return whether it had
        to be waited for.
        """
        if owner not in self._waiting and self._take_places(owner, pictures):
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(owner, deque())
        queue.append((turn, pictures))
        await progress(f"Waiting for its turn, as number {len(queue)}")
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(owner, turn, pictures)
            raise
        return True

    def give_back(self, owner: str, pictures: int = 1) -> None:
        """End a turn that was taken, and begin those of the queue that have room now."""
        self._free_places(owner, pictures)
        while (following := next(filter(self._begin_next, self._waiting), None)) is not None:
            queue = self._waiting.pop(following)
            turn, wanted = queue.popleft()
            if queue:
                self._waiting[following] = queue  # behind all others
            if turn.cancelled():  # it is about to leave
                self._free_places(following, wanted)
            else:
                turn.set_result(None)

    def _leave(self, owner: str, turn: "asyncio.Future[None]", pictures: int) -> None:
        """Take a cancelled generation out of the queue; one whose turn came in the same moment gives it back."""
        if not turn.cancelled():
            self.give_back(owner, pictures)
            return
        queue = self._waiting.get(owner, deque())
        if (turn, pictures) in queue:
            queue.remove((turn, pictures))
        if not queue:
            self._waiting.pop(owner, None)

    def _free_places(self, owner: str, pictures: int) -> None:
        self._at_work[owner] -= pictures
        if not self._at_work[owner]:
            del self._at_work[owner]

    def _begin_next(self, owner: str) -> bool:
        """Take the places that the next of this owner's queue needs; return False where there are none."""
        return self._take_places(owner, self._waiting[owner][0][1])

    def _take_places(self, owner: str, pictures: int) -> bool:
        """Take places at work for so many pictures of this owner; return False where there are none."""
        own, everybodys = self._at_work.get(owner, 0), sum(self._at_work.values())
        each = self._allowances.each(GENERATIONS_AT_ONCE, owner)
        overall = self._allowances.overall(GENERATIONS_AT_ONCE)
        if (own and own + pictures > each) or (everybodys and everybodys + pictures > overall):
            return False
        self._at_work[owner] = own + pictures
        return True
