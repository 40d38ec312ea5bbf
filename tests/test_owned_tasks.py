"""Tasks that outlive the call which began them."""

import asyncio
import logging

import pytest

from service.owned_tasks import OwnedTasks


class Work:
    """Something that goes on until it may end; counts how many run."""

    def __init__(self) -> None:
        self.running = 0
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.undone = 0

    async def __call__(self) -> None:
        self.running += 1
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.undone += 1
            raise


async def test_closing_cancels_and_waits_for_what_that_takes() -> None:
    """Ours: a store is closed after this, and whoever is cancelled still writes to it."""
    owned, work = OwnedTasks(), Work()
    owned.start(1, work)
    await work.begun.wait()
    await owned.close()
    assert (work.undone, owned.closing, owned.runs(1)) == (1, True, False)
    owned.start(2, work)
    assert not owned.runs(2)


async def test_work_on_a_number_follows_the_one_that_is_about_to_end() -> None:
    """Bug: a job that was let go and taken up again in the same moment was followed by nobody."""
    owned, first, second = OwnedTasks(), Work(), Work()
    owned.start(1, first)
    owned.start(1, second)
    await first.begun.wait()
    assert not second.begun.is_set()
    first.may_end.set()
    second.may_end.set()
    await owned.wait(1, 10)
    assert (first.running, second.running, owned.runs(1)) == (1, 1, False)


async def test_only_so_many_run_at_once() -> None:
    """Ours: after a crash there may be hundreds, each of which keeps asking a service."""
    owned, work = OwnedTasks(at_once=2), Work()
    for number in range(5):
        owned.start(number, work)
    await work.begun.wait()
    for _ in range(10):  # whoever could run has run by then
        await asyncio.sleep(0)
    assert work.running == 2
    await owned.close()
    assert work.running == 2


async def test_who_waits_too_long_or_leaves_disturbs_nothing() -> None:
    owned, work = OwnedTasks(), Work()
    owned.start(1, work)
    await owned.wait(1, 0)
    await owned.wait(99, 10)
    waiting = asyncio.create_task(owned.wait(1, 10))
    await work.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (owned.runs(1), work.undone) == (True, 0)
    await owned.close()


async def test_a_bug_ends_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: nobody waits for such a task, so nobody else would hear of it."""

    async def broken() -> None:
        raise ZeroDivisionError

    owned = OwnedTasks()
    with caplog.at_level(logging.ERROR):
        owned.start(7, broken)
        await owned.wait(7, 10)
    assert "7" in caplog.text
    assert "ZeroDivisionError" in caplog.text
