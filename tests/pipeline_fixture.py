"""A pipeline with a real store and real files, and image services of a few lines, for the tests of the pipeline."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from service.costs import Drawn
from service.images import Failure, ImageRequest, Job, KeptPicture, Picture, Progress, WorkError
from service.pictures.decoders import Decoders
from service.pictures.library import Pictures
from service.pictures.messages import Examined
from service.pipeline.asking import Asking
from service.pipeline.elsewhere import JobsElsewhere
from service.pipeline.generation import Generation, Outcome
from service.pipeline.keeping import Keeping
from service.pipeline.restoration import Restoration
from service.pipeline.running_jobs import DisconnectReason, RunningJobs, Waiter
from service.pipeline.worker import Worker
from service.storage.arrivals import DiskArrivals
from service.storage.disk import DiskFiles
from service.storage.files import Arrivals
from service.storage.notices import Notices, Silence
from service.storage.sqlite.store import SqliteStore
from service.storage.store import Begun, Store
from service.upstreams.base import Upstream
from tests.emulators.pictures import png

FOX = ImageRequest(model="pencil-1", prompt="a fox")
URL = "http://127.0.0.1/mcp-cache/"


class Moments:
    """The steps of a generation, in the order in which they come. A test waits for one of them."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.at: dict[str, Callable[[], object]] = {}
        """The work at a step, in the same turn of the loop."""
        self._awaited = ""
        self._there = asyncio.Event()

    def pass_(self, moment: str) -> None:
        """Note that a step begins."""
        self.passed.append(moment)
        self.at.pop(moment, int)()
        if self._awaited and moment.startswith(self._awaited):
            self._there.set()

    async def wait(self, moment: str) -> None:
        """Wait until a step begins, from now on, whose name begins so."""
        self._awaited = moment
        self._there.clear()
        async with asyncio.timeout(60):
            await self._there.wait()


class WatchedStore(SqliteStore):
    """Says when it is called."""

    moments: Moments

    async def begin(
        self,
        owner: str,
        request: ImageRequest,
        upstream: str,
        fingerprint: str,
        *,
        join_failed: bool = True,
        submitted: int = 0,
    ) -> Begun:
        self.moments.pass_("begin")
        begun = super().begin(owner, request, upstream, fingerprint, join_failed=join_failed, submitted=submitted)
        return await begun

    async def mark_submitted(self, job: Job, pictures: int = 1) -> Job:
        self.moments.pass_("submitted" if pictures else "refused")
        marked = await super().mark_submitted(job, pictures)
        self.moments.pass_("marked")
        return marked

    async def finish(
        self,
        job: Job,
        pictures: Sequence[KeptPicture],
        links: Sequence[str] = (),
        shortfall: Failure | None = None,
        drawn: Drawn | None = None,
    ) -> Job:
        self.moments.pass_("finish")
        return await super().finish(job, pictures, links, shortfall, drawn)

    async def fail(self, job: Job, failure: Failure, links: Sequence[str] = ()) -> Job:
        self.moments.pass_("fail")
        return await super().fail(job, failure, links)


class WatchedFiles(DiskFiles):
    """Says when it is called."""

    moments: Moments

    async def keep(self, owner: str, data: bytes, media_type: str) -> str:
        self.moments.pass_("keep")
        return await super().keep(owner, data, media_type)


class WatchedDecoders(Decoders):
    """Says when it is called."""

    moments: Moments

    async def examine(self, owner: str, data: bytes, *, is_paid: bool = True) -> Examined:
        self.moments.pass_("examine")
        return await super().examine(owner, data, is_paid=is_paid)


@dataclass
class Pencil(Upstream):
    """Answers with what it was given, one after the other, and then with a picture of its own each time."""

    name: ClassVar[str] = "pencil"

    deadline_s: float = 10.0
    answers: list[list[Picture] | Exception] = field(default_factory=list)
    asked: list[ImageRequest] = field(default_factory=list)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        self.asked.append(request)
        await progress("Drawing", 50)
        answer = self.answers.pop(0) if self.answers else [Picture(data=png(len(self.asked)))]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def describe(self) -> str:
        return "pencil"


@dataclass
class Asleep(Upstream):
    """Never answers."""

    name: ClassVar[str] = "pencil"

    deadline_s: float = 600.0
    asked: list[ImageRequest] = field(default_factory=list)
    woken: int = 0

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        self.asked.append(request)
        await progress("Dreaming")
        try:
            await asyncio.Event().wait()
        finally:
            self.woken += 1
        return []

    def describe(self) -> str:
        return "asleep"


@dataclass(frozen=True, kw_only=True)
class PipelineFixture:
    """A pipeline and what it stands on. Its pauses are noted, and take no time."""

    generation: Generation
    store: SqliteStore
    moments: Moments
    said: list[tuple[str, float | None]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def draw(self, request: ImageRequest = FOX) -> Job:
        """One generation, its progress noted, whose answer reaches its client."""
        job = (await self.generation.generate("anna", request, self.waiter, upstream="pencil")).job
        self.generation.delivered(job)
        return job

    @property
    def waiter(self) -> Waiter:
        """A call that waits to the end, whose progress is noted, and whose client cancels it by asking for that."""
        return Waiter(report=self.hear, leaving=lambda: DisconnectReason.CANCELLED)

    def hear(self, message: str, percent: float | None = None) -> None:
        """A place for progress; each line of it is a moment too."""
        self.moments.pass_(message)
        self.said.append((message, percent))

    async def job(self) -> Job:
        """The only job there is, as the store has it."""
        [job] = await self.store.jobs("anna", 10)
        return job


def pipeline(
    upstreams: Mapping[str, Upstream],
    store: Store,
    files: DiskFiles,
    decoders: Decoders,
    pause: Callable[[float], Awaitable[None]],
    *,
    arrivals: Arrivals,
    retries: int = 2,
    prompt_suffix: str = "",
    ended: Callable[[Job], Awaitable[None]] | None = None,
    notices: Notices | None = None,
) -> Generation:
    """A pipeline as `app` builds it, with pauses of a test's own."""

    async def nothing(job: Job) -> None:
        """No client listens."""

    jobs, pictures = RunningJobs(drained=decoders.stop), Pictures(files=files, decoders=decoders, url=URL)
    worker = Worker(
        upstreams=upstreams,
        store=store,
        jobs=jobs,
        asking=Asking(store=store, retries=retries, prompt_suffix=prompt_suffix, pause=pause),
        keeping=Keeping(store=store, arrivals=arrivals, pictures=pictures, jobs=jobs, pause=pause, held_up_s=math.inf),
        ended=ended or nothing,
    )
    restoration = Restoration(upstreams=upstreams, store=store, pictures=pictures, ended=ended or nothing)
    return Generation(
        store=store,
        pictures=pictures,
        jobs=jobs,
        worker=worker,
        restoration=restoration,
        elsewhere=JobsElsewhere(notices or Silence(), jobs),
        pause=pause,
    )


@asynccontextmanager
async def pipeline_fixture(
    folder: Path,
    upstream: Upstream,
    *,
    retries: int = 2,
    prompt_suffix: str = "",
    real_pauses: bool = False,
    store: type[WatchedStore] = WatchedStore,
) -> AsyncIterator[PipelineFixture]:
    moments = Moments()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        moments.pass_("pause")
        await asyncio.sleep(seconds if real_pauses else 0)

    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    arrivals = await DiskArrivals.open(folder / "arrived", scratch)
    kept = await store.open(folder / "easel.db", "lease", lambda _: True, arrivals=arrivals)
    files = await WatchedFiles.open(folder / "files", scratch, b"k" * 32)
    decoders = WatchedDecoders()
    kept.moments = files.moments = decoders.moments = moments
    generation = pipeline(
        {"pencil": upstream},
        kept,
        files,
        decoders,
        pause,
        arrivals=arrivals,
        retries=retries,
        prompt_suffix=prompt_suffix,
    )
    try:
        yield PipelineFixture(generation=generation, store=kept, moments=moments, pauses=pauses)
    finally:
        await generation.jobs.close()
        await decoders.close()
        await kept.close()


def files_in(folder: Path) -> list[Path]:
    return [path for path in (folder / "files").rglob("*") if path.is_file()]


@dataclass
class Gated(Pencil):
    """Draws when it may, and has what it drew under a URL for as long as it is `there`."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_draw: asyncio.Event = field(default_factory=asyncio.Event)
    there: bool = True
    fetched: list[str] = field(default_factory=list)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        self.begun.set()
        await self.may_draw.wait()
        [picture] = await super().generate(request, progress)
        return [replace(picture, source=f"https://pics.example/{len(self.asked)}")]

    async def fetch_again(self, source: str) -> bytes:
        self.fetched.append(source)
        if not self.there:
            raise WorkError("It is not there any more.", kind="gone")
        return png(int(source.rpartition("/")[2]))


@asynccontextmanager
async def gated(folder: Path, *, open_: bool = True) -> AsyncIterator[tuple[PipelineFixture, Gated]]:
    upstream = Gated()
    if open_:
        upstream.may_draw.set()
    async with pipeline_fixture(folder, upstream) as pipeline:
        yield pipeline, upstream


async def ask(
    pipeline: PipelineFixture, request: ImageRequest = FOX, owner: str = "anna", patience_s: float = 60
) -> Outcome:
    """One call, whose answer reaches nobody."""
    until = asyncio.get_running_loop().time() + patience_s
    return await pipeline.generation.generate(owner, request, Waiter(until=until), upstream="pencil")


def id_of(outcome: Outcome) -> int:
    return outcome.job.history_id


async def cancelled_at(pipeline: PipelineFixture, moment: str) -> Job:
    """Cancel a generation as soon as it has come to a step; returns what its row says once nothing runs any more."""
    call = asyncio.create_task(pipeline.draw())
    await pipeline.moments.wait(moment)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await pipeline.generation.jobs.close(drain_s=10)
    return await pipeline.job()
