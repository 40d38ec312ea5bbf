"""Progress: rising numbers, and a sign of life when the upstream is silent."""

import asyncio
from itertools import pairwise

from service.pipeline.progress import steady


class Heard:
    def __init__(self) -> None:
        self.steps: list[tuple[str, float | None]] = []
        self.again = asyncio.Event()

    async def __call__(self, message: str, percent: float | None = None) -> None:
        self.steps.append((message, percent))
        if len(self.steps) > 2:
            self.again.set()


async def test_numbers_rise_whatever_the_upstream_says() -> None:
    """Spec 2026-07-28, Progress: the value MUST increase with each notification."""
    heard = Heard()
    async with steady(heard) as report:
        for percent in (10, 5, None, None, 50, 50, 100, 100, None):
            await report("x", percent)
    numbers = [percent for _, percent in heard.steps]
    assert all(a is not None and b is not None and a < b <= 99 for a, b in pairwise(numbers))
    assert numbers[0] == 10


async def test_a_message_is_one_short_line() -> None:
    heard = Heard()
    async with steady(heard) as report:
        await report("  two\n lines ", 1)
        await report("x" * 1000)
        await report(" ")
    assert [len(message) for message, _ in heard.steps] == [9, 200, 200]


async def test_a_silent_upstream_is_spoken_for() -> None:
    """Ours: many clients give up on a call that says nothing for a minute."""
    heard = Heard()
    async with asyncio.timeout(5), steady(heard, silence_s=0.01) as report:
        await report("drawing", 10)
        await heard.again.wait()
    assert heard.steps[1][0] == "drawing (0 s)"


async def test_nothing_is_said_after_the_end() -> None:
    """Spec 2026-07-28, Progress: notifications MUST stop after completion."""
    heard = Heard()
    running = asyncio.all_tasks()
    async with asyncio.timeout(5), steady(heard, silence_s=0.001):
        await heard.again.wait()
    assert asyncio.all_tasks() == running
