"""A job at work in one process, and the calls for it in another."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from service.images import ImageRequest, Job, JobState, Picture, Progress
from service.pictures.decoders import Decoders
from service.pipeline import elsewhere
from service.pipeline.generation import Generation
from service.pipeline.running_jobs import Waiter
from service.storage.arrivals import DiskArrivals
from service.storage.disk import DiskFiles
from service.storage.notices import AnythingChanged, HistoryChanged, JobAwaited, JobChanged, JobProgress
from service.storage.sqlite.store import SqliteStore
from service.upstreams.base import Upstream
from tests.emulators.pictures import png
from tests.joined_notices import Wire
from tests.pipeline_fixture import FOX, pipeline
from tests.wire import until

HERS = "https://a.example/mcp-cache/"
Heard = list[tuple[str, float | None]]


@dataclass
class Brush(Upstream):
    """Draws as a test lets it, and tells each step that a test takes."""

    name: ClassVar[str] = "pencil"
    deadline_s: float = 30.0
    asked: int = 0
    steps: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        self.asked += 1
        while (step := await self.steps.get()) != "done":
            await progress(step, 50)
        return [Picture(data=png(number)) for number in range(request.count)]

    def describe(self) -> str:
        return "brush"


@dataclass(frozen=True)
class Replica:
    generation: Generation
    store: SqliteStore

    def draw(self, heard: Heard | None = None, request: ImageRequest = FOX, until_s: float = 30) -> "asyncio.Task[Job]":
        """A call for the fox, which waits as long as a patient client does."""

        async def drawn() -> Job:
            report = None if heard is None else lambda message, percent: heard.append((message, percent))
            until = asyncio.get_running_loop().time() + until_s
            waiter = Waiter(report=report, until=until, pictures_url=HERS)
            return (await self.generation.generate("anna", request, waiter, upstream="pencil")).job

        return asyncio.create_task(drawn())

    async def state(self, history_id: int = 1) -> JobState:
        job = await self.store.job("anna", history_id)
        assert job is not None
        return job.state


async def pause(seconds: float) -> None:
    """The next look at a row never comes, unless a test wants it; all other pauses are short."""
    await asyncio.sleep(0.02) if seconds < 5 else await asyncio.Event().wait()


@asynccontextmanager
async def replica(folder: Path, lease: str, brush: Brush, wire: Wire, look_s: float = 3600) -> AsyncIterator[Replica]:
    """One process, whose looks at the rows of others come only when it hears of something."""
    (scratch := folder / lease).mkdir()
    arrivals = await DiskArrivals.open(folder / "arrived", scratch)
    store = await SqliteStore.open(folder / "easel.db", lease, lambda _: True, time.time, arrivals=arrivals)
    decoders, files = Decoders(), await DiskFiles.open(folder / "files", scratch, b"k" * 32)
    generation = pipeline(
        {"pencil": brush}, store, files, decoders, pause, arrivals=arrivals, notices=wire.join(look_s)
    )
    generation.elsewhere.stop = generation.stop_here
    try:
        yield Replica(generation, store)
    finally:
        await generation.jobs.close()
        await decoders.close()
        await store.close()


@dataclass
class Two:
    brush: Brush
    wire: Wire
    here: Replica
    there: Replica

    async def begun(self) -> "asyncio.Task[Job]":
        """A call there, once its image service is at it."""
        drawing = self.there.draw()
        await until(lambda: self.brush.asked > 0)
        return drawing

    async def until_heard(self, kind: type[object], count: int = 1) -> None:
        await until(lambda: sum(isinstance(each, kind) for each in self.wire.told) >= count)

    def ended(self, owner: str = "anna", history_id: int = 1) -> None:
        """The notice that a storage itself tells once a row has ended."""
        self.wire.ends[1].tell(JobChanged(owner, history_id, ended=True))


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    brush, wire = Brush(), Wire()
    async with replica(tmp_path, "here", brush, wire) as here, replica(tmp_path, "there", brush, wire) as there:
        yield Two(brush, wire, here, there)


async def test_a_call_hears_the_progress_and_the_end_of_a_job_elsewhere(two: Two) -> None:
    """Ours: the load balancer sent the same request elsewhere; both calls get the one picture, which is paid once."""
    first = await two.begun()
    heard: Heard = []
    second = two.here.draw(heard)
    await two.until_heard(JobAwaited)
    two.brush.steps.put_nowait("Mixing colours")
    await two.until_heard(JobProgress)
    two.brush.steps.put_nowait("done")
    one = await first
    assert not second.done()
    two.ended()
    async with asyncio.timeout(60):
        other = await second
    assert (other.pictures, other.state, two.brush.asked) == (one.pictures, JobState.DONE, 1)
    assert ("Mixing colours", 50) in heard


async def test_a_picture_that_is_ready_elsewhere_has_the_link_of_the_call_that_waits(two: Two) -> None:
    """Ours: each client reaches the pictures by the address that it knows."""
    pair = ImageRequest(model="pencil-1", prompt="two", count=2)
    drawing = two.there.draw(request=pair)
    await until(lambda: two.brush.asked == 2)
    heard: Heard = []
    waiting = two.here.draw(heard, pair)
    await two.until_heard(JobAwaited)
    two.brush.steps.put_nowait("done")
    await until(lambda: any(message.startswith("Picture ") for message, _ in heard))
    [told] = [message for message, _ in heard if message.startswith("Picture ")]
    assert told.startswith(f"Picture 1 of 2 is ready: {HERS}")
    two.brush.steps.put_nowait("done")
    await drawing
    two.ended()
    assert (await waiting).state is JobState.DONE


async def test_of_many_steps_few_are_told_and_the_newest_is_among_them(two: Two) -> None:
    drawing = await two.begun()
    heard: Heard = []
    waiting = two.here.draw(heard)
    await two.until_heard(JobAwaited)
    for number in range(200):
        two.brush.steps.put_nowait(f"Step {number}")
    await until(lambda: ("Step 199", 50) in heard)
    assert sum(isinstance(each, JobProgress) for each in two.wire.told) <= 3
    two.brush.steps.put_nowait("done")
    await drawing
    two.ended()
    await waiting


async def test_nothing_is_told_of_a_job_that_nobody_waits_for_elsewhere(two: Two) -> None:
    """Ours: each notice goes to each replica."""
    drawing = await two.begun()
    two.brush.steps.put_nowait("A step")
    two.brush.steps.put_nowait("done")
    await drawing
    assert two.wire.told == []


async def test_who_waits_no_longer_is_told_nothing_after_a_while(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "AWAITED_S", -1)
    drawing = await two.begun()
    two.wire.ends[0].tell(JobAwaited("anna", 1))
    two.brush.steps.put_nowait("A step")
    two.brush.steps.put_nowait("done")
    await drawing
    assert two.wire.told == [JobAwaited("anna", 1)]


@pytest.mark.parametrize("hint", [AnythingChanged(), HistoryChanged("anna")])
async def test_where_notices_may_be_missing_the_row_is_read_again(two: Two, hint: AnythingChanged) -> None:
    drawing = await two.begun()
    waiting = two.here.draw()
    await two.until_heard(JobAwaited)
    two.brush.steps.put_nowait("done")
    await drawing
    two.wire.ends[1].tell(hint)
    async with asyncio.timeout(60):
        assert (await waiting).state is JobState.DONE


async def test_without_any_notice_the_row_is_the_truth(tmp_path: Path) -> None:
    """Ours: a notice is a hint."""
    brush, wire = Brush(), Wire(cut=True)
    async with (
        replica(tmp_path, "here", brush, wire, look_s=0.05) as here,
        replica(tmp_path, "there", brush, wire) as there,
    ):
        two = Two(brush, wire, here, there)
        drawing, waiting = await two.begun(), here.draw()
        await two.until_heard(JobAwaited)
        brush.steps.put_nowait("done")
        await drawing
        async with asyncio.timeout(60):
            assert (await waiting).state is JobState.DONE


async def test_a_job_is_stopped_from_any_process_whoever_waits(two: Two) -> None:
    """Ours: its owner deletes it, and the load balancer sends that where it likes."""
    drawing = await two.begun()
    [job] = await two.here.store.jobs("anna", 1)
    assert await two.here.generation.stop(job)
    assert await two.here.state() is JobState.FAILED
    with pytest.raises(Exception, match="deleted meanwhile"):
        await drawing


async def test_a_job_without_a_waiting_call_is_cancelled_from_any_process(two: Two) -> None:
    drawing = two.there.draw(until_s=0)
    assert (await drawing).state is JobState.WORKING
    assert await two.here.generation.cancel("anna", 1)
    assert await two.here.state() is JobState.FAILED


async def test_a_cancellation_leaves_a_job_that_a_call_waits_for(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.pipeline.generation.STOPPED_S", 0.05)
    drawing = await two.begun()
    assert not await two.here.generation.cancel("anna", 1)
    two.brush.steps.put_nowait("done")
    assert (await drawing).state is JobState.DONE


async def test_where_others_cannot_be_asked_a_job_elsewhere_goes_on(two: Two) -> None:
    """Ours: so it is with processes of one folder; the tool says so."""
    drawing = await two.begun()
    [end, _] = two.wire.ends
    end.reaches_others = False
    [job] = await two.here.store.jobs("anna", 1)
    assert not await two.here.generation.stop(job)
    two.brush.steps.put_nowait("done")
    assert (await drawing).state is JobState.DONE


async def test_a_page_sees_the_progress_of_a_job_elsewhere(two: Two) -> None:
    """Ours: the gallery shows how far a picture is, whichever replica draws it."""
    drawing = await two.begun()
    [job] = await two.here.store.jobs("anna", 1)
    assert two.here.generation.newest(job) is None
    two.brush.steps.put_nowait("Mixing colours")
    await two.until_heard(JobProgress)
    newest = two.here.generation.newest(job)
    assert newest is not None
    assert (newest.message, newest.percent) == ("Mixing colours", 50)
    assert two.here.generation.is_at_work("anna", 1)
    assert sum(isinstance(each, JobAwaited) for each in two.wire.told) == 1, "it is not asked for at each look"
    two.brush.steps.put_nowait("done")
    await drawing
    two.ended()
    assert not two.here.generation.is_at_work("anna", 1)
