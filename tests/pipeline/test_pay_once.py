"""The same request is paid for once, until its picture has reached somebody."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from service.images import ImageRequest, JobState, Picture, Progress, WorkError
from service.pipeline.running_jobs import Waiter
from tests.emulators.pictures import png
from tests.pipeline_fixture import FOX, Gated, ask, gated, id_of, pipeline_fixture


async def test_the_same_request_while_it_runs_joins_it(tmp_path: Path) -> None:
    async with gated(tmp_path, open_=False) as (pipeline, upstream):
        calls = [asyncio.create_task(ask(pipeline)) for _ in range(3)]
        await upstream.begun.wait()
        calls.append(asyncio.create_task(ask(pipeline)))
        upstream.may_draw.set()
        outcomes = await asyncio.gather(*calls)
    assert len(upstream.asked) == 1
    assert {id_of(outcome) for outcome in outcomes} == {1}
    assert sorted(outcome.joined for outcome in outcomes) == [False, True, True, True]
    assert all(outcome.preview for outcome in outcomes)


async def test_a_picture_that_nobody_got_is_given_to_who_asks_again(tmp_path: Path) -> None:
    """Ours: the client gave up in the moment in which the answer came."""
    async with gated(tmp_path) as (pipeline, upstream):
        first, again = await ask(pipeline), await ask(pipeline)
    assert len(upstream.asked) == 1
    assert (again.job, again.preview, again.joined) == (first.job, first.preview, True)


async def test_a_picture_that_nobody_got_is_given_after_a_restart_too(tmp_path: Path) -> None:
    async with gated(tmp_path) as (pipeline, _):
        first = await ask(pipeline)
    async with gated(tmp_path) as (pipeline, upstream):
        again = await ask(pipeline)
    assert (again.job, again.joined, upstream.asked) == (first.job, True, [])


async def test_who_got_the_picture_and_asks_again_gets_a_new_one(tmp_path: Path) -> None:
    """Ours: then it is another one that they want."""
    async with gated(tmp_path) as (pipeline, upstream):
        first = await ask(pipeline)
        pipeline.generation.delivered(first.job)
        again = await ask(pipeline)
    assert (id_of(first), id_of(again), again.joined, len(upstream.asked)) == (1, 2, False, 2)


async def test_what_was_delivered_is_written_down_before_the_end(tmp_path: Path) -> None:
    async with gated(tmp_path) as (pipeline, _):
        pipeline.generation.delivered((await ask(pipeline)).job)
    async with gated(tmp_path) as (pipeline, upstream):
        assert not (await ask(pipeline)).joined
    assert len(upstream.asked) == 1


async def test_a_failed_request_is_tried_anew(tmp_path: Path) -> None:
    async with gated(tmp_path) as (pipeline, upstream):
        upstream.answers = [WorkError("No.", kind="policy")]
        failed = await ask(pipeline)
        upstream.answers = [[Picture(data=png(2))]]
        again = await ask(pipeline)
    assert (failed.job.state, again.job.state, again.joined) == ("failed", "done", False)


@pytest.mark.parametrize(
    ("request_", "owner"),
    [
        pytest.param(FOX, "ben", id="another person"),
        pytest.param(replace(FOX, variation=2), "anna", id="a wanted variation"),
        pytest.param(replace(FOX, prompt="a vixen"), "anna", id="another prompt"),
    ],
)
async def test_another_request_is_made_for_itself(tmp_path: Path, request_: ImageRequest, owner: str) -> None:
    async with gated(tmp_path) as (pipeline, upstream):
        await ask(pipeline)
        other = await ask(pipeline, request_, owner)
    assert (other.joined, len(upstream.asked)) == (False, 2)


async def test_a_call_is_answered_within_its_clients_patience_and_the_picture_comes_all_the_same(
    tmp_path: Path,
) -> None:
    async with gated(tmp_path, open_=False) as (pipeline, upstream):
        ticket = await ask(pipeline, patience_s=0.02)
        assert (ticket.job.state, ticket.preview) == ("working", None)
        waiting = asyncio.create_task(pipeline.generation.wait("anna", id_of(ticket), Waiter()))
        upstream.may_draw.set()
        await waiting
        shown = await pipeline.generation.show("anna", id_of(ticket))
    assert shown is not None
    assert (shown.job.state, len(upstream.asked)) == ("done", 1)


async def test_who_asks_again_for_what_is_still_drawn_waits_for_it(tmp_path: Path) -> None:
    async with gated(tmp_path, open_=False) as (pipeline, upstream):
        ticket = await ask(pipeline, patience_s=0.02)
        again = asyncio.create_task(ask(pipeline))
        await asyncio.sleep(0)
        upstream.may_draw.set()
        assert (await again).job.history_id == id_of(ticket)
        assert (await again).job.state is JobState.DONE
    assert len(upstream.asked) == 1


async def test_of_two_callers_one_who_cancels_takes_nothing_from_the_other(tmp_path: Path) -> None:
    async with gated(tmp_path, open_=False) as (pipeline, upstream):
        one, other = (asyncio.create_task(ask(pipeline)) for _ in range(2))
        await upstream.begun.wait()
        one.cancel()
        await asyncio.wait({one})
        upstream.may_draw.set()
        assert (await other).job.state is JobState.DONE
    assert len(upstream.asked) == 1


class Telling(Gated):
    """Says when it is asked."""

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        await progress("At the easel")
        return await super().generate(request, progress)


async def test_who_joins_a_job_that_is_just_beginning_waits_beside_it(tmp_path: Path) -> None:
    """Bug: it was watched from afar, and went when the one who had begun it left."""
    may_begin, heard = asyncio.Event(), asyncio.Event()

    async def hold(history_id: int) -> None:
        await may_begin.wait()

    def hear(message: str, percent: float | None = None) -> None:
        if message == "At the easel":
            heard.set()

    upstream = Telling()
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        first = asyncio.create_task(pipeline.generation.generate("anna", FOX, Waiter(begun=hold), upstream="pencil"))
        await pipeline.moments.wait("begin")
        second = asyncio.create_task(pipeline.generation.generate("anna", FOX, Waiter(report=hear), upstream="pencil"))
        await pipeline.moments.wait("pause")
        may_begin.set()
        async with asyncio.timeout(60):
            await heard.wait()
        first.cancel()
        await asyncio.wait({first})
        upstream.may_draw.set()
        outcome = await second
    assert (id_of(outcome), outcome.job.state, len(upstream.asked)) == (1, "done", 1)


class Reluctant(Gated):
    """Takes a while to be cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving, self.may_leave = asyncio.Event(), asyncio.Event()

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        try:
            return await super().generate(request, progress)
        except asyncio.CancelledError:
            self.leaving.set()
            await self.may_leave.wait()
            raise


async def test_who_joins_a_job_that_is_just_being_cancelled_gets_one_of_their_own(tmp_path: Path) -> None:
    """Bug: who pressed stop and asked again at once was told that they had cancelled it."""
    upstream = Reluctant()
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        first = asyncio.create_task(pipeline.draw())
        await upstream.begun.wait()
        first.cancel()
        await upstream.leaving.wait()
        again = asyncio.create_task(ask(pipeline))
        await pipeline.moments.wait("begin")
        upstream.may_leave.set()
        upstream.may_draw.set()
        outcome = await again
        assert first.cancelled()
    assert (id_of(outcome), outcome.job.state, outcome.joined) == (2, "done", False)


async def test_a_stopping_service_takes_nothing_new(tmp_path: Path) -> None:
    async with gated(tmp_path) as (pipeline, upstream):
        await pipeline.generation.jobs.close()
        with pytest.raises(WorkError, match="Nothing was charged"):
            await ask(pipeline)
    assert upstream.asked == []


async def test_a_stop_lets_what_runs_come_to_its_end(tmp_path: Path) -> None:
    async with gated(tmp_path, open_=False) as (pipeline, upstream):
        call = asyncio.create_task(ask(pipeline))
        await upstream.begun.wait()
        closing = asyncio.create_task(pipeline.generation.jobs.close(drain_s=10))
        await asyncio.sleep(0)
        upstream.may_draw.set()
        await closing
        assert (await call).job.state is JobState.DONE
