"""The calls that run now: cancelled by their client, or ended at shutdown.

A legacy call belongs to its session and goes on without its connection, so it is a task of its own; a modern one ends
with its connection, and runs in the task of its request (`versions.OUTLIVES_ITS_STREAM`).
"""

import asyncio
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from service.protocol.call import Call, read_reason
from service.protocol.dispatch import EncodedResponse
from service.protocol.jsonrpc import RequestId
from service.protocol.session import Session

_Key: TypeAlias = tuple[str, RequestId]


@dataclass
class RunningCalls:
    """The running calls by session and request id, and their tasks."""

    _tasks: dict[Call, asyncio.Task[Any]] = field(default_factory=dict)
    _waiting: dict[Call, asyncio.Future[None]] = field(default_factory=dict)
    _by_request: dict[_Key, Call] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        """Take in a call that runs in the current task."""
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"  # noqa: S101 - asyncio has no other way
        self._tasks[call] = task

    def remove(self, call: Call) -> None:
        """Let go of a call that was added, and has ended."""
        del self._tasks[call]

    def leave(self, call: Call) -> None:
        """Let the request of this call end; the call goes on."""
        waiting = self._waiting.get(call)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def cancel(self, session: Session, request_id: object, reason: object = None) -> None:
        """Cancel a session's call by its request id, if it runs."""
        if not isinstance(request_id, str | int) or isinstance(request_id, bool):  # JSON's true would be found as 1
            return
        call = self._by_request.get((session.id, request_id))
        if call is not None:
            call.cancel_reason = read_reason(reason)
            self._tasks[call].cancel()

    async def close(self, grace_s: float) -> None:
        """Give running calls `grace_s` seconds to end, cancel the rest and wait for them."""
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()), timeout=grace_s)
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()))

    async def run_apart(self, call: Call, work: Coroutine[Any, Any, EncodedResponse]) -> EncodedResponse | None:
        """Run `work` in a task of its own; None when its client cancelled it, or left it before.

        A cancellation of the caller, as by a lost connection, leaves the task running.
        """
        # A future is a fraction of the price of `asyncio.wait`, and can be done without the task.
        waiting = self._waiting[call] = asyncio.get_running_loop().create_future()
        try:
            task = _start(work)
            if not task.done():
                self._remember(call, task, waiting)
                await waiting
        finally:
            del self._waiting[call]
        return task.result() if task.done() and not task.cancelled() else None

    def _remember(self, call: Call, task: asyncio.Task[EncodedResponse], waiting: asyncio.Future[None]) -> None:
        """Hold a call until it ends; then the request that waits for it goes on."""
        key = None if call.session is None else (call.session.id, call.id)
        self._tasks[call] = task
        if key is not None:
            self._by_request[key] = call

        def forget(_: asyncio.Task[EncodedResponse]) -> None:
            del self._tasks[call]
            # A client may use an id again; then the entry is the later call's.
            if key is not None and self._by_request.get(key) is call:
                del self._by_request[key]
            if not waiting.done():
                waiting.set_result(None)

        task.add_done_callback(forget)


def _start(work: Coroutine[Any, Any, EncodedResponse]) -> asyncio.Task[EncodedResponse]:
    """Return a task for a call. From Python 3.12 it runs to its first wait at once, and a cheap one is over by then."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)
