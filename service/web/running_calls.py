"""The calls that run now: cancelled by their client, or ended at shutdown; and the share of each request in the limits.

A legacy call belongs to its session and goes on without its connection, so it is a task of its own; a modern one ends
with its connection, and runs in the task of its request (`client.OUTLIVES_ITS_STREAM`). A request has its share until
its response was taken and its calls have ended, whichever is later: neither unread results nor calls that were left can
pile up.

Hundreds of requests that come at once begin at a pace which leaves the loop to other work in between: a callback that
takes a millisecond is short; five hundred of them in one round of the loop are half a second in which nothing else is
read or answered.
"""

import asyncio
import hashlib
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Final, TypeAlias

from service.bounds.limits import CALLS_AT_ONCE, REQUEST_MEGABYTES, UNLIMITED, Allowances, InUse
from service.protocol.call import Call, read_reason
from service.protocol.dispatch import EncodedResponse
from service.protocol.jsonrpc import RequestId
from service.protocol.session import Session

_Key: TypeAlias = tuple[str, RequestId]

ROUND_S: Final = 0.012
"""Seconds of one round of the loop in which requests begin."""

AT_ONCE: Final = 100
"""Waiting requests that are woken in one round. One that finds no time left takes some microseconds."""


@dataclass
class RunningCalls:
    """The running calls by session and request id, their tasks, and the shares of requests that are in use."""

    allowances: Allowances = UNLIMITED
    cancelled_elsewhere: Callable[[str, RequestId, str], None] = lambda *_: None
    """Tells other processes of a cancelled call: the digest of its session, its request id, and the reason."""
    _tasks: dict[Call, asyncio.Task[Any]] = field(default_factory=dict)
    _waiting: dict[Call, asyncio.Future[None]] = field(default_factory=dict)
    _by_request: dict[_Key, Call] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with nothing in use."""
        self.in_use = InUse(CALLS_AT_ONCE, self.allowances)
        self.bytes_in_use = InUse(REQUEST_MEGABYTES, self.allowances, unit=1_000_000)

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The loop of all calls. Python 3.11 asks the system for the process each time that it is asked for."""
        return asyncio.get_running_loop()

    def task_of(self, call: Call) -> asyncio.Task[Any] | None:
        """Return the task of a call, while it runs."""
        return self._tasks.get(call)

    def add(self, call: Call) -> None:
        """Take in a call that runs in the current task."""
        task = asyncio.current_task(self._loop)
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
        """Cancel a session's call by its request id, if it runs; where it does not, it may run elsewhere."""
        if not isinstance(request_id, str | int) or isinstance(request_id, bool):  # JSON's true would be found as 1
            return
        if (session.id, request_id) in self._by_request:
            self._cancel((session.id, request_id), read_reason(reason))
        else:
            self.cancelled_elsewhere(digest_of(session.id), request_id, read_reason(reason))

    def cancel_for(self, session: str, request_id: RequestId, reason: str) -> None:
        """Cancel a call, if it runs, of a session by the digest of its id, as another process was asked to."""
        for key in [each for each in self._by_request if each[1] == request_id and digest_of(each[0]) == session]:
            self._cancel(key, reason)

    def _cancel(self, key: _Key, reason: str) -> None:
        call = self._by_request[key]
        call.cancel_reason = reason
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
        waiting = self._waiting[call] = self._loop.create_future()
        try:
            task = _start(work, self._loop)
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


class Share:
    """The share of one request of an owner: the bytes of its body, and its calls. Beyond a limit, `LimitError`."""

    __slots__ = ("_calls", "_owner", "_running", "_size")

    def __init__(self, running: RunningCalls, owner: str) -> None:
        """Begin with nothing."""
        self._running = running
        self._owner = owner
        self._size = 0
        self._calls: list[Call] = []

    def receive(self, size: int) -> None:
        """Hold as many bytes as are to be received, or as there were in the end."""
        more = size - self._size
        if more > 0:
            self._running.bytes_in_use.take(self._owner, more)
        elif more < 0:
            self._running.bytes_in_use.give_back(self._owner, -more)
        self._size = size

    def add(self, call: Call) -> None:
        """Hold one more call."""
        self._running.in_use.take(self._owner)
        self._calls.append(call)

    def end(self) -> None:
        """Give all back, now or when the last call has ended that goes on without its request."""
        going_on = [task for each in self._calls if (task := self._running.task_of(each)) is not None]
        if going_on:
            asyncio.gather(*going_on, return_exceptions=True).add_done_callback(lambda _: self._give_back())
        else:
            self._give_back()

    def _give_back(self) -> None:
        self.receive(0)
        if self._calls:
            self._running.in_use.give_back(self._owner, len(self._calls))


def digest_of(session_id: str) -> str:
    """Return a form of a session's id by which nobody can use the session."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:32]


def _start(
    work: Coroutine[Any, Any, EncodedResponse], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[EncodedResponse]:
    """Return a task for a call. From Python 3.12 it runs to its first wait at once, and a cheap one is over by then."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)


class Pace:
    """Lets requests begin while a round of the loop is young; the rest follow in the next rounds, in their order.

    Those that wait are woken together, and each looks at the time again before it begins: of cheap ones all begin in
    one round, and none waits any more; of dear ones a few.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin between two rounds; `clock` in seconds never goes back."""
        self._clock = clock
        self._round_ends: float | None = None
        self._waiting: deque[_Turn] = deque()
        self._is_watched = False

    def turn(self) -> Awaitable[None] | None:
        """Return what a request awaits before it begins; None where it may begin now."""
        return self._wait() if self._waiting or not self._has_time() else None

    async def _wait(self) -> None:
        """Wait for a round with time left. The first that waits is woken first, so that it begins first."""
        turn = _Turn()
        self._waiting.append(turn)
        try:
            while True:
                turn.woken = asyncio.get_running_loop().create_future()
                await turn.woken
                if self._has_time():
                    return
        finally:
            self._waiting.remove(turn)

    def _has_time(self) -> bool:
        """Return whether a request may begin in this round. The first of a round always may."""
        if self._round_ends is None:
            self._round_ends = self._clock() + ROUND_S
            self._watch()
            return True
        return self._clock() <= self._round_ends

    def _watch(self) -> None:
        """Have the round end in the next one of the loop, after all that was woken in this one."""
        if not self._is_watched:
            self._is_watched = True
            asyncio.get_running_loop().call_soon(self._end_round)

    def _end_round(self) -> None:
        self._is_watched, self._round_ends = False, None
        if self._waiting:
            for turn in islice(self._waiting, AT_ONCE):
                if not turn.woken.done():  # else its client is gone, and it goes as well
                    turn.woken.set_result(None)
            self._watch()


class _Turn:
    """The place of one request among those that wait, and the future by which it is woken."""

    __slots__ = ("woken",)

    woken: asyncio.Future[None]
