"""The limit of requests within a minute, in sum over all replicas.

What was taken here is told and what others took is learned every `EACH_S`, and at once after much of a minute's worth.
So replicas may take a little more than the limit within a moment, and all of it is paid back: nobody is let in faster
than the limit for longer than that.
"""

import asyncio
import contextlib
import logging
from typing import Final

from service.bounds.call_rate import CallRate
from service.images import WorkError
from service.storage.replicas import Replica

logger = logging.getLogger(__name__)

EACH_S: Final = 3.0
AGAIN_S: Final = 1.0
"""Pause after one that failed, and between two: a flood of calls is no flood of statements."""


async def keep_in_sum(rate: CallRate, replica: Replica, each_s: float = EACH_S, again_s: float = AGAIN_S / 10) -> None:
    """Keep the rate of this process in sum with those of others until cancelled; end at once where there are none."""
    if not replica.shares:
        return
    wanted = asyncio.Event()
    rate.much_taken = wanted.set
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(each_s):
                await wanted.wait()
        wanted.clear()
        rate.replicas = replica.living
        if not (untold := rate.untold()):
            continue
        try:
            rate.learn(await replica.share(untold))
        except WorkError as error:
            logger.debug("Other replicas were not told of requests: %s", error)
            rate.tell_again(untold)
        await asyncio.sleep(again_s)
