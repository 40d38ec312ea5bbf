"""Writes that money hangs on: done to their end, and until they are done."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from service.images import WorkError
from service.pipeline.durable import PAUSE_S, finish_despite_cancel, retry_until_written

R = TypeVar("R")


class Disk:
    """Takes nothing until it has refused so often; the service stops after so many pauses."""

    def __init__(self, refusals: int, stops_after: int = 100) -> None:
        self.refusals = refusals
        self.asked = 0
        self.pauses: list[float] = []
        self._stops_after = stops_after

    async def take(self, write: Callable[[], Awaitable[R]], tries: float = math.inf) -> R:
        return await retry_until_written(write, self._pause, lambda: len(self.pauses) >= self._stops_after, tries)

    async def write(self) -> str:
        self.asked += 1
        if self.asked <= self.refusals:
            raise WorkError("It is full.", kind="storage")
        return "written"

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def test_a_full_disk_is_asked_until_it_takes_it() -> None:
    """Ours: what is written is what was paid for."""
    disk = Disk(refusals=3)
    assert await disk.take(disk.write) == "written"
    assert disk.pauses == [PAUSE_S] * 3


@pytest.mark.parametrize(
    ("disk", "tries", "asked"),
    [
        pytest.param(Disk(refusals=9), 3, 3, id="tried often enough"),
        pytest.param(Disk(refusals=9, stops_after=2), 9, 3, id="the service stops"),
        pytest.param(Disk(refusals=9, stops_after=0), 9, 1, id="the service stops already"),
    ],
)
async def test_at_last_the_failure_is_told(disk: Disk, tries: int, asked: int) -> None:
    """Ours: a stop is not held up for ever."""
    with pytest.raises(WorkError, match=r"It is full\."):
        await disk.take(disk.write, tries)
    assert disk.asked == asked


async def test_a_mistake_of_ours_is_not_tried_again() -> None:
    disk = Disk(refusals=0)

    async def broken() -> None:
        await disk.write()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await disk.take(broken)
    assert (disk.asked, disk.pauses) == (1, [])


async def test_a_cancellation_waits_for_the_end_however_often_it_comes() -> None:
    """Ours: first the one of the client, then the one of the stop."""
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def write() -> None:
        begun.set()
        await may_end.wait()
        ended.set()

    call = asyncio.create_task(finish_despite_cancel(write()))
    await begun.wait()
    for _ in range(2):
        call.cancel()
        await asyncio.sleep(0)
    assert not call.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert ended.is_set()


async def test_what_fails_after_a_cancellation_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: the cancellation goes on, and nobody else hears of it."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        begun.set()
        await may_end.wait()
        raise WorkError("It is full.")

    call = asyncio.create_task(finish_despite_cancel(write()))
    await begun.wait()
    call.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert "It is full." in caplog.text


async def test_what_nobody_cancels_ends_as_it_ends() -> None:
    disk = Disk(refusals=1)
    with pytest.raises(WorkError):
        await finish_despite_cancel(disk.write())
    assert await finish_despite_cancel(disk.write()) == "written"
