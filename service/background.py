"""Work that goes on beside the service: started with it, owned by it, ended with it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def beside(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the jobs until the block ends. One that fails says so in the log and disturbs nobody."""
    tasks = [asyncio.create_task(_logged(job)) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job in jobs:
            job.close()  # one that was cancelled before its first step is still waiting to be begun


async def _logged(job: Coroutine[Any, Any, None]) -> None:
    try:
        await job
    except Exception:
        logger.exception("Work in the background ended.")
