"""Silence on the answers that are being made: whoever said nothing for so long is told to give a sign of life.

Nearly every answer is over before that. So there is one timer for all of them, and not one to set and to cancel with
every request: all wait equally long, so the one that began first is due first.
"""

import asyncio
from typing import Protocol


class Watched(Protocol):
    """An answer in the making."""

    def beat(self) -> bool:
        """Give a sign of life; whether there may have to be another."""


class Silences:
    """The answers that are watched, the one that is due first at the beginning."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._due: dict[Watched, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, answer: Watched) -> None:
        """From now on."""
        loop = asyncio.get_running_loop()
        self._due[answer] = loop.time() + self._silence_s
        if self._timer is None:
            self._timer = loop.call_later(self._silence_s, self._tick)

    def forget(self, answer: Watched) -> None:
        """It has ended, or nobody listens to it."""
        self._due.pop(answer, None)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now, self._timer = loop.time(), None
        for answer in [each for each, due in self._due.items() if due <= now]:
            del self._due[answer]
            if answer.beat():
                self._due[answer] = now + self._silence_s
        if self._due:
            self._timer = loop.call_at(next(iter(self._due.values())), self._tick)
