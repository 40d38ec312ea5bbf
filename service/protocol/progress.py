"""Progress of one call: values that rise with every notification, and a sign of life at least each ten seconds.

Spec 2026-07-28, Progress: the value MUST increase with each notification. A call hears of several sources one after
the other (a person at the upload page, a job, the job that it joins); they repeat themselves, go back, and say nothing
for minutes, and many clients give up on a call that is silent for so long. So each source reports as it pleases, and
the values are put in order here, once per call.
"""

import asyncio
from collections.abc import Callable
from typing import Final

SILENCE_S: Final = 10.0
"""Between two notifications at most."""

HIGHEST: Final = 98.0
"""The value of a source's own "100 %": there may be more to say before the result."""

CEILING: Final = 99.0
"""Above every value, however many notifications follow."""

MAX_MESSAGE: Final = 200
"""Characters."""

_STEP: Final = 0.05
"""Without a percentage, the value advances by this share of the distance to `CEILING`."""


class RisingProgress:
    """Puts what is reported in order and passes it on, as a value up to 100 and a line of text."""

    __slots__ = ("_began", "_message", "_notify", "_reported", "_silence_s", "_stopped", "_timer", "_value")

    def __init__(self, notify: Callable[[float, str], None], silence_s: float = SILENCE_S) -> None:
        """Begin without a value. `notify` gets each value and message; it neither waits nor raises."""
        self._notify = notify
        self._silence_s = silence_s
        self._message = "Working"
        self._value = -1.0
        self._stopped = False
        self._began = self._reported = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def keep_alive(self) -> None:
        """Repeat the last message, with the time since now, whenever nothing was reported for `silence_s` seconds."""
        if self._timer is None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._began = self._reported = loop.time()
            self._timer = loop.call_later(self._silence_s, self._tick)

    def report(self, message: str, percent: float | None = None) -> None:
        """Pass a message on, with `percent` where that is above the last value, and else a little more than that."""
        self._message = " ".join(message.split())[:MAX_MESSAGE] or self._message
        self._pass_on(self._message, percent)

    def stop(self) -> None:
        """Pass nothing on from now on."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pass_on(self, message: str, percent: float | None) -> None:
        if self._stopped:
            return
        if self._timer is not None:
            self._reported = asyncio.get_running_loop().time()
        value = -1.0 if percent is None else min(percent, HIGHEST)
        if value <= self._value:
            last = max(self._value, 0.0)
            value = last + (CEILING - last) * _STEP
        whole = round(value)
        self._value = whole if self._value < whole < CEILING else value
        self._notify(self._value, message)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._reported + self._silence_s
        if loop.time() >= due:
            self._pass_on(f"{self._message} ({loop.time() - self._began:.0f} s)", None)
            due = self._reported + self._silence_s
        if not self._stopped:
            self._timer = loop.call_at(due, self._tick)
