"""The budget of bytes in flight: whoever waits holds nothing, in the order in which they came."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.bounds.byte_budget import ByteBudget, deadline, room_for, settle


async def turns(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


class Crowd:
    """Work that takes bytes and holds them until it is told to go."""

    def __init__(self, budget: ByteBudget) -> None:
        self.budget = budget
        self.came: list[str] = []
        self._gone: dict[str, asyncio.Event] = {}

    def start(self, name: str, size: int, then: Callable[[], Awaitable[None]] | None = None) -> "asyncio.Task[None]":
        self._gone[name] = asyncio.Event()

        async def work() -> None:
            with self.budget.share():
                await room_for(size)
                self.came.append(name)
                if then is not None:
                    await then()
                await self._gone[name].wait()

        return asyncio.create_task(work())

    async def end(self, name: str) -> None:
        self._gone[name].set()
        await turns()


@pytest.fixture
async def crowd() -> Crowd:
    return Crowd(ByteBudget(100))


async def test_no_more_is_held_than_the_budget_and_first_come_is_first_served(crowd: Crowd) -> None:
    """Ours: a small one does not overtake a large one, which would wait for ever."""
    tasks = [crowd.start(name, size) for name, size in [("a", 60), ("b", 60), ("c", 10), ("d", 40)]]
    await turns()
    assert (crowd.came, crowd.budget.held, crowd.budget.waiting) == (["a"], 60, 3)
    await crowd.end("a")
    assert (crowd.came, crowd.budget.held) == (["a", "b", "c"], 70)
    await crowd.end("b")
    assert crowd.came == ["a", "b", "c", "d"]
    for name in "cd":
        await crowd.end(name)
    await asyncio.gather(*tasks)
    assert (crowd.budget.held, crowd.budget.waiting) == (0, 0)


async def test_one_larger_than_the_budget_passes_alone(crowd: Crowd) -> None:
    for name, size in [("a", 10), ("huge", 500), ("b", 10)]:
        crowd.start(name, size)
    await turns()
    assert crowd.came == ["a"]
    await crowd.end("a")
    assert crowd.came == ["a", "huge"]
    await crowd.end("huge")
    assert crowd.came == ["a", "huge", "b"]
    await crowd.end("b")


async def test_who_holds_some_gets_more_at_once(crowd: Crowd) -> None:
    """Ours: two that hold some and wait for more of each other's would wait for ever."""

    async def next_picture() -> None:
        settle(60)
        await room_for(60)

    crowd.start("a", 60, next_picture)
    await turns()
    assert (crowd.came, crowd.budget.held) == (["a"], 120)
    crowd.start("b", 1)
    await turns()
    assert crowd.came == ["a"]
    await crowd.end("a")
    assert crowd.came == ["a", "b"]
    await crowd.end("b")


@pytest.mark.parametrize("at_once", [False, True], ids=["while it waits", "as its turn comes"])
async def test_a_cancellation_gives_all_back(crowd: Crowd, at_once: bool) -> None:
    tasks = {name: crowd.start(name, size) for name, size in [("a", 60), ("b", 90), ("c", 40)]}
    await turns()
    if at_once:
        crowd._gone["a"].set()
        await asyncio.sleep(0)
    tasks["b"].cancel()
    await turns()
    assert "c" in crowd.came
    for name in "ac":
        await crowd.end(name)
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert (crowd.budget.held, crowd.budget.waiting) == (0, 0)


async def test_a_deadline_stands_still_while_bytes_are_waited_for() -> None:
    """Ours: an image service that is not read cannot be blamed for the time."""
    budget = ByteBudget(1)
    loop = asyncio.get_running_loop()
    ended: list[float] = []
    with budget.share() as first:
        await first.take(1)

        async def late() -> None:
            with budget.share():
                async with deadline(0.05), deadline(3600):
                    await room_for(1)
                    ended.append(loop.time())
                    await asyncio.Event().wait()

        began = loop.time()
        task = asyncio.create_task(late())
        await asyncio.sleep(0.15)
        assert not task.done()
    with pytest.raises(TimeoutError):
        await task
    assert ended[0] - began >= 0.15
    assert loop.time() - ended[0] >= 0.04


async def test_work_without_a_share_waits_for_nobody() -> None:
    """Ours: a command that downloads a picture has the process for itself."""
    settle(5)
    await room_for(10**12)
    async with deadline(None):
        await room_for(1)
