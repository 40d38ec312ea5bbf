"""A watchdog of the event loop: it notes each callback of the service that held the loop for too long.

Counted is the processor time of the thread, so that a loaded machine gives no alarm, without that of the garbage
collector, which goes through all that a test run has loaded. Work of tests and emulators on the same loop is not the
service's.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from service.web.connections import Connection
from tests.paths import SERVICE

MOST_S: Final = 0.05
"""Processor time of one callback. Ours: 20 ms at most; a busy machine, and the measurement, get the rest."""


REQUEST: Final = "request "
"""Begins the names of tasks that handle requests of the service; those of emulators have others."""


@dataclass
class Watchdog:
    """The callbacks that held the loop, in words."""

    most_s: float = MOST_S
    held: list[str] = field(default_factory=list)
    _collecting_s: float = 0.0
    _collection_began: float = 0.0

    def run(self, original: Callable[[asyncio.Handle], None], handle: asyncio.Handle) -> None:
        """Run a callback, and note it if it is the service's and took too long."""
        began, collecting_s = time.thread_time(), self._collecting_s
        original(handle)
        took = time.thread_time() - began - (self._collecting_s - collecting_s)
        if took >= self.most_s and (words := _of_the_service(handle)):
            self.held.append(f"{took * 1000:.0f} ms: {words}")

    def collect(self, phase: str, _: object) -> None:
        """Count the time of the collector."""
        if phase == "start":
            self._collection_began = time.thread_time()
        else:
            self._collecting_s += time.thread_time() - self._collection_began


@contextmanager
def watched(most_s: float = MOST_S) -> Iterator[Watchdog]:
    """Watch all loops of this process until the block ends."""
    watchdog = Watchdog(most_s)
    original = asyncio.Handle._run
    asyncio.Handle._run = lambda handle: watchdog.run(original, handle)  # type: ignore[method-assign, assignment]
    gc.callbacks.append(watchdog.collect)
    handle_request = Connection._handle_request
    Connection._handle_request = _named(handle_request)  # type: ignore[method-assign]
    try:
        yield watchdog
    finally:
        Connection._handle_request = handle_request  # type: ignore[method-assign]
        gc.callbacks.remove(watchdog.collect)
        asyncio.Handle._run = original  # type: ignore[method-assign]


def _named(handle_request: Callable[..., Any]) -> Callable[..., Any]:
    """Return the handling of requests in tasks that say which request it is, also when they are done."""

    async def handle(self: Connection, request: Any, *more: Any) -> Any:
        task = asyncio.current_task()
        if task is not None:
            task.set_name(f"{REQUEST}{request.method} {request.path}")
        return await handle_request(self, request, *more)

    return handle


def _of_the_service(handle: Any) -> str:
    """Return the name of what ran; "" for work that is not the service's."""
    callback = handle._callback
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        coroutine: Any = owner.get_coro()
        if owner.get_name().startswith(REQUEST):
            return owner.get_name()
        file = getattr(getattr(coroutine, "cr_code", None), "co_filename", "")
        return str(coroutine.__qualname__) if file.startswith(str(SERVICE)) else ""
    modules = (getattr(callback, "__module__", ""), _module(owner), _module(getattr(owner, "_protocol", None)))
    return repr(callback) if any(f"{module}.".startswith("service.") for module in modules) else ""


def _module(value: object) -> str:
    return type(value).__module__
