"""Work in the background: coroutines that go on as long as a block of code does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

logger = logging.getLogger(__name__)


@asynccontextmanager
async def background_tasks(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the coroutines until the block ends. The failure of one is logged and stops none of the others."""
    tasks = [asyncio.create_task(each) for each in work]
    for task in tasks:
        task.add_done_callback(_log_end)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _log_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        logger.error("Work in the background ended.", exc_info=problem)
