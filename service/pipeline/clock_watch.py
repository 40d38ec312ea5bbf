"""Leaps of the machine's clock, so that nothing is removed or given up for an age that it only seems to have.

A battery that is empty, a restored machine or a wrong time server sets the clock a year ahead or back, and somebody
sets it right again. All that lies in between are wrong ages. So whatever cannot be undone waits until the clock has run
evenly for `HOLD_S`: pictures that are too old, and tasks that are given up.

A running process sees a leap by a second clock, which counts from the start of the machine. Before its start there is
only the time of the newest file: where that is long ago, or still to come, the clock is held for one that has leapt.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

logger = logging.getLogger(__name__)

HOLD_S: Final = 24 * 3600.0
"""Seconds without a leap after which ages are believed."""

LEAP_S: Final = 3600.0
"""The least leap. Ages that matter are counted in days; time servers correct less, but for one step at the start."""

LONG_AGO_S: Final = 14 * 24 * 3600.0
"""Age of the newest file at a start that may as well come from a leap. Whoever draws seldom waits a day more."""


def since_boot() -> float:
    """Return seconds since the machine started, those of its sleep included where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class ClockWatch:
    """Compares the wall clock, in seconds since the epoch, with one that cannot be set."""

    def __init__(self, clock: Callable[[], float] = time.time, steady: Callable[[], float] = since_boot) -> None:
        """Believe the wall clock until it leaps."""
        self.now = clock
        self._steady = steady
        self._offset = clock() - steady()
        self._leapt_at: float | None = None

    def compare_with(self, newest: float) -> None:
        """Doubt the clock at a start where the newest file was stored long ago by it, or is still to come."""
        now = self.now()
        if newest and not now - LONG_AGO_S <= newest <= now + LEAP_S:
            self._doubt(f"It is {_day(now)} by the clock of this machine, and the newest picture is of {_day(newest)}")

    def is_even(self) -> bool:
        """Tell that ages can be believed: the clock has not leapt for `HOLD_S`."""
        steady = self._steady()
        offset = self.now() - steady
        if abs(offset - self._offset) > LEAP_S:
            self._doubt(f"The clock of this machine was set from {_day(self._offset + steady)} to {_day(self.now())}")
        self._offset = offset
        return self._leapt_at is None or steady - self._leapt_at >= HOLD_S

    def _doubt(self, why: str) -> None:
        self._leapt_at = self._steady()
        logger.warning("%s: for a day nothing is removed for its age. Set the clock right if it is wrong.", why)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(max(seconds, 0), UTC).strftime("%Y-%m-%d")
