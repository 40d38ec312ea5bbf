"""One request to an image service: the words that are sent, how often it is tried, and what a cancellation costs."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from service.bounds.limits import Allowances
from service.images import Failure, ImageRequest, JobState, Picture, WorkError
from service.pipeline.asking import LONGEST_PAUSE_S, Turns
from service.pipeline.running_jobs import JobKey, RunningJob, Work
from service.storage.replicas import Replica
from tests.emulators.pictures import png
from tests.pipeline_fixture import FOX, Asleep, Pencil, ask, pipeline_fixture

MARKS = ("begin", "submitted", "refused")


@pytest.mark.parametrize(
    ("suffix", "sent"), [("In blue.", "a fox\nIn blue."), ("", "a fox")], ids=["a suffix", "no suffix"]
)
async def test_the_suffix_is_sent_and_not_kept(tmp_path: Path, suffix: str, sent: str) -> None:
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil, prompt_suffix=suffix) as pipeline:
        job = await pipeline.draw()
    assert [request.prompt for request in pencil.asked] == [sent]
    assert job.prompt == "a fox"


# Trying again, and giving up.


@pytest.mark.parametrize(
    ("allowed", "setting", "failures", "attempts"),
    [
        pytest.param(0, 2, 1, 1, id="a failure that may have cost something"),
        pytest.param(2, 0, 1, 1, id="EASEL_RETRIES is 0"),
        pytest.param(2, 2, 1, 2, id="the second attempt succeeds"),
        pytest.param(2, 2, 2, 3, id="the third attempt succeeds"),
        pytest.param(2, 2, 9, 3, id="the last attempt fails"),
        pytest.param(1, 9, 9, 2, id="the failure allows less than the setting"),
        pytest.param(9, 1, 9, 2, id="the setting allows less than the failure"),
    ],
)
async def test_it_tries_again_as_often_as_failure_and_setting_allow(
    tmp_path: Path, allowed: int, setting: int, failures: int, attempts: int
) -> None:
    pencil = Pencil(answers=[WorkError("Busy.", kind="transient", retries=allowed) for _ in range(failures)])
    async with pipeline_fixture(tmp_path, pencil, retries=setting) as pipeline:
        job = await pipeline.draw()
        assert len(await pipeline.store.jobs("anna", 10)) == 1
    assert len(pencil.asked) == attempts
    assert job.state == ("done" if failures < attempts else "failed")
    again = [message for message, _ in pipeline.said if " try in " in message]
    assert again == ["Busy. Second try in 0 s.", "Busy. Third try in 0 s."][: attempts - 1]


async def test_each_attempt_is_judged_by_its_own_failure(tmp_path: Path) -> None:
    """Ours: a failure that may have cost something ends it, though the one before allowed more."""
    pencil = Pencil(answers=[WorkError("Busy.", retries=5), WorkError("Lost.", kind="ambiguous", retries=0)])
    async with pipeline_fixture(tmp_path, pencil, retries=5) as pipeline:
        job = await pipeline.draw()
    assert job.failure == Failure(kind="ambiguous", reason="Lost.")
    assert len(pencil.asked) == 2


async def test_it_waits_as_the_failure_asks_and_longer_each_time(tmp_path: Path) -> None:
    pencil = Pencil(answers=[WorkError("Slow down.", retries=5, retry_after_s=20) for _ in range(5)])
    async with pipeline_fixture(tmp_path, pencil, retries=5) as pipeline:
        assert (await pipeline.draw()).state is JobState.DONE
        assert pipeline.pauses == [20, 40, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


async def test_an_upstream_that_never_answers_is_given_up_on_and_not_asked_again(tmp_path: Path) -> None:
    """Ours: it may have charged, and says so; the request to it is not left running."""
    asleep = Asleep(deadline_s=0.05)
    async with pipeline_fixture(tmp_path, asleep) as pipeline:
        job = await pipeline.draw()
    assert job.failure is not None
    assert job.failure.kind == "timeout"
    assert "may have charged" in job.failure.reason
    assert (len(asleep.asked), asleep.woken) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        pytest.param("auth", 1, id="the key"),
        pytest.param("quota", 1, id="the quota"),
        pytest.param("policy", 4, id="it"),
    ],
)
async def test_after_a_failure_that_all_would_meet_the_rest_of_a_job_is_not_asked_for(
    tmp_path: Path, kind: str, asked: int
) -> None:
    """Bug: eight requests with a key that the service had refused, each of which may lock an account."""
    pencil = Pencil(answers=[WorkError("No.", kind=kind) for _ in range(4)])
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        worker = pipeline.generation.worker
        turns = Turns(Allowances(pairs={"generations_at_once": (1, 0)}))
        slow = replace(pipeline.generation, worker=replace(worker, asking=replace(worker.asking, turns=turns)))
        job = (await slow.generate("anna", replace(FOX, count=4), pipeline.waiter, upstream="pencil")).job
    assert (len(pencil.asked), job.state, job.submitted) == (asked, "failed", 0)
    assert job.failure == Failure(kind=kind, reason="None of the 4 pictures came, for the same reason: No.")


async def test_pictures_that_are_drawn_meanwhile_are_kept_though_the_quota_ended(tmp_path: Path) -> None:
    pencil = Pencil(answers=[[Picture(data=png(1))], WorkError("Used up.", kind="quota")])
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        job = await pipeline.draw(replace(FOX, count=2))
    assert (job.state, len(job.pictures), job.missing) == ("done", 1, 1)
    assert job.shortfall == Failure(kind="quota", reason="Used up.")


@pytest.mark.parametrize(
    ("request_", "moment"),
    [
        pytest.param(FOX, "begin", id="while its row is written"),
        pytest.param(replace(FOX, count=2), "submitted", id="while its row is marked"),
    ],
)
async def test_a_job_that_is_cancelled_as_it_is_about_to_be_asked_for_costs_nothing(
    tmp_path: Path, request_: ImageRequest, moment: str
) -> None:
    """Bug: its row said that the service had been asked, and the picture counted for the limits of the day."""
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        call = asyncio.create_task(pipeline.draw(request_))
        pipeline.moments.at[moment] = call.cancel
        with suppress(asyncio.CancelledError):
            await call
        job = await pipeline.job()
        assert pipeline.generation.worker.asking.turns.at_work == 0
    assert not pencil.asked
    assert not job.submitted
    assert job.failure is not None
    assert "Nothing was charged." in job.failure.reason


async def test_a_part_whose_mark_was_lost_is_not_asked_for_and_counts_for_nothing(tmp_path: Path) -> None:
    """Bug: the row had counted it, though the answer of the database did not come: as one that may be charged."""

    def lose() -> None:
        raise WorkError("The database answers too late.", kind="storage")

    pencil = Pencil(answers=[[Picture(data=png(1))]])
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        pipeline.moments.at["marked"] = lose
        job = await pipeline.draw(replace(FOX, count=2))
    assert (job.state, len(pencil.asked), len(job.pictures), job.submitted) == ("done", 1, 1, 1)


async def test_one_write_says_that_a_job_has_begun_and_is_asked_for(tmp_path: Path) -> None:
    """Ours: each write waits for the disk, and the person for each."""
    pencil = Pencil(answers=[WorkError("Busy.", retries=1)])
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        begun = await pipeline.draw()
        assert [step for step in pipeline.moments.passed if step in MARKS] == ["begin", "refused", "submitted"]
        joined = await ask(pipeline, FOX)
        assert pipeline.generation.worker.asking.turns.at_work == 0
    assert (begun.submitted, joined.joined) == (1, False)


async def test_a_job_that_is_stopped_before_its_first_step_gives_its_turn_back(tmp_path: Path) -> None:
    """Ours: whoever deletes it may be faster than its task, and a turn that nobody gives back is lost for good."""
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        generation = pipeline.generation
        start = generation.jobs.start

        def start_and_cancel(key: JobKey, work: Work) -> RunningJob:
            running = start(key, work)
            running._started.cancel()
            return running

        generation.jobs.start = start_and_cancel  # type: ignore[method-assign] # as a deletion does
        await ask(pipeline, FOX)
        assert (pencil.asked, generation.worker.asking.turns.at_work) == ([], 0)


async def test_a_call_that_joins_a_job_takes_no_turn_and_marks_nothing(tmp_path: Path) -> None:
    asleep = Asleep()
    async with pipeline_fixture(tmp_path, asleep) as pipeline:
        calls = [await ask(pipeline, FOX, patience_s=0) for _ in range(2)]
        assert [call.joined for call in calls] == [False, True]
        assert (await pipeline.job()).submitted == 1
        assert pipeline.generation.worker.asking.turns.at_work == 1


async def test_a_job_whose_task_cannot_be_written_down_is_not_left_working(tmp_path: Path) -> None:
    """Bug: nobody worked on its row, and a call that joined it waited for nothing until the next start."""

    async def refuse(history_id: int) -> None:
        raise WorkError(f"The disk does not take {history_id}.", kind="storage")

    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        waiter = replace(pipeline.waiter, begun=refuse)
        with pytest.raises(WorkError, match="does not take 1"):
            await pipeline.generation.generate("anna", FOX, waiter, upstream="pencil")
        job = await pipeline.job()
    assert (job.state, job.submitted, pencil.asked) == ("failed", 0, [])


class Stopped(Replica):
    """A process that was taken for dead while it was stopped."""

    shares = True

    async def check(self) -> None:
        raise WorkError("This server was out of reach for a while.", kind="lease")


async def test_a_process_that_was_taken_for_dead_asks_for_nothing(tmp_path: Path) -> None:
    """Ours: another one has told that the picture may be charged, and the same call begins it anew there."""
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        asking = replace(pipeline.generation.worker.asking, replica=Stopped())
        generation = replace(pipeline.generation, worker=replace(pipeline.generation.worker, asking=asking))
        job = (await generation.generate("anna", FOX, pipeline.waiter, upstream="pencil")).job
    assert job.failure is not None
    assert (job.failure.kind, pencil.asked) == ("lease", [])
