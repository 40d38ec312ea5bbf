"""Writes that money hangs on come to their end, however often their call is cancelled."""

import asyncio

import pytest

from service.images import WorkError
from service.pipeline.running_jobs import finish_despite_cancel


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
    async def fail() -> None:
        raise WorkError("It is full.")

    async def write() -> str:
        return "written"

    with pytest.raises(WorkError):
        await finish_despite_cancel(fail())
    assert await finish_despite_cancel(write()) == "written"
