"""The work on one job: how it ends, what it keeps, how often it is tried, with a real store and real files."""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from service.images import Failure, ImageRequest, Job, JobState, Picture, Progress, WorkError
from tests.emulators.pictures import png
from tests.pictures.decoder_processes import decoder_pids
from tests.pipeline_fixture import FOX, Pencil, files_in, gated, pipeline_fixture


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
    assert steps == ["begin", "examine", "keep", "finish"]


async def test_progress_rises_from_the_upstream_to_the_storing(tmp_path: Path) -> None:
    async with gated(tmp_path, open_=False) as (pipeline, upstream):
        call = asyncio.create_task(pipeline.draw())
        await upstream.begun.wait()
        upstream.may_draw.set()
        await call
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


async def test_a_mistake_before_anything_was_asked_costs_nothing(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        with pytest.raises(KeyError):
            await pipeline.generation.generate("anna", FOX, pipeline.waiter, upstream="kiln")
        job = await pipeline.job()
    assert job.failure is not None
    assert "Nothing was charged" in job.failure.reason


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
        assert bool((await pipeline.job()).submitted) is counts


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
async def test_a_stop_keeps_a_paid_picture_whose_decoder_does_not_answer(tmp_path: Path) -> None:
    """Ours: the stop waits for no decoder, and the picture is delivered after the next start, without a preview."""
    async with pipeline_fixture(tmp_path, Pencil(answers=[[Picture(data=png(7, (64, 32)))]])) as pipeline:
        await pipeline.generation.pictures.decoders.examine("anna", png(1))
        [pid] = decoder_pids()
        os.kill(pid, signal.SIGSTOP)
        drawing = asyncio.create_task(pipeline.draw())
        await pipeline.moments.wait("examine")
        async with asyncio.timeout(60):
            await pipeline.generation.jobs.close(0.01)
        await asyncio.gather(drawing, return_exceptions=True)
        [kept] = (await pipeline.job()).pictures
    assert (kept.width, kept.height) == (64, 32)
    assert "the server stops" in kept.note
    assert [path.read_bytes() for path in files_in(tmp_path)] == [png(7, (64, 32))]
