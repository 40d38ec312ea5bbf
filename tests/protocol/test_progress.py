"""Progress of one call: values that rise, and a sign of life in silence."""

import asyncio
import gc
import weakref
from itertools import pairwise

import pytest

from service.protocol.progress import CEILING, RisingProgress
from tests.protocol.samples import Outbox, call
from tests.wire import until


class Notified:
    """Takes values and messages."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, str]] = []

    def __call__(self, value: float, message: str) -> None:
        self.steps.append((value, message))

    @property
    def values(self) -> list[float]:
        return [value for value, _ in self.steps]


async def test_values_rise_whatever_is_reported() -> None:
    """Spec 2026-07-28, Progress: the value MUST increase with each notification."""
    notified = Notified()
    progress = RisingProgress(notified)
    for percent in (10, 5, None, None, 50, 50, 100, 100, None):
        progress.report("x", percent)
    progress.stop()
    assert all(before < after < CEILING for before, after in pairwise(notified.values))
    assert (notified.values[0], notified.values[4]) == (10, 50)


@pytest.mark.parametrize(("percent", "value"), [(0, 0), (None, 5), (33.3, 33), (100, 98)])
async def test_the_first_value_is_the_reported_one(percent: float | None, value: float) -> None:
    """Ours: at 98 at most, for there may be more to say before the result."""
    notified = Notified()
    progress = RisingProgress(notified)
    progress.report("x", percent)
    progress.stop()
    assert notified.values == [pytest.approx(value)]


async def test_values_are_whole_numbers_until_the_steps_become_smaller() -> None:
    """Ours: clients show the number as it is, and 42.8275 % tells nobody more than 43 %."""
    notified = Notified()
    progress = RisingProgress(notified)
    for _ in range(100):
        progress.report("x")
    progress.stop()
    assert all(value == int(value) for value in notified.values[:40])
    assert all(before < after < CEILING for before, after in pairwise(notified.values))


async def test_a_message_is_one_short_line() -> None:
    notified = Notified()
    progress = RisingProgress(notified)
    for message in ("  two\n lines ", "x" * 1000, " "):
        progress.report(message)
    progress.stop()
    assert [len(message) for _, message in notified.steps] == [9, 200, 200]


async def test_silence_is_broken_by_the_last_message() -> None:
    """Ours: many clients give up on a call that says nothing for a minute."""
    notified = Notified()
    progress = RisingProgress(notified, silence_s=0.01)
    progress.keep_alive()
    progress.keep_alive()
    progress.report("drawing", 10)
    await until(lambda: len(notified.steps) > 2)
    progress.stop()
    assert notified.steps[1][1] == "drawing (0 s)"
    assert all(before < after for before, after in pairwise(notified.values))


async def test_nothing_follows_the_end() -> None:
    """Spec 2026-07-28, Progress: notifications MUST stop after completion."""
    notified = Notified()
    progress = RisingProgress(notified, silence_s=0.001)
    progress.keep_alive()
    await until(lambda: bool(notified.steps))
    progress.stop()
    before = len(notified.steps)
    progress.report("late", 90)
    progress.keep_alive()
    await asyncio.sleep(0.01)
    assert len(notified.steps) == before


async def test_an_ended_call_is_freed_without_a_run_of_the_garbage_collector() -> None:
    """Ours: a call holds its picture, and a loop of thousands of calls a minute would hold megabytes."""
    ended = call(params={"_meta": {"progressToken": 1}}, channel=Outbox())
    ended.report("drawing", 10)
    progress = ended.progress()
    assert progress is not None
    progress.keep_alive()
    del progress
    held = weakref.ref(ended.client)
    gc.disable()
    try:
        ended.end()
        del ended
        assert held() is None
    finally:
        gc.enable()
