"""Durable writes: rows and files that say what was paid for, so that none may be lost.

1. A write is finished; a cancellation that comes meanwhile takes effect after it.
2. A write is tried again while the disk is full, or gone for a while, until it succeeds or the service stops. Until
   then the job counts as `working`.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from service.images import WorkError

logger = logging.getLogger(__name__)

R = TypeVar("R")

PAUSE_S: Final = 2.0
"""Pause between two tries. A stop waits no longer than this for one that is under way."""


async def finish_despite_cancel(work: Coroutine[Any, Any, R]) -> R:
    """Run `work` to its end and return its result; a cancellation that came meanwhile is raised after that."""
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


async def retry_until_written(
    write: Callable[[], Awaitable[R]],
    pause: Callable[[float], Awaitable[None]],
    stopping: Callable[[], bool],
    tries: float = math.inf,
) -> R:
    """Return the result of `write`, tried every `PAUSE_S` seconds until it succeeds.

    Raises the `WorkError` of the last try after `tries` of them, or once `stopping` says that no time is left.
    """
    tried = 0
    while True:
        try:
            return await write()
        except WorkError as error:
            tried += 1
            if tried >= tries or stopping():
                raise
            if tried == 1:
                logger.warning("It is tried again until it succeeds: %s", error)
        await pause(PAUSE_S)
