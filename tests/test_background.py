"""Work in the background: that its end is awaited, and that its failure disturbs nobody."""

import asyncio
import inspect
import logging

import pytest

from service.background import background_tasks


async def test_what_still_runs_at_the_end_is_ended_and_awaited() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    before = asyncio.all_tasks()
    async with background_tasks(work(), work()):
        await asyncio.sleep(0)
    assert ended == ["work", "work"]
    assert asyncio.all_tasks() == before


async def test_work_that_fails_is_logged_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    gone_on = asyncio.Event()

    async def fail() -> None:
        raise RuntimeError("a bug")

    async def go_on() -> None:
        gone_on.set()

    with caplog.at_level(logging.ERROR):
        async with background_tasks(fail(), go_on()):
            await gone_on.wait()
    assert "a bug" in caplog.text


async def test_a_service_that_ends_at_once_leaves_no_work_behind() -> None:
    """Bug: work that had not begun when its service ended was never awaited, and Python said so."""
    begun = []

    async def work() -> None:
        begun.append(1)

    job = work()
    async with background_tasks(job):
        pass
    assert not begun
    assert inspect.getcoroutinestate(job) == inspect.CORO_CLOSED
