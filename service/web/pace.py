"""The pace at which requests begin: those of hundreds of clients at once leave the loop to other work in between.

A callback that takes a millisecond is short; five hundred of them in one round of the loop are half a second in which
nothing else is read or answered.
"""

import asyncio
import time
from collections import deque
from typing import Final

ROUND_S: Final = 0.012
"""Seconds of one round of the loop in which requests begin."""

AT_ONCE: Final = 10
"""Waiting requests that begin in one round."""


class Pace:
    """Lets requests begin while a round of the loop is young; the rest follow in the next rounds, in their order."""

    def __init__(self) -> None:
        """Begin between two rounds."""
        self._round_ends: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

    def turn(self) -> asyncio.Future[None] | None:
        """Return the future that a request awaits before it begins; None where it may begin now."""
        if self._round_ends is None:
            self._round_ends = time.monotonic() + ROUND_S
            asyncio.get_running_loop().call_soon(self._begin_round)
        elif self._waiting or time.monotonic() > self._round_ends:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            return waiting
        return None

    def _begin_round(self) -> None:
        """Let some of those that wait begin. What is called soon runs first in the next round."""
        self._round_ends = None
        begun = 0
        while self._waiting and begun < AT_ONCE:
            waiting = self._waiting.popleft()
            if not waiting.done():  # its client may be gone
                waiting.set_result(None)
                begun += 1
        if self._waiting:
            self._round_ends = time.monotonic() + ROUND_S
            asyncio.get_running_loop().call_soon(self._begin_round)
