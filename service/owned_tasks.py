"""Work that outlives the call which began it: every task has an owner here, which ends and awaits it at shutdown."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

logger = logging.getLogger(__name__)

AT_ONCE: Final = 32
"""Tasks that run at the same time. After a crash there may be hundreds, and each keeps asking an image service."""


class OwnedTasks:
    """Tasks by number, such as the `history_id` of the job that each works on."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self.closing = False
        """Whether the process is about to end: then what is cancelled was not cancelled by anybody who asked for it."""
        self._running: set[asyncio.Task[None]] = set()
        self._latest: dict[int, asyncio.Task[None]] = {}
        self._free = asyncio.Semaphore(at_once)

    def start(self, number: int, work: Callable[[], Awaitable[object]]) -> None:
        """Begin work in a task of its own, after that of the same number, if one is still about to end."""
        if self.closing:
            return
        task = asyncio.create_task(self._run(number, work, self._latest.get(number)))
        self._latest[number] = task
        self._running.add(task)
        task.add_done_callback(lambda ended: self._forget(number, ended))

    def runs(self, number: int) -> bool:
        """Whether there is such a task."""
        return number in self._latest

    async def wait(self, number: int, timeout_s: float) -> None:
        """Wait for the end of a task, or so many seconds. Cancelled, it leaves the task alone."""
        if number in self._latest:
            await asyncio.wait({self._latest[number]}, timeout=timeout_s)

    async def close(self) -> None:
        """Take no more, cancel all that run, and wait for their ends."""
        self.closing = True
        running = set(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _forget(self, number: int, ended: asyncio.Task[None]) -> None:
        self._running.discard(ended)
        if self._latest.get(number) is ended:
            del self._latest[number]

    async def _run(self, number: int, work: Callable[[], Awaitable[object]], before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait({before})
            async with self._free:
                await work()
        except Exception:
            logger.exception("The work on %d ended by a mistake of ours", number)
