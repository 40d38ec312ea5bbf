"""Writes that must not be lost, since they say what was paid for.

1. To their end: who is cancelled meanwhile is cancelled after it.
2. Again and again: a disk that is full, or gone for a while, is tried until it takes them, or the service stops. Until
   then the job is at work for everybody who asks.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from service.images import WorkError

logger = logging.getLogger(__name__)

R = TypeVar("R")

PAUSE_S: Final = 2.0
"""Between two tries. A stop waits no longer than this for one that is under way."""


async def finish_despite_cancel(work: Coroutine[Any, Any, R]) -> R:
    """Do all of it; a cancellation goes on after that."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled() and (problem := task.exception()):
        logger.warning("It was cancelled, and failed: %s", problem)
    raise cancelled


@dataclass(frozen=True, kw_only=True)
class DurableWrites:
    """Tries until it is written. `pause` waits between tries; `stopping` says that there is no time for another."""

    pause: Callable[[float], Awaitable[None]]
    stopping: Callable[[], bool]

    async def write(self, write: Callable[[], Awaitable[R]], tries: float = math.inf) -> R:
        """The outcome of `write`. Raises what it raised last, once it was tried often enough or the service stops."""
        tried = 0
        while True:
            try:
                return await write()
            except WorkError as error:
                tried += 1
                if tried >= tries or self.stopping():
                    raise
                if tried == 1:
                    logger.warning("It is tried again until it succeeds: %s", error)
            await self.pause(PAUSE_S)
