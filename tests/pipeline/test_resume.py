"""The pipeline with work that goes on at an image service without us: it is paid once, whatever happens to us."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from service.image_models.models import Model, Models
from service.images import ImageRequest, Job, JobState, Picture, Progress, WorkError
from service.pictures.decoders import Decoders
from service.pipeline.generation import Generation
from service.pipeline.requests import fingerprint_of
from service.pipeline.running_jobs import AT_ONCE, Waiter
from service.storage.arrivals import DiskArrivals
from service.storage.disk import DiskFiles
from service.storage.notices import Silence
from service.storage.sqlite.store import SqliteStore
from service.tools.results import describe
from service.upstreams.base import RemoteTask, Upstream
from tests.conftest import Serve
from tests.emulators import modelscope
from tests.emulators.pictures import png
from tests.pipeline_fixture import pipeline
from tests.wire import wire_client

VASE = ImageRequest(model="clay", prompt="a vase", seed=7)
MODELS = Models(listed=(Model(id="clay", upstream="kiln"),), default="clay")


@dataclass
class Kiln(Upstream):
    """Takes work in at once, and has it done when `fired` is set, whoever asks by then."""

    name: ClassVar[str] = "kiln"
    deadline_s: float = 10.0

    accepted: int = 0
    asked_for: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    fired: asyncio.Event = field(default_factory=asyncio.Event)
    broken: WorkError | None = None

    async def generate(self, request: ImageRequest, progress: Progress) -> RemoteTask:
        self.accepted += 1
        await progress(f"Taken in: {request.prompt}", 2)
        return RemoteTask(f"vase {self.accepted}")

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        self.asked_for.append(task.id)
        self.asked.set()
        await progress("In the kiln")
        await self.fired.wait()
        if self.broken is not None:
            raise self.broken
        return [Picture(data=png(1))]

    def describe(self) -> str:
        return "kiln"


@dataclass(frozen=True)
class Process:
    """One process of the service, as far as the pipeline goes."""

    generation: Generation
    store: SqliteStore

    async def job(self, history_id: int = 1) -> Job:
        job = await self.store.job("anna", history_id)
        assert job is not None
        return job

    async def make(self) -> Job:
        return (await self.generation.generate("anna", VASE, Waiter(), upstream="kiln")).job

    async def wait(self, patience_s: float = 10) -> Job:
        await self.generation.wait("anna", 1, Waiter(until=asyncio.get_running_loop().time() + patience_s))
        return await self.job()


@asynccontextmanager
async def process(
    folder: Path,
    kiln: Kiln,
    lease: str = "first",
    *,
    dead: AbstractSet[str] = frozenset(),
    kept_by: type[SqliteStore] = SqliteStore,
    clock: Callable[[], float] | None = None,
    pause: Callable[[float], object] = lambda _: None,
) -> AsyncIterator[Process]:
    """Run one; it ends as a crash does, with nothing let go, unless the test closes its pipeline."""
    scratch = folder / lease
    scratch.mkdir()

    async def paused(seconds: float) -> None:
        done = pause(seconds)
        if asyncio.iscoroutine(done):
            await done

    arrivals = await DiskArrivals.open(folder / "arrived", scratch)
    store = await kept_by.open(
        folder / "easel.db", lease, lambda other: other not in dead, clock or time.time, arrivals=arrivals
    )
    decoders = Decoders()
    files = await DiskFiles.open(folder / "files", scratch, b"k" * 32)
    generation = pipeline({kiln.name: kiln} if kiln.name else {}, store, files, decoders, paused, arrivals=arrivals)
    try:
        yield Process(generation, store)
    finally:
        await generation.jobs.close()
        await decoders.close()
        await store.close()


async def untold(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None: ...


async def crash_while_it_is_followed(folder: Path, kiln: Kiln, lease: str = "first") -> None:
    """Leave a job behind as a killed process does: working, with its lease, and its task in the row."""
    async with process(folder, kiln, lease) as first:
        begun = await first.store.begin("anna", VASE, kiln.name, await fingerprint_of("anna", kiln.name, VASE))
        task = await kiln.generate(VASE, untold)
        assert isinstance(task, RemoteTask)
        await first.store.remember_task(await first.store.mark_submitted(begun.job), task.id)


async def test_the_task_is_written_down_before_it_is_asked_about(tmp_path: Path) -> None:
    """Ours: a crash between the two would lose a picture that is paid for."""
    seen: list[tuple[str, str]] = []

    class Witness(Kiln):
        async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
            job = await running.job()
            seen.append((job.upstream, job.task))
            return await super().follow(task, progress)

    kiln = Witness()
    kiln.fired.set()
    async with process(tmp_path, kiln) as running:
        made = await running.make()
    assert seen == [("kiln", "vase 1")]
    assert (made.state, made.task, made.parameters) == ("done", "vase 1", {"seed": 7})


@pytest.mark.parametrize("how", ["cancel", "stop"])
async def test_one_that_waits_to_be_resumed_can_be_cancelled(tmp_path: Path, how: str) -> None:
    """Bug: it was cancelled before its work began, so that nothing wrote its end: it stayed working for ever."""
    kiln = Kiln()
    async with process(tmp_path, kiln, "first") as first:
        for number in range(AT_ONCE + 1):
            begun = await first.store.begin("anna", VASE, kiln.name, "")
            await first.store.remember_task(begun.job, f"vase {number}")
    async with process(tmp_path, kiln, "second", dead=frozenset({"first"})) as second:
        jobs = await second.store.jobs("anna", AT_ONCE + 1)
        await second.generation.resume()
        [last] = [each for each in jobs if each.task == f"vase {AT_ONCE}"]
        if how == "cancel":
            assert await second.generation.cancel("anna", last.history_id)
        else:
            assert await second.generation.stop(last)
        ended = await second.store.job("anna", last.history_id)
        assert ended is not None
        assert ended.failure is not None
        assert (ended.state, ended.failure.kind) == (JobState.FAILED, "cancelled")
        assert await second.generation.cancel("anna", last.history_id)


async def test_a_job_of_a_living_process_cannot_be_cancelled_elsewhere_and_one_of_a_dead_is_over(
    tmp_path: Path,
) -> None:
    """Ours: `tasks/cancel` says which of the two it is."""
    kiln = Kiln()
    async with process(tmp_path, kiln, "first") as first, process(tmp_path, kiln, "second") as second:
        job = (await first.store.begin("anna", VASE, kiln.name, "")).job
        assert not await second.generation.cancel("anna", job.history_id)
        assert not await second.generation.stop(job)
    async with process(tmp_path, kiln, "third", dead=frozenset({"first"})) as third:
        assert await third.generation.cancel("anna", job.history_id)
        assert await third.generation.cancel("ben", job.history_id)


async def test_after_a_crash_the_next_process_follows_and_nothing_is_paid_again(tmp_path: Path) -> None:
    kiln = Kiln()
    await crash_while_it_is_followed(tmp_path, kiln)
    async with process(tmp_path, kiln, "second", dead=frozenset({"first"})) as second:
        assert (await second.job()).state is JobState.WORKING
        await second.generation.resume()
        kiln.fired.set()
        job = await second.wait()
    assert (job.state, len(job.pictures)) == ("done", 1)
    assert (kiln.accepted, kiln.asked_for) == (1, ["vase 1"])


async def test_two_processes_that_start_at_once_follow_it_once(tmp_path: Path) -> None:
    """Ours: an orchestrator starts several at the same moment."""
    kiln = Kiln()
    kiln.fired.set()
    await crash_while_it_is_followed(tmp_path, kiln)
    dead = frozenset({"first"})
    async with process(tmp_path, kiln, "a", dead=dead) as one, process(tmp_path, kiln, "b", dead=dead) as two:
        await asyncio.gather(one.generation.resume(), two.generation.resume())
        await asyncio.gather(one.wait(), two.wait())
        assert (await one.job()).state is JobState.DONE
    assert kiln.asked_for == ["vase 1"]


async def test_a_process_that_is_stopped_lets_go_of_it_and_the_next_goes_on(tmp_path: Path) -> None:
    """Ours: cancelled by the stop of the service is not cancelled by the person."""
    kiln = Kiln()
    async with process(tmp_path, kiln) as first:
        making = asyncio.create_task(first.make())
        await kiln.asked.wait()
        await first.generation.jobs.close()
        assert (await making).state is JobState.WORKING
        assert (await first.job()).state is JobState.WORKING
    kiln.fired.set()
    async with process(tmp_path, kiln, "second") as second:
        await second.generation.resume()
        assert (await second.wait()).state is JobState.DONE
    assert kiln.accepted == 1


async def test_a_followed_job_survives_stop_after_stop(tmp_path: Path) -> None:
    """Ours: a service that restarts every minute still gets to the end of a long one."""
    kiln = Kiln()
    await crash_while_it_is_followed(tmp_path, kiln)
    for number in range(3):
        kiln.asked.clear()
        async with process(tmp_path, kiln, f"stop {number}", dead=frozenset({"first"})) as stopped:
            await stopped.generation.resume()
            await kiln.asked.wait()
            await stopped.generation.jobs.close()
            assert (await stopped.job()).state is JobState.WORKING
    assert kiln.asked_for == ["vase 1"] * 3


async def test_work_without_a_task_that_is_stopped_is_interrupted(tmp_path: Path) -> None:
    """Ours: nobody can ask for it any more, and the person did not cancel it."""

    class Slow(Kiln):
        async def generate(self, request: ImageRequest, progress: Progress) -> RemoteTask:
            self.asked.set()
            await asyncio.Event().wait()
            return await super().generate(request, progress)

    kiln = Slow()
    async with process(tmp_path, kiln) as first:
        making = asyncio.create_task(first.make())
        await kiln.asked.wait()
        await first.generation.jobs.close()
        job = await making
        assert job == await first.job()
    assert job.failure is not None
    assert (job.state, job.failure.kind) == ("failed", "interrupted")
    assert "may have charged" in job.failure.reason


async def test_a_call_that_its_client_cancels_leaves_what_goes_on_without_us(tmp_path: Path) -> None:
    """Bug: a client that gave up early paid for each try, since the image service draws on whatever we do."""
    kiln = Kiln()
    async with process(tmp_path, kiln) as running:
        making = asyncio.create_task(running.make())
        await kiln.asked.wait()
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        assert (await running.job()).state is JobState.WORKING
        kiln.fired.set()
        again = await running.make()
    assert (again.history_id, again.state) == (1, "done")
    assert (kiln.accepted, kiln.asked_for) == (1, ["vase 1"])


async def test_after_the_deadline_the_answer_names_the_task_and_how_to_go_on(tmp_path: Path) -> None:
    kiln = Kiln(deadline_s=0.05)
    async with process(tmp_path, kiln) as running:
        job = await running.make()
        text = describe(job, "")
        assert (job.state, job.history_id) == ("working", 1)
        for words in ("vase 1", "`history` with history_id 1", "nothing is charged again"):
            assert words in text
        kiln.fired.set()
        assert (await running.wait()).state is JobState.DONE
    assert (kiln.accepted, kiln.asked_for) == (1, ["vase 1", "vase 1"])


async def test_another_process_can_go_on_from_the_deadline(tmp_path: Path) -> None:
    """Ours: the client asks whichever process it reaches."""
    kiln = Kiln(deadline_s=0.05)
    async with process(tmp_path, kiln) as one, process(tmp_path, kiln, "second") as two:
        await one.make()
        kiln.fired.set()
        assert (await two.wait()).state is JobState.DONE


async def test_who_waits_and_leaves_takes_nothing_away(tmp_path: Path) -> None:
    """Ours: a client that gives `history` up may come back."""
    kiln = Kiln(deadline_s=0.05)
    async with process(tmp_path, kiln) as running:
        await running.make()
        kiln.deadline_s = 10
        kiln.asked.clear()
        waiting = asyncio.create_task(running.wait())
        await kiln.asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await running.wait(patience_s=0)).state is JobState.WORKING
        kiln.fired.set()
        assert (await running.wait()).state is JobState.DONE
    assert kiln.asked_for == ["vase 1", "vase 1"]


async def test_a_job_of_another_process_is_watched_until_it_ends(tmp_path: Path) -> None:
    """Ours: it is not taken away from who follows it."""
    kiln = Kiln()
    looks: list[float] = []

    async def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            kiln.fired.set()
            await making

    async with process(tmp_path, kiln) as one, process(tmp_path, kiln, "second", pause=pause) as two:
        making = asyncio.create_task(one.make())
        await kiln.asked.wait()
        assert (await two.wait()).state is JobState.DONE
    assert looks == [Silence.look_s] * 3
    assert kiln.asked_for == ["vase 1"]


async def test_watching_ends_when_patience_does(tmp_path: Path) -> None:
    kiln, looks = Kiln(), list[float]()
    async with process(tmp_path, kiln) as one, process(tmp_path, kiln, "second", pause=looks.append) as two:
        making = asyncio.create_task(one.make())
        await kiln.asked.wait()
        assert (await two.wait(patience_s=3 * Silence.look_s)).state is JobState.WORKING
        kiln.fired.set()
        await making
    assert looks == pytest.approx([Silence.look_s] * 3, abs=0.1)


@pytest.mark.parametrize(
    ("followed", "state", "submissions"),
    [pytest.param(True, "done", 1, id="with a task"), pytest.param(False, "failed", 0, id="without one")],
)
async def test_a_job_whose_process_dies_while_it_is_watched_goes_on_or_ends(
    tmp_path: Path, state: str, submissions: int, *, followed: bool
) -> None:
    """Bug: it was still being drawn for everybody who asked, until somebody started the service anew."""

    class Slow(Kiln):
        async def generate(self, request: ImageRequest, progress: Progress) -> RemoteTask:
            if not followed:
                self.asked.set()
                await asyncio.Event().wait()
            return await super().generate(request, progress)

    kiln, dead = Slow(), set[str]()

    async def pause(seconds: float) -> None:
        kiln.fired.set()
        dead.add("first")

    async with (
        process(tmp_path, kiln) as one,
        process(tmp_path, kiln, "second", dead=dead, pause=pause) as two,
    ):
        making = asyncio.create_task(one.make())
        await kiln.asked.wait()
        assert (await two.wait()).state == state
        making.cancel()
        await asyncio.wait({making})
    assert kiln.accepted == submissions


async def test_who_leaves_while_a_job_is_claimed_leaves_it_followed(tmp_path: Path) -> None:
    """Bug: claimed and not followed, it was nobody's until the next start."""
    claiming = asyncio.Event()

    class Watched(SqliteStore):
        async def claim_one(self, owner: str, history_id: int) -> Job | None:
            claiming.set()
            return await super().claim_one(owner, history_id)

    kiln = Kiln()
    await crash_while_it_is_followed(tmp_path, kiln)
    async with process(tmp_path, kiln, "second", dead=frozenset({"first"}), kept_by=Watched) as second:
        call = asyncio.create_task(second.wait())
        await claiming.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        kiln.fired.set()
        assert (await second.wait()).state is JobState.DONE


async def test_what_has_ended_or_is_foreign_is_not_waited_for(tmp_path: Path) -> None:
    """Attack: history ids count up, so anybody can guess one."""
    kiln = Kiln(deadline_s=0.05)
    async with process(tmp_path, kiln) as running:
        await running.make()
        await running.generation.wait("bob", 1, Waiter())
        await running.generation.wait("anna", 99, Waiter())
        assert kiln.asked_for == ["vase 1"]


async def test_a_task_that_fails_is_not_submitted_again(tmp_path: Path) -> None:
    """Ours: it was accepted, and may be charged, whatever its kind allows before that."""
    kiln = Kiln(broken=WorkError("Too busy.", kind="rate", retries=3))
    kiln.fired.set()
    async with process(tmp_path, kiln) as running:
        job = await running.make()
    assert job.failure is not None
    assert (job.state, job.failure.kind, kiln.accepted, len(kiln.asked_for)) == ("failed", "rate", 1, 1)


async def test_a_resumed_task_that_fails_says_why(tmp_path: Path) -> None:
    kiln = Kiln(broken=WorkError("The prompt was refused.", kind="policy"))
    await crash_while_it_is_followed(tmp_path, kiln)
    kiln.fired.set()
    async with process(tmp_path, kiln, "second", dead=frozenset({"first"})) as second:
        await second.generation.resume()
        job = await second.wait()
    assert job.failure is not None
    assert (job.failure.kind, job.failure.reason) == ("policy", "The prompt was refused.")


async def test_work_that_is_not_done_after_a_day_is_given_up(tmp_path: Path) -> None:
    """Ours: nothing stays working for ever."""
    kiln = Kiln(deadline_s=0.05)
    async with process(tmp_path, kiln, clock=lambda: 1_000_000.0) as running:
        job = await running.make()
    assert job.failure is not None
    assert (job.state, job.failure.kind) == ("failed", "timeout")
    assert "more than a day ago" in job.failure.reason
    assert "may have charged" in job.failure.reason


async def test_work_of_a_service_that_is_off_waits_until_it_is_on(tmp_path: Path) -> None:
    """Ours: a key that is missing today may be back tomorrow."""
    kiln = Kiln()
    await crash_while_it_is_followed(tmp_path, kiln)
    dead = frozenset({"first"})

    class Nothing(Kiln):
        name: ClassVar[str] = ""

    async with process(tmp_path, Nothing(), "second", dead=dead) as without:
        await without.generation.resume()
        assert (await without.wait()).state is JobState.WORKING
    kiln.fired.set()
    async with process(tmp_path, kiln, "third", dead=dead) as again:
        await again.generation.resume()
        assert (await again.wait()).state is JobState.DONE


async def test_the_whole_service_goes_on_where_it_stopped(serve: Serve) -> None:
    """Ours: the same through HTTP: a timeout, a restart, and the picture; submitted once."""
    async with modelscope.running() as upstream:
        env = {
            "MODELSCOPE_BASE_URL": upstream.url,
            "MODELSCOPE_API_KEY": upstream.key,
            "EASEL_MODELSCOPE_POLL_S": "0.01",
            "EASEL_MODELSCOPE_TIMEOUT_S": "1",
        }
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            made = await client.call("generate", {"prompt": "a fox [slow]", "model": "Qwen/Qwen-Image"})
        assert "isError" not in made
        assert made["structuredContent"]["state"] == "working"
        assert "task 5075522" in made["content"][0]["text"]
        upstream.go_on.set()
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            shown = await client.call("history", {"history_id": made["structuredContent"]["history_id"]})
    (entry,) = shown["structuredContent"]["entries"]
    assert (entry["state"], entry["task_id"], len(entry["images"])) == ("done", "5075522", 1)
    assert len(upstream.submissions) == 1
