"""The limit of requests within a minute, of each owner and of all owners together."""

import time
from collections.abc import Callable
from typing import Final

from service.limits import CALLS_PER_MINUTE, UNLIMITED, Allowances, refusal

PERIOD_S: Final = 60.0
ROUNDING_S: Final = 1e-3
"""More than the sum of thousands of fractions of a second is off, and far less than one request."""

MOST_KEPT: Final = 1000
"""Owners that are remembered before those who may take a whole minute's worth again are forgotten."""

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
