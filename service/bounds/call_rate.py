"""The limit of requests within a minute, of each owner and of all owners together.

Each process counts what it takes. Where several share the limit, each tells the others what it took and learns what
they took, some times a minute (`web/shared_rate.py`): no call waits for that.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from service.bounds.limits import CALLS_PER_MINUTE, UNLIMITED, Allowances, refusal

PERIOD_S: Final = 60.0
ROUNDING_S: Final = 1e-3
"""More than the sum of thousands of fractions of a second is off, and far less than one request."""

MOST_KEPT: Final = 1000
"""Owners that are remembered before those who may take a whole minute's worth again are forgotten."""

MUCH: Final = 0.2
"""The part of a minute's worth that replicas may take together before they tell each other."""

EVERYBODY: Final = ""
"""All owners together. No owner has this name."""


class CallRate:
    """The requests that were taken of late, by the generic cell rate algorithm (ITU-T I.371, annex A).

    Of each owner one number is kept: the time at which all that was taken will have been earned back. A minute's worth
    may come at once; after that requests are taken at the pace of the limit, so that the wait which is told is true.
    """

    def __init__(self, allowances: Allowances = UNLIMITED, clock: Callable[[], float] = time.monotonic) -> None:
        """Take as many requests as the allowances say, by a clock in seconds that never goes back."""
        self._bound = allowances.bound(CALLS_PER_MINUTE)
        self._clock = clock
        self._earned_back_at: dict[str, float] = {}
        self.much_taken: Callable[[], None] | None = None
        """Called once more than `MUCH` of a minute's worth was taken that others do not know of; None for no others."""
        self.replicas = 1
        """The processes that share the limit."""
        self._untold: dict[str, float] = {}
        """The seconds in which what was taken here is earned back, since others were told."""

    def take(self, owner: str) -> None:
        """Take one request of this owner; raises `LimitError` beyond a limit, and takes nothing then."""
        now = self._clock()
        each, overall = self._bound.each(owner), self._bound.overall
        kept = self._earned_back_at
        own = max(kept.get(owner, now), now) + PERIOD_S / each
        everybodys = max(kept.get(EVERYBODY, now), now) + PERIOD_S / overall
        if own - now > PERIOD_S + ROUNDING_S:
            raise refusal(CALLS_PER_MINUTE, each, overall=False, retry_after_s=own - now - PERIOD_S)
        if everybodys - now > PERIOD_S + ROUNDING_S:
            raise refusal(CALLS_PER_MINUTE, overall, overall=True, retry_after_s=everybodys - now - PERIOD_S)
        if len(kept) > MOST_KEPT:
            kept = self._earned_back_at = {name: at for name, at in kept.items() if at > now}
        kept[owner], kept[EVERYBODY] = own, everybodys
        if self.much_taken is not None:
            self._note(owner, PERIOD_S / each)
            self._note(EVERYBODY, PERIOD_S / overall)

    def untold(self) -> dict[str, float]:
        """Return the seconds in which what was taken here since the last time is earned back, by owner."""
        told, self._untold = self._untold, {}
        return {owner: seconds for owner, seconds in told.items() if seconds}

    def tell_again(self, untold: Mapping[str, float]) -> None:
        """Keep for the next time what could not be told."""
        for owner, seconds in untold.items():
            self._untold[owner] = self._untold.get(owner, 0.0) + seconds

    def learn(self, debts: Mapping[str, float]) -> None:
        """Take in the seconds in which all that was taken anywhere, and told, will have been earned back."""
        now = self._clock()
        for owner, seconds in debts.items():
            self._earned_back_at[owner] = now + max(0.0, seconds) + self._untold.get(owner, 0.0)

    def _note(self, owner: str, seconds: float) -> None:
        noted = self._untold[owner] = self._untold.get(owner, 0.0) + seconds
        if noted > PERIOD_S * MUCH / self.replicas and self.much_taken is not None:
            self.much_taken()
