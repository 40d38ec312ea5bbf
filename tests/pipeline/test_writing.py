"""A disk that does not take what has to be written, at each step of a generation: nothing that is paid for is lost.

The refusal is SQLite's own, of a connection that only reads; a folder that is gone refuses the picture's bytes.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from service.images import ImageRequest, Job, JobState, Picture, Progress, WorkError
from service.pipeline.keeping import STORING_TRIES, WRITE_PAUSE_S
from service.pipeline.running_jobs import Waiter
from service.upstreams.base import RemoteTask
from tests.emulators.pictures import png
from tests.pipeline_fixture import FOX, Asleep, Pencil, PipelineFixture, files_in, pipeline_fixture


class Filling(Pencil):
    """Draws, and the disk is full from then on."""

    def __init__(self, answer: list[Picture] | Exception) -> None:
        super().__init__(answers=[answer])
        self.pipeline: PipelineFixture | None = None

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        assert self.pipeline is not None
        await full(self.pipeline)
        return await super().generate(request, progress)


class Kiln(Asleep):
    """Takes the work in, and the disk is full from then on; has it done whenever it is asked."""

    pipeline: PipelineFixture | None = None

    async def generate(self, request: ImageRequest, progress: Progress) -> RemoteTask:  # type: ignore[override] # narrower
        self.asked.append(request)
        await progress("Taken in")
        assert self.pipeline is not None
        await full(self.pipeline)
        return RemoteTask("vase 1")

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        await progress(task.id)
        return [Picture(data=png(1))]


async def full(pipeline: PipelineFixture, *, reads_only: bool = True) -> None:
    """Let nothing more be written to the history, or let it again."""
    await pipeline.store.database.write(lambda one: one.set_authorizer(deny_changes if reads_only else None))


def deny_changes(action: int, *_: object) -> int:
    """Refuse every statement that changes a row, as SQLite does when the disk is full."""
    changes = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
    return sqlite3.SQLITE_DENY if action in changes else sqlite3.SQLITE_OK


async def room(pipeline: PipelineFixture) -> None:
    await full(pipeline, reads_only=False)


@asynccontextmanager
async def refused_once(
    folder: Path, upstream: Filling | Kiln
) -> AsyncIterator[tuple[PipelineFixture, asyncio.Task[Job]]]:
    """A generation whose next write was refused."""
    async with pipeline_fixture(folder, upstream) as pipeline:
        upstream.pipeline = pipeline
        call = asyncio.create_task(pipeline.draw())
        await pipeline.moments.wait("pause")
        yield pipeline, call


async def test_a_picture_whose_row_cannot_be_written_yet_is_done_when_it_can(tmp_path: Path) -> None:
    """Bug: the row said `working` until the next start, and the picture was lost."""
    async with refused_once(tmp_path, Filling([Picture(data=png(1))])) as (pipeline, call):
        assert (await pipeline.job()).state is JobState.WORKING
        await room(pipeline)
        assert (await call).state is JobState.DONE
        assert (await pipeline.job()).state is JobState.DONE


async def test_a_failure_that_cannot_be_written_yet_is_written_when_it_can(tmp_path: Path) -> None:
    """Bug: the same request joined a row that nobody worked on any more."""
    async with refused_once(tmp_path, Filling(WorkError("No.", kind="policy"))) as (pipeline, call):
        await room(pipeline)
        failure = (await call).failure
    assert failure is not None
    assert failure.kind == "policy"


async def test_a_task_that_cannot_be_noted_down_yet_is_followed_when_it_can(tmp_path: Path) -> None:
    """Bug: it was submitted, and nobody asked for the picture."""
    kiln = Kiln()
    async with refused_once(tmp_path, kiln) as (pipeline, call):
        await room(pipeline)
        job = await call
    assert (job.state, job.task, len(kiln.asked)) == ("done", "vase 1", 1)


async def test_a_cancellation_that_cannot_be_written_yet_is_written_when_it_can(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Asleep()) as pipeline:
        call = asyncio.create_task(pipeline.draw())
        await pipeline.moments.wait("Dreaming")
        await full(pipeline)
        call.cancel()
        await pipeline.moments.wait("pause")
        assert not call.done()
        await room(pipeline)
        with pytest.raises(asyncio.CancelledError):
            await call
        failure = (await pipeline.job()).failure
    assert failure is not None
    assert failure.kind == "cancelled"


async def test_a_call_that_leaves_while_a_failure_waits_for_room_cuts_nothing_short(tmp_path: Path) -> None:
    """Ours: there is nothing left to cancel; the row says why it failed."""
    async with refused_once(tmp_path, Filling(WorkError("No.", kind="policy"))) as (pipeline, call):
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await room(pipeline)
        await pipeline.generation.jobs.close(drain_s=10)
        failure = (await pipeline.job()).failure
    assert failure is not None
    assert failure.kind == "policy"


async def test_a_stop_does_not_wait_for_a_disk_that_stays_full(tmp_path: Path) -> None:
    """Ours: the next start ends the row; its log and the picture's file are there."""
    async with refused_once(tmp_path, Filling([Picture(data=png(1))])) as (pipeline, call):
        async with asyncio.timeout(60):
            await pipeline.generation.jobs.close()
            assert (await call).state is JobState.WORKING
        assert len(files_in(tmp_path)) == 1


async def test_a_picture_that_finds_no_room_at_first_is_kept_when_it_does(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        (tmp_path / "scratch").rmdir()
        call = asyncio.create_task(pipeline.draw(FOX))
        await pipeline.moments.wait("pause")
        (tmp_path / "scratch").mkdir()
        assert (await call).state is JobState.DONE
    assert len(files_in(tmp_path)) == 1


async def test_a_picture_that_finds_no_room_leaves_others_their_turn_to_be_read(tmp_path: Path) -> None:
    """Bug: those waited up to five minutes unread, and a service that is not read hangs up on a paid picture."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        budget = pipeline.generation.worker.budget
        (tmp_path / "scratch").rmdir()
        call = asyncio.create_task(pipeline.draw(FOX))
        await pipeline.moments.wait("examine")
        assert budget.held > 0
        await pipeline.moments.wait("pause")
        assert budget.held == 0
        (tmp_path / "scratch").mkdir()
        assert (await call).state is JobState.DONE
        assert budget.held == 0


async def test_a_picture_that_finds_no_room_for_long_is_given_up(tmp_path: Path) -> None:
    """Ours: a picture is megabytes of memory meanwhile; the failure says which setting to look at."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        (tmp_path / "scratch").rmdir()
        failure = (await pipeline.draw(FOX)).failure
        (tmp_path / "scratch").mkdir()
    assert pipeline.pauses == [WRITE_PAUSE_S] * (STORING_TRIES - 1)
    assert pipeline.moments.passed.count("examine") == 1, "it was decoded again for each try"
    assert failure is not None
    assert (failure.kind, "EASEL_DATA_DIR" in failure.reason) == ("storage", True)


async def test_a_call_hears_that_the_disk_refuses_and_a_task_goes_on_waiting(tmp_path: Path) -> None:
    """Ours: a call would be given up by its client; a task is asked for again and again, and ends with its picture."""
    async with pipeline_fixture(tmp_path, Pencil(), real_pauses=True) as pipeline:
        worker = pipeline.generation.worker
        impatient = replace(worker, keeping=replace(worker.keeping, held_up_s=0.0))
        generation = replace(pipeline.generation, worker=impatient)
        (tmp_path / "scratch").rmdir()
        task = asyncio.create_task(generation.generate("anna", FOX, pipeline.waiter, upstream="pencil"))
        await pipeline.moments.wait("The image service has done its work")
        patient = Waiter(until=asyncio.get_running_loop().time() + 3600)
        call = asyncio.create_task(generation.generate("anna", FOX, patient, upstream="pencil"))
        with pytest.raises(WorkError, match="Nothing is lost"):
            async with asyncio.timeout(60):
                await call
        (tmp_path / "scratch").mkdir()
        assert (await task).job.state is JobState.DONE
