"""The calls that run now. Each is a task with an owner: cancelled by its client, or ended at shutdown.

A legacy call belongs to its session and goes on without its connection; a modern one ends with it. The table of
`versions.OUTLIVES_ITS_STREAM` says which.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from service.protocol.call import Call, read_reason
from service.protocol.dispatch import Answer
from service.protocol.jsonrpc import RequestId
from service.protocol.session import Session
from service.protocol.versions import OUTLIVES_ITS_STREAM

_Key: TypeAlias = tuple[str, RequestId]


@dataclass
class RunningCalls:
    """Starts calls, finds one by the id that its session gave it, and waits for all at the end."""

    _tasks: set[asyncio.Task[Answer]] = field(default_factory=set)
    _by_request: dict[_Key, tuple[Call, asyncio.Task[Answer]]] = field(default_factory=dict)

    async def run(
        self, call: Call, work: Coroutine[Any, Any, Answer], leave: "asyncio.Future[Any] | None" = None
    ) -> Answer | None:
        """Run `work` to its answer; None when its client cancelled it, or `leave` was done before.

        Cancelled itself, as by a lost connection, it acts as the era has it.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if call.session is not None:
            self._remember((call.session.id, call.id), call, task)
        awaited: set[asyncio.Future[Any]] = {task} if leave is None else {task, leave}
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if call.era not in OUTLIVES_ITS_STREAM:
                task.cancel()
                await asyncio.wait({task})
            raise
        return task.result() if task.done() and not task.cancelled() else None

    def cancel(self, session: Session, request_id: object, reason: object = None) -> None:
        """Cancel a session's call by its request id; one that is not running has ended already, and stays so."""
        if not isinstance(request_id, str | int) or isinstance(request_id, bool):  # JSON's true would be found as 1
            return
        running = self._by_request.get((session.id, request_id))
        if running is not None:
            call, task = running
            call.cancel_reason = read_reason(reason)
            task.cancel()

    async def close(self, grace_s: float) -> None:
        """Give running calls `grace_s` seconds to end, cancel the rest and wait for them."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _remember(self, key: _Key, call: Call, task: asyncio.Task[Answer]) -> None:
        entry = self._by_request[key] = (call, task)

        def forget(ended: asyncio.Task[Answer]) -> None:  # noqa: ARG001 - what a task calls when it is done
            # A client may use an id again; then the entry is the later call's.
            if self._by_request.get(key) is entry:
                del self._by_request[key]

        task.add_done_callback(forget)
