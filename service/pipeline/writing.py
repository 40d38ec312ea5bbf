"""Writes that say what was paid for: they are tried again until the disk takes them."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from service.images import WorkError
from service.pipeline.running_jobs import HELD_UP_S, RunningJob, RunningJobs, stored_later
from service.troubles import STORAGE

logger = logging.getLogger(__name__)

R = TypeVar("R")

WRITE_PAUSE_S: Final = 2.0
"""Pause between two tries to write. A stop waits no longer than this for one that is under way."""

STORING_TRIES: Final = 150
"""Tries in five minutes. A picture is megabytes of memory while the disk does not take it."""


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Writes for the jobs of this process."""

    jobs: RunningJobs
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    held_up_s: float = HELD_UP_S

    async def write(
        self,
        write: Callable[[], Awaitable[R]],
        running: RunningJob | None = None,
        *,
        tries: float = math.inf,
        told: WorkError | None = None,
    ) -> R:
        """Write something that says what was paid for, so that it may not be lost: try until the disk takes it.

        Until then the job counts as `working`, and the calls that wait for `running` are told after `HELD_UP_S`: the
        failure `told` that is being written, or that the picture is kept here meanwhile. Raises any `WorkError` that is
        not of the disk, and that of the last try after `tries` of them or once the service stops.
        """
        tried, started = 0, time.monotonic()
        while True:
            try:
                written = await write()
            except WorkError as error:
                tried += 1
                if tried >= tries or self.jobs.closing or error.kind != STORAGE:
                    raise
                if tried == 1:
                    logger.info("It is tried again until it succeeds: %s", error.fact)
                if running is not None and time.monotonic() - started >= self.held_up_s:
                    running.hold_up(told or stored_later(error))
            else:
                if running is not None and running.is_held_up:
                    running.go_on()
                return written
            await self.pause(WRITE_PAUSE_S)
