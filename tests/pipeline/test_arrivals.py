"""Work that a crash cut short after the image service had answered: the next process finishes it, and pays nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from service.images import ImageRequest, Job, JobState, Picture, Progress, WorkError
from service.pictures.decoders import Decoders
from service.pipeline.generation import Generation
from service.pipeline.running_jobs import Waiter
from service.storage.arrivals import DiskArrivals
from service.storage.disk import DiskFiles
from service.storage.sqlite.store import SqliteStore
from service.upstreams.base import Upstream
from tests.emulators.pictures import png
from tests.pipeline_fixture import FOX, files_in, pipeline

LINK = "https://pics.example/3"


@dataclass
class Gallery(Upstream):
    """Has what it drew under its URL, and is not to be asked to draw again."""

    name: ClassVar[str] = "pencil"

    deadline_s: float = 10.0
    there: bool = True
    fetched: list[str] = field(default_factory=list)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:  # noqa: ARG002 - it draws nothing
        raise AssertionError("it was paid for")

    async def fetch_again(self, source: str) -> bytes:
        self.fetched.append(source)
        if not self.there:
            raise WorkError("Its host is busy.", kind="download")
        return png(int(source.rpartition("/")[2]))

    def describe(self) -> str:
        return "gallery"


@dataclass(frozen=True)
class Life:
    """One process on the folder."""

    store: SqliteStore
    arrivals: DiskArrivals
    generation: Generation

    async def settled(self) -> Job:
        """The one job there is, after it was resumed and has ended."""
        await self.generation.resume()
        await self.generation.wait("anna", 1, Waiter())
        [job] = await self.store.jobs("anna", 10)
        return job


@asynccontextmanager
async def life(folder: Path, lease: str, upstream: Upstream | None) -> AsyncIterator[Life]:
    scratch = folder / lease
    scratch.mkdir()
    arrivals = await DiskArrivals.open(folder / "arrived", scratch)
    store = await SqliteStore.open(folder / "easel.db", lease, lambda other: other == lease, arrivals=arrivals)
    files = await DiskFiles.open(folder / "files", scratch, b"k" * 32)
    decoders = Decoders()

    async def pause(seconds: float) -> None:
        raise AssertionError("nothing is waited for")

    upstreams = {} if upstream is None else {upstream.name: upstream}
    generation = pipeline(upstreams, store, files, decoders, pause, arrivals=arrivals)
    try:
        yield Life(store, arrivals, generation)
    finally:
        await generation.jobs.close()
        await decoders.close()
        await store.close()


async def crash_with(folder: Path, pictures: Sequence[Picture]) -> None:
    """Leave a job behind as a killed process does that had received these pictures."""
    async with life(folder, "dead", Gallery()) as first:
        job = (await first.store.begin("anna", FOX, "pencil", "f")).job
        await first.arrivals.keep(await first.store.mark_submitted(job), pictures)


async def test_bytes_that_had_arrived_become_the_picture(tmp_path: Path) -> None:
    """Bug: a kill while a picture was examined lost it, and it was paid for."""
    await crash_with(tmp_path, [Picture(data=png(1), note="It has 1K."), Picture(data=png(2), source=LINK)])
    async with life(tmp_path, "new", Gallery()) as second:
        job = await second.settled()
        assert await second.arrivals.listing() == frozenset()
    assert (job.state, [(each.note, each.source) for each in job.pictures]) == (
        "done",
        [("It has 1K.", ""), ("", LINK)],
    )
    assert len(files_in(tmp_path)) == 2


async def test_bytes_that_had_arrived_need_no_image_service(tmp_path: Path) -> None:
    await crash_with(tmp_path, [Picture(data=png(1))])
    async with life(tmp_path, "new", None) as second:
        assert (await second.settled()).state is JobState.DONE


async def test_a_picture_whose_url_was_known_is_downloaded(tmp_path: Path) -> None:
    """Bug: a kill during a download lost the picture, and it was paid for."""
    await crash_with(tmp_path, [Picture(data=b"", source=LINK)])
    async with life(tmp_path, "new", gallery := Gallery()) as second:
        job = await second.settled()
    assert (job.state, [each.source for each in job.pictures], gallery.fetched) == ("done", [LINK], [LINK])


async def test_a_picture_that_is_not_to_be_had_after_the_crash_may_come_later(tmp_path: Path) -> None:
    await crash_with(tmp_path, [Picture(data=b"", source=LINK)])
    async with life(tmp_path, "new", gallery := Gallery(there=False)) as second:
        job = await second.settled()
        assert job.failure is not None
        assert (job.failure.kind, job.links) == ("download", (LINK,))
        assert "Its host is busy" in job.failure.reason
        assert "may have charged" in job.failure.reason
        gallery.there = True
        shown = await second.generation.show("anna", 1)
        assert shown is not None
        assert (shown.job.state, shown.job.links) == ("done", ())


async def test_the_same_request_waits_for_what_had_arrived(tmp_path: Path) -> None:
    """Ours: whoever asks again after the crash, in the same words, gets the picture that is paid for."""
    await crash_with(tmp_path, [Picture(data=png(1))])
    async with life(tmp_path, "new", Gallery()) as second:
        begun = await second.store.begin("anna", FOX, "pencil", "f")
        assert (begun.joined, begun.job.history_id, begun.job.state) == (True, 1, "working")
        assert (await second.settled()).state is JobState.DONE


async def test_a_damaged_arrival_is_said_to_be_charged(tmp_path: Path) -> None:
    await crash_with(tmp_path, [Picture(data=png(1))])
    [path] = (tmp_path / "arrived").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    async with life(tmp_path, "new", Gallery()) as second:
        failure = (await second.settled()).failure
    assert failure is not None
    assert "may have charged" in failure.reason


@pytest.mark.parametrize("asked", [True, False])
async def test_a_crash_before_any_answer_says_how_far_it_had_come(tmp_path: Path, *, asked: bool) -> None:
    """Ours: what may have been charged depends on whether the service was asked."""
    async with life(tmp_path, "dead", Gallery()) as first:
        job = (await first.store.begin("anna", FOX, "pencil", "f")).job
        if asked:
            await first.store.mark_submitted(job)
    async with life(tmp_path, "new", Gallery()) as second:
        [ended] = await second.store.jobs("anna", 10)
    assert ended.failure is not None
    assert ("after it had asked" in ended.failure.reason, "Nothing was charged" in ended.failure.reason) == (
        asked, not asked,
    )  # fmt: skip


@dataclass
class Hanging(Gallery):
    """Has drawn, and never sends the picture."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:  # noqa: ARG002 - as above
        await progress("The picture is drawn", links=[LINK])
        self.asked.set()
        await asyncio.Event().wait()
        return []


async def test_a_stop_during_a_download_leaves_it_to_the_next_start(tmp_path: Path) -> None:
    """Ours: the URL is written down, so the row need not say that the picture is lost."""
    async with life(tmp_path, "first", hanging := Hanging()) as first:
        call = asyncio.create_task(first.generation.generate("anna", FOX, Waiter(), upstream="pencil"))
        await hanging.asked.wait()
        await first.generation.jobs.close()
        assert (await call).job.state is JobState.WORKING
    async with life(tmp_path, "new", gallery := Gallery()) as second:
        assert (await second.settled()).state is JobState.DONE
    assert gallery.fetched == [LINK]


async def test_a_job_that_is_deleted_during_a_download_leaves_nothing_behind(tmp_path: Path) -> None:
    async with life(tmp_path, "first", hanging := Hanging()) as first:
        call = asyncio.create_task(first.generation.generate("anna", FOX, Waiter(), upstream="pencil"))
        await hanging.asked.wait()
        [job] = await first.store.jobs("anna", 10)
        assert await first.generation.stop(job)
        with pytest.raises(WorkError):
            await call
        assert await first.arrivals.listing() == frozenset()
