"""The budget of bytes in flight: pictures between their image service and the disk take so much memory at once.

Each piece of work that may bring pictures has its `Share` of the budget, and takes bytes for an answer before it reads
on. What has none yet waits for its turn, first come first served, and does not read meanwhile: its connection holds
the bytes back, and its image service waits. Four rules keep that from ending badly:

1. Whoever waits holds nothing. A share that holds some already gets more at once, beyond the budget if need be, so that
   what is under way comes to its end; the next ones wait until that is given back.
2. One that wants more than the whole budget has its turn once nothing else holds any.
3. Waiting is not the fault of the image service. The deadlines that the work has made by `deadline` stand still.
4. Work that the disk holds up gives its bytes back though it still has them (`let_others_on`): a service that is not
   read for minutes hangs up, on a picture that is paid for. Then the limit of pictures at once bounds the memory.
"""

import asyncio
import contextlib
import ctypes
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final

BUDGET_BYTES: Final = 64_000_000

HELD_BACK_BYTES: Final = 8 * 1024
"""Bytes in the buffer of a connection from which on it is not read: all that an answer has in memory before its turn,
besides what the system gave at one go."""

MMAP_THRESHOLD: Final = -3
TRIM_THRESHOLD: Final = -1
"""The numbers of the parameters in malloc.h."""

LARGE_BLOCK_BYTES: Final = 512 * 1024
KEPT_BYTES: Final = 4 * 1024 * 1024
"""Bytes of free memory that the next piece of a picture finds: to give them back and to ask again takes longer than to
copy the piece."""

UNKNOWN_BYTES: Final = 8_000_000
"""Bytes that are taken for an answer which does not tell its length: a large picture."""


class ByteBudget:
    """The budget of one process."""

    def __init__(self, total: int = BUDGET_BYTES) -> None:
        """Let shares hold `total` bytes at once."""
        _give_back_large_blocks()
        self._total = total
        self._held = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def held(self) -> int:
        """The bytes that all shares hold."""
        return self._held

    @property
    def waiting(self) -> int:
        """The number of shares that wait."""
        return len(self._waiting)

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """Have a share for a piece of work, by which `room_for` finds it. All of it is given back at the end."""
        share = Share(self)
        token = _SHARE.set(share)
        try:
            yield share
        finally:
            _SHARE.reset(token)
            share.hold(0)

    async def take(self, size: int) -> None:
        """Take so many bytes when their turn has come."""
        if not self._waiting and self._fits(size):
            self._held += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (turn, size)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(entry)
                self.change(0)  # it may have stood before others that fit
            else:  # its turn came in the same moment
                self.change(-size)
            raise

    def change(self, size: int) -> None:
        """Take so many bytes at once, or give them back where that is below zero, and begin turns that fit now."""
        self._held += size
        while self._waiting and self._fits(self._waiting[0][1]):
            turn, wanted = self._waiting[0]
            if turn.cancelled():  # it is about to leave
                return
            self._waiting.popleft()
            self._held += wanted
            turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._held <= 0 or self._held + size <= self._total


class Share:
    """The bytes that one piece of work holds."""

    def __init__(self, budget: ByteBudget) -> None:
        """Hold none yet."""
        self._budget = budget
        self.size = 0
        self.settled = 0
        """Those of pictures that are there, beside which more are read."""

    async def take(self, size: int) -> None:
        """Hold at least so many bytes; the first ones are waited for."""
        if self.size == 0 and size > 0:
            with _standing_still():
                await self._budget.take(size)
            self.size = size
        elif size > self.size:
            self.hold(size)

    def hold(self, size: int) -> None:
        """Hold so many bytes from now on, more or fewer, without waiting."""
        change, self.size = size - self.size, size
        self._budget.change(change)


_SHARE: ContextVar[Share | None] = ContextVar("share", default=None)
_DEADLINES: ContextVar[tuple[asyncio.Timeout, ...]] = ContextVar("deadlines", default=())


async def room_for(size: int) -> None:
    """Take bytes for a picture that is about to be read, or to be read on, beside those that are settled.

    Work without a share takes none: that of a command, and what is limited otherwise.
    """
    if (share := _SHARE.get()) is not None:
        await share.take(share.settled + size)


def settle(size: int) -> None:
    """Say how many bytes the pictures have that were read so far."""
    if (share := _SHARE.get()) is not None:
        share.settled = size


def let_others_on() -> None:
    """Give the bytes of this work back, which still has them: it is held up, and others are waiting to be read."""
    if (share := _SHARE.get()) is not None:
        share.hold(0)


@asynccontextmanager
async def deadline(seconds: float | None) -> AsyncIterator[None]:
    """Raise `TimeoutError` after so many seconds, as `asyncio.timeout` does; waiting for bytes does not count."""
    async with asyncio.timeout(seconds) as timeout:
        token = _DEADLINES.set((*_DEADLINES.get(), timeout))
        try:
            yield
        finally:
            _DEADLINES.reset(token)


def _give_back_large_blocks() -> None:
    """Have the C library give large blocks of memory back to the system as soon as they are free.

    That of Linux does so at first, and keeps blocks of the size of the first one from then on (mallopt(3),
    M_MMAP_THRESHOLD): hundreds of pictures that come and go then leave holes which nothing else fits in.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # other C libraries of Linux do so by themselves
            library = ctypes.CDLL(None)
            library.mallopt(MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
            library.mallopt(TRIM_THRESHOLD, KEPT_BYTES)


@contextmanager
def _standing_still() -> Iterator[None]:
    """Put off the deadlines of this work by the length of the block."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    ends = [(each, end) for each in _DEADLINES.get() if (end := each.when()) is not None and not each.expired()]
    for each, _ in ends:
        each.reschedule(None)
    try:
        yield
    finally:
        waited = loop.time() - began
        for each, end in ends:
            each.reschedule(end + waited)
