"""Turns to draw: so many at once, a queue that is fair between owners, and nobody's turn lost by a cancellation."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from service.bounds.limits import Allowances
from service.pipeline.asking import Turns
from service.storage.people import Pause
from service.storage.replicas import Replica
from service.storage.sqlite.limits import pause
from service.upstreams.base import Upstream
from tests.pipeline_fixture import FOX, Gated, PipelineFixture, ask, pipeline_fixture


async def nobody(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
    """A receiver of progress that does nothing with it."""


class Queue:
    """Generations that take their turn and say so; a test ends them one by one."""

    def __init__(self, each: float = 1, overall: float = 2) -> None:
        self.turns = Turns(Allowances(pairs={"generations_at_once": (each, overall)}))
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str) -> None:
        """Have generations come, one after the other; the owner is the first letter of the name."""
        for name in names:
            self.ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._draw(name))
        await settle()

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
            await self.tasks[name]
        await settle()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self.tasks[name].cancel()
        await asyncio.wait([self.tasks[name] for name in names])
        await settle()

    async def _draw(self, name: str) -> None:
        await self.turns.take(name[0], nobody)
        try:
            self.begun.append(name)
            await self.ends[name].wait()
        finally:
            self.turns.give_back(name[0])


@asynccontextmanager
async def one_at_a_time(folder: Path, upstream: Upstream) -> AsyncIterator[PipelineFixture]:
    """A pipeline that draws one picture of an owner at a time."""
    async with pipeline_fixture(folder, upstream) as whole:
        turns = Turns(Allowances(pairs={"generations_at_once": (1, 0)}))
        worker = replace(whole.generation.worker, asking=replace(whole.generation.worker.asking, turns=turns))
        yield replace(whole, generation=replace(whole.generation, worker=worker))


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_are_at_work_than_the_limits_of_an_owner_and_of_all() -> None:
    queue = Queue(each=1, overall=2)
    await queue.come("a1", "a2", "b1", "c1")
    assert queue.begun == ["a1", "b1"]


async def test_the_turns_go_round_between_the_owners() -> None:
    """Ours: hundreds of one owner delay another owner's by one turn."""
    queue = Queue(each=2, overall=2)
    await queue.come("a1", "a2", "a3", "a4", "a5", "b1", "b2")
    await queue.end("a1", "a2", "a3")
    assert queue.begun == ["a1", "a2", "a3", "b1", "a4"]


async def test_an_owner_at_their_own_limit_holds_up_nobody_else() -> None:
    queue = Queue(each=1, overall=2)
    await queue.come("a1", "a2", "a3", "b1")
    assert queue.begun == ["a1", "b1"]
    await queue.end("b1")
    assert queue.begun == ["a1", "b1"]
    await queue.end("a1")
    assert queue.begun == ["a1", "b1", "a2"]


async def test_one_that_is_cancelled_in_the_queue_takes_no_turn() -> None:
    queue = Queue(each=1, overall=1)
    await queue.come("a1", "a2", "a3")
    await queue.cancel("a2")
    await queue.end("a1")
    assert queue.begun == ["a1", "a3"]


@pytest.mark.parametrize("first", ["the end", "the cancellation"])
async def test_one_that_is_cancelled_in_the_moment_of_its_turn_passes_it_on(first: str) -> None:
    """Ours: a turn that is lost would be lost until the next start."""
    queue = Queue(each=1, overall=1)
    await queue.come("a1", "a2", "a3")
    if first == "the end":
        queue.ends["a1"].set()
        await asyncio.sleep(0)
    queue.tasks["a2"].cancel()
    queue.ends["a1"].set()
    await settle()
    assert "a3" in queue.begun
    await queue.end("a3")
    await queue.come("a4")
    assert queue.begun[-1] == "a4"


async def test_what_waits_when_the_service_stops_is_not_paid_for(tmp_path: Path) -> None:
    upstream = Gated()
    async with one_at_a_time(tmp_path, upstream) as pipeline:
        first = asyncio.create_task(ask(pipeline))
        await upstream.begun.wait()
        second = asyncio.create_task(pipeline.draw(replace(FOX, variation=2)))
        await pipeline.moments.wait("Waiting for its turn")
        closing = asyncio.create_task(pipeline.generation.jobs.close(drain_s=10))
        await settle()
        upstream.may_draw.set()
        await closing
        assert (await first).job.state == "done"
        job = await second
    assert job.failure is not None
    assert (job.failure.kind, job.submitted, len(upstream.asked)) == ("interrupted", False, 1)


async def test_what_waits_is_told_its_place(tmp_path: Path) -> None:
    upstream = Gated()
    async with one_at_a_time(tmp_path, upstream) as pipeline:
        first = asyncio.create_task(ask(pipeline))
        await upstream.begun.wait()
        second = asyncio.create_task(pipeline.draw(replace(FOX, variation=2)))
        await pipeline.moments.wait("Waiting for its turn, as number 1")
        assert len(upstream.asked) == 0
        upstream.may_draw.set()
        await asyncio.gather(first, second)
    assert len(upstream.asked) == 2


async def test_a_turn_that_comes_during_a_pause_is_not_paid_for(tmp_path: Path) -> None:
    """Ours: what waits when the operator pauses is new work too."""
    upstream = Gated()
    async with one_at_a_time(tmp_path, upstream) as pipeline:
        first = asyncio.create_task(ask(pipeline))
        await upstream.begun.wait()
        second = asyncio.create_task(pipeline.draw(replace(FOX, variation=2)))
        await pipeline.moments.wait("Waiting for its turn")
        await pipeline.store.database.write(pause, Pause(owner="anna", since=0, until=None))
        upstream.may_draw.set()
        assert (await first).job.state == "done"
        job = await second
    assert job.failure is not None
    assert (job.failure.kind, job.submitted, len(upstream.asked)) == ("paused", False, 1)
    assert job.failure.fact.startswith("Drawing is paused by the operator")


async def test_a_request_for_several_pictures_takes_as_many_places() -> None:
    """Ours: one that is larger than the limit has its turn alone, and does not wait for ever."""
    turns = Turns(Allowances(pairs={"generations_at_once": (3, 0)}))
    assert not await turns.take("anna", nobody, 2)
    waiting = asyncio.create_task(turns.take("anna", nobody, 5))
    await settle()
    assert turns.waiting == 1
    turns.give_back("anna", 2)
    assert await waiting
    turns.give_back("anna", 5)
    assert not await turns.take("anna", nobody)


async def test_of_several_replicas_each_has_its_share() -> None:
    """Ours: the limit of pictures at once is that of all together."""

    class OneOfThree(Replica):
        living = 3

    def begun(each: float) -> int:
        turns = Turns(Allowances(pairs={"generations_at_once": (each, 0)}), OneOfThree())
        return sum(turns.take_at_once("ann") for _ in range(100))

    assert [begun(each) for each in (8, 3, 1, 0)] == [2, 1, 1, 100]
