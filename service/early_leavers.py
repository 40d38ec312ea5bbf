"""Who left before they were answered, and when: asking for the same again, they are answered sooner.

A client may give up earlier than its profile says. One of the modern era closes its stream then, which is to cancel its
call: each try would be paid for, and none would bring a picture. Told in time that the work goes on, it has no reason
to leave.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import Final

from service.running_jobs import Leaving, Waiter

SHORTEST_S: Final = 2.0
"""No client gives up sooner; a person who changes their mind does."""

PART: Final = 0.8
"""Of the time after which they left. The answer needs some for its way."""

MOST: Final = 1000


class EarlyLeavers:
    """Those of this process, by what they waited for. The longest ago are forgotten first.

    `clock` tells the time of the loop, as a waiter's patience does.
    """

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._left_after: OrderedDict[Hashable, float] = OrderedDict()

    @contextlib.contextmanager
    def heeded(self, awaited: Hashable, waiter: Waiter) -> Iterator[Waiter]:
        """The waiter, with as much patience as it was seen to have. Notes when it leaves the block by cancellation."""
        began, known_s = self._clock(), self._left_after.get(awaited)
        try:
            yield waiter if known_s is None else replace(waiter, until=min(waiter.until, began + PART * known_s))
        except asyncio.CancelledError:
            stayed_s = self._clock() - began
            if waiter.leaving() is not Leaving.CANCELLED and stayed_s >= SHORTEST_S:
                self._note(awaited, stayed_s)
            raise

    def expect(self, awaited: Hashable, like: Hashable) -> None:
        """Who left when they waited for the one will not wait longer for the other."""
        if (known_s := self._left_after.get(like)) is not None:
            self._note(awaited, known_s)

    def _note(self, awaited: Hashable, seconds: float) -> None:
        self._left_after[awaited] = seconds
        self._left_after.move_to_end(awaited)
        while len(self._left_after) > self._most:
            self._left_after.popitem(last=False)
