"""Waiters that leave before they are answered, and what that is worth the next time."""

import asyncio
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from service.early_leavers import PART, SHORTEST_S, EarlyLeavers
from service.images import JobState
from service.running_jobs import Leaving, Waiter
from tests.studio import FOX, Asleep, studio


class Clock:
    """The time of the loop, and as much more as a test lets pass."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


class Scene:
    """Early leavers, and how long they stay."""

    def __init__(self, most: int = 10) -> None:
        self.clock = Clock()
        self.early = EarlyLeavers(most, self.clock)

    def leave_after(self, seconds: float, awaited: object = "fox", why: Leaving = Leaving.GONE) -> None:
        waiter = Waiter(leaving=lambda: why)
        with pytest.raises(asyncio.CancelledError), self.early.heeded(awaited, waiter):
            self.clock.ahead_s += seconds
            raise asyncio.CancelledError

    def patience_s(self, awaited: object = "fox", own_s: float = math.inf) -> float:
        now = self.clock()
        with self.early.heeded(awaited, Waiter(until=now + own_s)) as heeding:
            return heeding.until - now


def test_who_left_is_answered_sooner_the_next_time() -> None:
    """Ours: a modern client that gives up closes its stream, and would pay for every try without a picture."""
    scene = Scene()
    assert scene.patience_s() == math.inf
    scene.leave_after(10)
    assert scene.patience_s() == pytest.approx(10 * PART, abs=0.5)
    assert scene.patience_s(own_s=3) == pytest.approx(3)
    assert scene.patience_s("a hare") == math.inf


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        pytest.param(SHORTEST_S / 2, Leaving.GONE, id="a person who changed their mind"),
        pytest.param(10, Leaving.CANCELLED, id="a cancellation that was asked for"),
    ],
)
def test_what_is_no_timeout_says_nothing_of_the_client(seconds: float, why: Leaving) -> None:
    scene = Scene()
    scene.leave_after(seconds, why=why)
    assert scene.patience_s() == math.inf


def test_what_is_known_of_a_request_holds_for_its_job() -> None:
    """Ours: `history` is called next, by the same client."""
    scene = Scene()
    scene.early.expect(("anna", 1), like="fox")
    assert scene.patience_s(("anna", 1)) == math.inf
    scene.leave_after(10)
    scene.early.expect(("anna", 2), like="fox")
    assert scene.patience_s(("anna", 2)) == pytest.approx(10 * PART, abs=0.5)


def test_the_longest_ago_is_forgotten() -> None:
    """Ours: memory does not grow with prompts."""
    scene = Scene(most=2)
    for awaited in ("a", "b", "c"):
        scene.leave_after(10, awaited)
    assert [scene.patience_s(awaited) == math.inf for awaited in ("a", "b", "c")] == [True, False, False]


async def test_the_second_call_is_told_in_time_that_the_work_goes_on(tmp_path: Path) -> None:
    """Bug: a modern client with a short timeout never got a picture, and each of its tries may have been charged."""
    clock = Clock()
    async with studio(tmp_path, Asleep()) as pipeline:
        generation = replace(pipeline.generation, early=EarlyLeavers(clock=clock))
        call = asyncio.create_task(generation.generate("anna", FOX, pipeline.waiter))
        await pipeline.moments.wait("Dreaming")
        clock.ahead_s = 10  # so long it stayed
        call.cancel()
        await asyncio.wait({call})
        clock.ahead_s = -10  # and so long ago the next one begins: its time is over when it comes to wait
        outcome = await generation.generate("anna", FOX, pipeline.waiter)
        assert (outcome.job.state, outcome.job.history_id) == (JobState.WORKING, 2)
        await generation.wait("anna", 2, pipeline.waiter)
