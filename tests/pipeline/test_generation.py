"""Calls and their pictures, with a real store and real files; the upstreams are a few lines each.

Whatever ends a call, its row says how that stands: nothing stays `working` that nobody works on. Paying once is in
`test_generation_pay_once.py`, going on after a stop in `test_generation_resume.py`.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from service.images import Failure, JobState, Picture, WorkError
from tests.emulators.pictures import png
from tests.pipeline_fixture import FOX, Asleep, Pencil, cancelled_at, files_in, pipeline_fixture


@pytest.mark.parametrize(
    ("moment", "charged"),
    [("begin", "Nothing was charged"), ("Dreaming", "may have charged")],
    ids=["begin", "drawing"],
)
async def test_a_call_that_is_cancelled_says_so_in_its_row(tmp_path: Path, moment: str, charged: str) -> None:
    """Ours: and what it may have cost, which depends on whether the image service was asked."""
    async with pipeline_fixture(tmp_path, Asleep()) as pipeline:
        job = await cancelled_at(pipeline, moment)
    assert job.failure is not None
    assert job.failure.kind == "cancelled"
    assert charged in job.failure.reason


async def test_a_call_that_is_cancelled_as_its_job_begins_takes_the_job_with_it(tmp_path: Path) -> None:
    """Bug: cancelled between the two, the job went on without anybody, and was paid for."""
    async with pipeline_fixture(tmp_path, Asleep()) as pipeline:
        call = asyncio.create_task(pipeline.draw(replace(FOX, count=2)))
        pipeline.moments.at["submitted"] = call.cancel
        with pytest.raises(asyncio.CancelledError):
            await call
        failure = (await pipeline.job()).failure
    assert failure is not None
    assert failure.kind == "cancelled"


@pytest.mark.parametrize("moment", ["examine", "keep", "finish"])
async def test_a_picture_that_has_come_is_not_lost_to_a_cancellation(tmp_path: Path, moment: str) -> None:
    """Ours: it is paid for, so the history has it."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        job = await cancelled_at(pipeline, moment)
    assert job.state is JobState.DONE


@pytest.mark.parametrize("moment", ["examine", "keep", "finish"])
async def test_a_picture_that_has_come_is_not_lost_to_a_stop(tmp_path: Path, moment: str) -> None:
    """Bug: the bytes were there, and the row said that the service was stopped while it was drawn."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        call = asyncio.create_task(pipeline.draw())
        await pipeline.moments.wait(moment)
        await pipeline.generation.jobs.close()
        assert (await call).state is JobState.DONE


async def test_a_call_that_is_cancelled_while_it_is_drawn_stops_the_upstream(tmp_path: Path) -> None:
    """Spec 2026-07-28, Cancellation: receivers should stop processing and free resources."""
    asleep = Asleep()
    async with pipeline_fixture(tmp_path, asleep) as pipeline:
        job = await cancelled_at(pipeline, "Dreaming")
    assert job.state is JobState.FAILED
    assert (len(asleep.asked), asleep.woken) == (1, 1)


async def test_a_call_that_is_cancelled_while_it_waits_to_try_again_is_not_tried_again(tmp_path: Path) -> None:
    pencil = Pencil(answers=[WorkError("Slow down.", retries=1, retry_after_s=600)])
    async with pipeline_fixture(tmp_path, pencil, real_pauses=True) as pipeline:
        job = await cancelled_at(pipeline, "Slow down. Second try")
    assert job.failure is not None
    assert "Nothing was charged" in job.failure.reason
    assert len(pencil.asked) == 1


async def test_a_failure_that_is_being_written_down_is_not_lost_to_a_cancellation(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil(answers=[WorkError("No.", kind="policy")])) as pipeline:
        job = await cancelled_at(pipeline, "fail")
        assert job.failure == Failure(kind="policy", reason="No.")


@pytest.mark.parametrize("turns", range(0, 60, 2))
async def test_no_moment_of_cancellation_leaves_a_row_working(tmp_path: Path, turns: int) -> None:
    """Ours: a row that works for ever is a picture that somebody waits for."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        call = asyncio.create_task(pipeline.draw())
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})
        await pipeline.generation.jobs.close(drain_s=10)
        jobs = await pipeline.store.jobs("anna", 10)
    assert len(jobs) <= 1
    assert not [job for job in jobs if job.state is JobState.WORKING]


# Showing it again.


async def test_an_earlier_picture_is_shown_with_the_same_preview(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        made = await pipeline.generation.generate("anna", FOX, pipeline.waiter, upstream="pencil")
        assert await pipeline.generation.show("anna", made.job.history_id) == made


async def test_what_is_not_there_is_not_shown(tmp_path: Path) -> None:
    """Ours: another person's generation is answered for like one that never was."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        made = await pipeline.draw()
        assert await pipeline.generation.show("ben", made.history_id) is None
        assert await pipeline.generation.show("anna", made.history_id + 1) is None


async def test_a_job_whose_file_is_damaged_is_shown_without_a_preview(tmp_path: Path) -> None:
    """Ours: a bad disk takes a picture, and not the sight of its prompt."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        made = await pipeline.draw()
        [path] = files_in(tmp_path)
        path.write_bytes(b"rubbish")
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        shown = await pipeline.generation.show("anna", made.history_id)
    assert shown is not None
    assert (shown.job.prompt, shown.preview) == ("a fox", None)


async def test_a_job_without_a_file_is_shown_without_a_preview(tmp_path: Path) -> None:
    """Ours: who removed the file by hand still finds the prompt."""
    async with pipeline_fixture(tmp_path, Pencil(answers=[[Picture(data=png(1))], WorkError("No.")])) as pipeline:
        made, failed = await pipeline.draw(), await pipeline.draw()
        [path] = files_in(tmp_path)
        path.unlink()
        shown = [await pipeline.generation.show("anna", job.history_id) for job in (made, failed)]
    assert [outcome and (outcome.job.prompt, outcome.preview) for outcome in shown] == [("a fox", None)] * 2
