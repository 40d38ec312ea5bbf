"""Progress as clients need it: numbers that rise with every message, and a sign of life at least each ten seconds.

Spec 2026-07-28, Progress: the value must increase with each notification. Upstreams repeat themselves, go back, and
say nothing for minutes; many clients give up on a call that is silent for so long.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from service.images import Progress

SILENCE_S: Final = 10.0
HIGHEST: Final = 98.0
"""What an upstream's own "100 %" counts as: the result is the end, and there may be more to say before it."""

CEILING: Final = 99.0
"""Never reached, whatever is still said."""

MAX_MESSAGE: Final = 200
_STEP: Final = 0.05
"""The part of what is left that a message without a number is worth: it always rises and never arrives."""


class _Steady:
    """Wraps where progress goes; called by the upstream, and by its own clock when the upstream is silent."""

    def __init__(self, heard: Progress, silence_s: float) -> None:
        self._heard = heard
        self._silence_s = silence_s
        self._percent = 0.0
        self._message = "Working"
        self._started = self._spoke = asyncio.get_running_loop().time()

    async def __call__(self, message: str, percent: float | None = None) -> None:
        """Pass a message on, with a percentage above the last one."""
        self._message = " ".join(message.split())[:MAX_MESSAGE] or self._message
        await self._say(self._message, percent)

    async def keep_alive(self) -> None:
        """Repeat the last message, with the time that has passed, whenever nothing was said for a while."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._spoke + self._silence_s - loop.time())
            if loop.time() >= self._spoke + self._silence_s:
                await self._say(f"{self._message} ({loop.time() - self._started:.0f} s)", None)

    async def _say(self, message: str, percent: float | None) -> None:
        self._spoke = asyncio.get_running_loop().time()
        least = self._percent + (CEILING - self._percent) * _STEP
        given = min(percent or 0.0, HIGHEST)
        self._percent = given if given > self._percent else least
        await self._heard(message, self._percent)


@contextlib.asynccontextmanager
async def steady(progress: Progress, silence_s: float = SILENCE_S) -> AsyncIterator[Progress]:
    """Give the work inside a progress that rises and does not fall silent; it ends with the block."""
    report = _Steady(progress, silence_s)
    beating = asyncio.create_task(report.keep_alive())
    try:
        yield report
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
