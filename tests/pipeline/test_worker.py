"""The work on one job: how it ends, what it keeps, how often it is tried, with a real store and real files."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from service.images import Failure, ImageRequest, Job, JobState, KeptPicture, Picture, Progress, WorkError
from service.pipeline.worker import LONGEST_PAUSE_S
from tests.emulators.pictures import png
from tests.pictures.decoder_processes import decoder_pids
from tests.pipeline_fixture import FOX, Asleep, Pencil, WatchedStore, files_in, pipeline_fixture


async def test_a_picture_is_kept_and_its_row_is_done(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        outcome = await pipeline.generation.generate("anna", FOX, pipeline.waiter, upstream="pencil")
        assert outcome.job == await pipeline.job()
    [picture] = outcome.job.pictures
    [path] = files_in(tmp_path)
    assert outcome.job.state is JobState.DONE
    assert (picture.media_type, picture.width, picture.height) == ("image/png", 1024, 1024)
    assert (path.name, path.read_bytes(), picture.size) == (picture.name, png(1), len(png(1)))
    assert outcome.preview is not None
    assert outcome.preview.startswith(b"\xff\xd8")


async def test_the_row_is_there_before_the_upstream_is_called(tmp_path: Path) -> None:
    """Ours: what is paid for is never unknown, whatever happens next."""

    class Witness(Pencil):
        async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
            seen.append(await pipeline.job())
            return await super().generate(request, progress)

    seen: list[Job] = []
    async with pipeline_fixture(tmp_path, Witness()) as pipeline:
        made = await pipeline.draw()
    assert [(job.history_id, job.state, job.prompt) for job in seen] == [(made.history_id, "working", "a fox")]


async def test_steps_come_in_their_order(tmp_path: Path) -> None:
    """Ours: the bytes are on disk before the row says so, and are looked at before they are kept."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        await pipeline.draw()
    steps = [moment for moment in pipeline.moments.passed if moment.islower()]
    assert steps == ["begin", "submitted", "examine", "keep", "finish"]


async def test_progress_rises_from_the_upstream_to_the_storing(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        await pipeline.draw()
    assert pipeline.said == [("Drawing", 50), ("Storing the picture", 95)]


async def test_failed_work_is_an_outcome_with_its_reason(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil(answers=[WorkError("It shows a person.", kind="policy")])) as pipeline:
        job = await pipeline.draw()
        assert job == await pipeline.job()
    assert (job.state, job.failure) == ("failed", Failure(kind="policy", reason="It shows a person."))


async def test_the_log_says_why_work_failed_without_the_words_of_the_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Bug: the log of a server with a wrong key said "failed" and no more. The service's words may quote a prompt."""
    refusal = WorkError("The service refused the key (OPENAI_API_KEY).\nIt said: “the fox”", kind="auth")
    async with pipeline_fixture(tmp_path, Pencil(answers=[refusal])) as pipeline:
        with caplog.at_level(logging.INFO):
            await pipeline.draw()
    assert "failed (auth: The service refused the key (OPENAI_API_KEY).)" in caplog.text
    assert "the fox" not in caplog.text


async def test_a_bug_is_raised_and_its_row_says_no_more_than_that(tmp_path: Path) -> None:
    """Ours: a traceback may hold a prompt or a key, so the history does not."""
    async with pipeline_fixture(tmp_path, Pencil(answers=[ZeroDivisionError("key=secret")])) as pipeline:
        with pytest.raises(ZeroDivisionError):
            await pipeline.draw()
        job = await pipeline.job()
    assert job.failure is not None
    assert job.failure.kind == "internal"
    assert "secret" not in job.failure.reason
    assert "may have charged" in job.failure.reason


class Free(Pencil):
    """Costs nothing."""

    charges: ClassVar[bool] = False


@pytest.mark.parametrize(
    ("pencil", "told"),
    [
        pytest.param(Pencil, True, id="a service that charges"),
        pytest.param(Free, False, id="one that never does"),
    ],
)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([Picture(data=b"<html>Bad gateway")], id="no picture"),
        pytest.param([], id="nothing"),
        pytest.param([Picture(data=png(1))], id="no room for it"),
    ],
)
async def test_what_came_to_nothing_after_the_answer_may_be_charged(
    tmp_path: Path, pencil: type[Pencil], answer: list[Picture], *, told: bool
) -> None:
    """Bug: the service had answered, and the person was not told that it may have been paid."""
    async with pipeline_fixture(tmp_path, pencil(answers=[answer])) as pipeline:
        if answer and answer[0].data == png(1):
            (tmp_path / "scratch").rmdir()
        job = await pipeline.draw()
    assert job.failure is not None
    assert ("may have charged" in job.failure.reason) == told


async def test_a_mistake_before_anything_was_asked_costs_nothing(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        with pytest.raises(KeyError):
            await pipeline.generation.generate("anna", FOX, pipeline.waiter, upstream="kiln")
        job = await pipeline.job()
    assert job.failure is not None
    assert "Nothing was charged" in job.failure.reason


async def test_of_two_pictures_one_that_finds_no_room_does_not_lose_the_other(tmp_path: Path) -> None:
    """Bug: both were paid for, and the history had none."""
    drawn = [Picture(data=png(7)), Picture(data=png(8))]
    async with pipeline_fixture(tmp_path, Pencil(answers=[drawn[:1], drawn])) as pipeline:
        await pipeline.draw()
        [path] = files_in(tmp_path)
        path.unlink()
        path.parent.rmdir()
        path.parent.write_bytes(b"in the way")
        job = await pipeline.draw()
    (kept,) = job.pictures
    assert kept.name != path.name
    assert "1 of 2 pictures could not be used" in kept.note


async def test_what_is_no_picture_is_a_failure_and_is_not_kept(tmp_path: Path) -> None:
    """Ours: a page that says "502" is not served to people as a picture."""
    async with pipeline_fixture(tmp_path, Pencil(answers=[[Picture(data=b"<html>Bad gateway")]])) as pipeline:
        job = await pipeline.draw()
    assert job.failure is not None
    assert job.failure.kind == "bad_picture"
    assert not files_in(tmp_path)


async def test_a_disk_that_refuses_is_a_failure_that_names_the_setting(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        (tmp_path / "scratch").rmdir()
        job = await pipeline.draw()
    assert job.failure is not None
    assert job.failure.kind == "storage"
    assert "EASEL_DATA_DIR" in job.failure.reason
    assert str(tmp_path) not in job.failure.reason


async def test_several_pictures_are_kept_in_their_order_with_their_notes(tmp_path: Path) -> None:
    drawn = [Picture(data=png(7, (64, 32)), note="first"), Picture(data=png(8, (32, 64)), note="second")]
    async with pipeline_fixture(tmp_path, Pencil(answers=[drawn])) as pipeline:
        outcome = await pipeline.generation.generate("anna", FOX, pipeline.waiter, upstream="pencil")
        first_alone = await pipeline.generation.pictures.decoders.examine("anna", drawn[0].data)
    assert [(kept.width, kept.height, kept.note) for kept in outcome.job.pictures] == [
        (64, 32, "first"),
        (32, 64, "second"),
    ]
    assert len(files_in(tmp_path)) == 2
    assert outcome.preview == first_alone.preview


async def test_one_bad_picture_does_not_lose_the_good_ones(tmp_path: Path) -> None:
    """Bug: all were paid for, and a single one that is none failed the whole job."""
    drawn = [Picture(data=b"<html>Bad gateway"), Picture(data=png(8, (32, 64)), note="second")]
    async with pipeline_fixture(tmp_path, Pencil(answers=[drawn])) as pipeline:
        job = await pipeline.draw()
    (kept,) = job.pictures
    assert kept.note.startswith("second 1 of 2 pictures could not be used")
    assert len(files_in(tmp_path)) == 1


async def test_bytes_that_are_removed_in_the_moment_before_their_row_names_them_are_kept_again(tmp_path: Path) -> None:
    """Ours: the same picture may be drawn again just when the older one goes to make room."""

    class Hasty(WatchedStore):
        async def finish(self, job: Job, pictures: Sequence[KeptPicture], links: Sequence[str] = ()) -> Job:
            for path in files_in(tmp_path):
                path.unlink()
            return await super().finish(job, pictures, links)

    async with pipeline_fixture(tmp_path, Pencil(), store=Hasty) as pipeline:
        job = await pipeline.draw()
    assert [path.name for path in files_in(tmp_path)] == [job.pictures[0].name]


async def test_no_picture_at_all_is_a_failure(tmp_path: Path) -> None:
    """Ours: a job that is done has something to show."""
    async with pipeline_fixture(tmp_path, Pencil(answers=[[]])) as pipeline:
        job = await pipeline.draw()
    assert job.failure is not None
    assert job.failure.kind == "no_image"


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
    ("answer", "counts"),
    [
        pytest.param(WorkError("It shows a person.", kind="policy"), False, id="refused"),
        pytest.param(WorkError("It is lost.", kind="lost", may_be_charged=True), True, id="perhaps charged"),
        pytest.param(WorkError("No download.").keeping(links=("https://x",)), True, id="paid, to be fetched later"),
        pytest.param([], True, id="charged, and no picture"),
        pytest.param(RuntimeError("a bug"), True, id="a bug after it was asked"),
    ],
)
async def test_a_failure_counts_for_the_limits_of_the_day_where_it_may_have_been_charged(
    tmp_path: Path, answer: list[Picture] | Exception, counts: bool
) -> None:
    async with pipeline_fixture(tmp_path, Pencil(answers=[answer]), retries=0) as pipeline:
        with suppress(RuntimeError):
            await pipeline.draw()
        assert (await pipeline.job()).submitted is counts


async def test_a_job_that_is_cancelled_as_it_is_about_to_be_asked_for_costs_nothing(tmp_path: Path) -> None:
    """Bug: its row said that the service had been asked, and the picture counted for the limits of the day."""
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        call = asyncio.create_task(pipeline.draw())
        pipeline.moments.at["submitted"] = call.cancel
        with suppress(asyncio.CancelledError):
            await call
        job = await pipeline.job()
    assert not pencil.asked
    assert not job.submitted
    assert job.failure is not None
    assert "Nothing was charged." in job.failure.reason


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
async def test_a_stop_keeps_a_paid_picture_whose_decoder_does_not_answer(tmp_path: Path) -> None:
    """Ours: the stop waits for no decoder, and the picture is delivered after the next start, without a preview."""
    async with pipeline_fixture(tmp_path, Pencil(answers=[[Picture(data=png(7, (64, 32)))]])) as pipeline:
        await pipeline.generation.pictures.decoders.examine("anna", png(1))
        [pid] = decoder_pids()
        os.kill(pid, signal.SIGSTOP)
        drawing = asyncio.create_task(pipeline.draw())
        await pipeline.moments.wait("examine")
        async with asyncio.timeout(5):
            await pipeline.generation.jobs.close(0.01)
        await asyncio.gather(drawing, return_exceptions=True)
        [kept] = (await pipeline.job()).pictures
    assert (kept.width, kept.height) == (64, 32)
    assert "the server stops" in kept.note
    assert [path.read_bytes() for path in files_in(tmp_path)] == [png(7, (64, 32))]
