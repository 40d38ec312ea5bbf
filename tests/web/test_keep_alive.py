"""Silence on answers: each is told in its turn, again and again, until it ends."""

import asyncio

from service.web.keep_alive import Silences
from tests.wire import until


class Quiet:
    """An answer that says nothing of its own, and takes so many signs of life."""

    def __init__(self, name: str, heard: list[str], beats: int = 1000) -> None:
        self.name = name
        self.heard = heard
        self.beats = beats

    def beat(self) -> bool:
        self.heard.append(self.name)
        self.beats -= 1
        return self.beats > 0


async def test_every_answer_is_told_in_the_order_in_which_they_began() -> None:
    heard: list[str] = []
    silences = Silences(0.01)
    for name in ("a", "b", "c"):
        silences.watch(Quiet(name, heard))
    await until(lambda: len(heard) >= 6)
    assert heard[:6] == ["a", "b", "c", "a", "b", "c"]


async def test_who_has_nobody_left_to_tell_is_not_told_again() -> None:
    heard: list[str] = []
    silences = Silences(0.005)
    silences.watch(Quiet("once", heard, beats=1))
    silences.watch(Quiet("thrice", heard, beats=3))
    await until(lambda: silences._timer is None)
    assert heard == ["once", "thrice", "thrice", "thrice"]


async def test_what_is_over_is_not_told() -> None:
    heard: list[str] = []
    silences = Silences(0.01)
    over, other = Quiet("over", heard), Quiet("other", heard)
    silences.watch(over)
    silences.watch(other)
    silences.forget(over)
    silences.forget(over)
    await until(lambda: bool(heard))
    assert "over" not in heard


async def test_nothing_is_told_early_to_an_answer_that_began_late() -> None:
    """Ours: one timer serves all, and each has its own time."""
    heard: list[str] = []
    silences = Silences(0.05)
    silences.watch(Quiet("first", heard))
    await asyncio.sleep(0.03)
    loop = asyncio.get_running_loop()
    began = loop.time()
    silences.watch(Quiet("late", heard))
    await until(lambda: "late" in heard)
    assert loop.time() - began >= 0.05
    assert heard[0] == "first"


async def test_a_million_answers_that_ended_in_time_leave_one_timer_and_nothing_else() -> None:
    """Ours: a timer for each request, set and cancelled, cost more than the request's JSON."""
    silences, heard = Silences(60), list[str]()
    silences.watch(Quiet("a", heard))
    timer = silences._timer
    for _ in range(1000):
        answer = Quiet("b", heard)
        silences.watch(answer)
        silences.forget(answer)
    assert silences._timer is timer
    assert len(silences._due) == 1
    assert timer is not None
    timer.cancel()
