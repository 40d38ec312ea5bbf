"""Several pictures of one call: each paid, retried, written down and told by itself, and told together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

from service.images import (
    Failure,
    ImageRequest,
    Job,
    KeptPicture,
    Picture,
    Progress,
    Reference,
    ReferenceRules,
    WorkError,
)
from service.pictures.masks import read_mask
from service.pipeline.keeping import Keeping
from service.pipeline.requests import MASK_BYTES, Part, Parts, fingerprint_of, prepared, shortfall_text, split
from service.pipeline.running_jobs import RunningJob, Waiter
from service.upstreams.base import RemoteTask, Upstream
from tests.emulators.pictures import png
from tests.pictures.samples import corner_marked, encoded, opened, photo
from tests.pipeline_fixture import FOX, Pencil, PipelineFixture, ask, pipeline_fixture

FOUR = replace(FOX, count=4)
POLICY = WorkError("It shows a person.\nChange the prompt.", kind="policy")


@pytest.mark.parametrize(
    ("count", "native", "parts"),
    [
        pytest.param(1, 1, [1], id="one"),
        pytest.param(4, 8, [4], id="all in one request"),
        pytest.param(4, 1, [1, 1, 1, 1], id="one in each"),
        pytest.param(8, 3, [3, 3, 2], id="three in each"),
    ],
)
def test_a_request_is_cut_into_parts_that_the_service_draws_in_one(count: int, native: int, parts: list[int]) -> None:
    cut = list(split(replace(FOX, count=count, native_count=native)))
    assert [part.count for part in cut] == [part.request.count for part in cut if part.request] == parts
    assert [part.number for part in cut] == list(range(len(parts)))


def test_each_part_has_a_seed_of_its_own() -> None:
    """Ours: the same seed gives the same picture, which nobody wants to pay for four times."""
    cut = split(replace(FOUR, seed=7))
    assert [part.request.seed for part in cut if part.request] == [7, 8, 9, 10]


def test_the_progress_of_several_parts_is_that_of_all() -> None:
    """Spec 2026-07-28, Progress: values rise, also while one part overtakes another."""
    first, second = Part(count=3), Part(number=1, count=1)
    parts = Parts([first, second], several=True)
    assert [parts.advance(first, 40), parts.advance(second, 80), parts.advance(first, 20)] == [30, 50, 50]
    second.ended = True
    assert parts.advance(first, None) == 55
    assert Parts([Part()]).advance(Part(), 40) == 40


@pytest.mark.parametrize(
    ("kind", "came", "text"),
    [
        pytest.param("policy", 3, "3 of 4 pictures; the fourth was refused: It shows a person.", id="one refused"),
        pytest.param("lost", 3, "3 of 4 pictures; the fourth failed: It shows a person.", id="one failed"),
        pytest.param("cancelled", 1, "1 of 4 pictures; the other 3 were cancelled: It shows a person.", id="cancelled"),
        pytest.param("lost", 2, "2 of 4 pictures; the other 2 failed: It shows a person.", id="two failed"),
    ],
)
def test_a_shortfall_is_told_in_one_line(kind: str, came: int, text: str) -> None:
    assert shortfall_text(Failure(kind=kind, reason="It shows a person.\nChange the prompt."), came, 4) == text


async def numbers(job: Job, pipeline: PipelineFixture) -> list[int]:
    """The pictures of a job by the number that its drawing has."""
    drawn = {png(number): number for number in range(1, 20)}
    read = [await pipeline.generation.pictures.read(picture.name) for picture in job.pictures]
    return sorted(drawn[data] for data in read if data is not None)


async def test_each_picture_is_asked_for_once_under_one_history_id(tmp_path: Path) -> None:
    upstream = Pencil()
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        job = await pipeline.draw(FOUR)
        assert await numbers(job, pipeline) == [1, 2, 3, 4]
    assert (job.history_id, job.state, job.missing, job.shortfall) == (1, "done", 0, None)
    assert [request.count for request in upstream.asked] == [1, 1, 1, 1]
    assert (job.submitted, job.parameters) == (4, {"count": 4})


async def test_a_service_that_draws_several_is_asked_once(tmp_path: Path) -> None:
    upstream = Pencil(answers=[[Picture(data=png(number)) for number in range(1, 5)]])
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        job = await pipeline.draw(replace(FOUR, native_count=8))
    assert ([request.count for request in upstream.asked], len(job.pictures)) == ([4], 4)


async def test_a_service_that_gives_fewer_than_it_was_asked_for_leaves_a_shortfall(tmp_path: Path) -> None:
    upstream = Pencil(answers=[[Picture(data=png(1)), Picture(data=png(2)), Picture(data=b"no picture")]])
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        job = await pipeline.draw(replace(FOUR, native_count=4))
    assert (job.state, len(job.pictures), job.missing) == ("done", 2, 2)
    assert job.shortfall is not None


async def test_a_mistake_of_ours_in_one_part_leaves_the_others(tmp_path: Path) -> None:
    """Bug: it cancelled them, though they were paid for."""
    upstream = Pencil(answers=[[Picture(data=png(1))], ValueError("a mistake")])
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        job = await pipeline.draw(FOUR)
    assert (job.state, len(job.pictures), job.missing) == ("done", 3, 1)
    assert job.shortfall is not None
    assert job.shortfall.kind == "internal"


async def test_a_part_that_is_refused_leaves_the_others_and_costs_nothing(tmp_path: Path) -> None:
    upstream = Pencil(answers=[[Picture(data=png(1))], POLICY])
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        job = await pipeline.draw(FOUR)
        assert job == replace(await pipeline.job(), delivered_at=None)
        [use] = await pipeline.store.database.read(
            lambda one: one.execute("SELECT pictures, received FROM daily_use").fetchall()
        )
    assert (job.state, len(job.pictures), job.missing, job.submitted) == ("done", 3, 1, 3)
    assert job.shortfall == Failure(kind="policy", reason=str(POLICY))
    assert use == (3, 3), "the refused one does not count for the day"


async def test_each_part_is_tried_again_as_its_own_failure_allows(tmp_path: Path) -> None:
    again = WorkError("Fewer requests.", kind="rate", retries=2, retry_after_s=1)
    upstream = Pencil(answers=[again, [Picture(data=png(11))], again, POLICY])
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        job = await pipeline.draw(FOUR)
    assert (len(upstream.asked), len(job.pictures), job.submitted) == (6, 3, 3)


async def test_no_picture_at_all_is_one_failure_with_the_first_reason(tmp_path: Path) -> None:
    upstream = Pencil(answers=[POLICY, WorkError("Another.", kind="quota"), POLICY, POLICY])
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        job = await pipeline.draw(FOUR)
    assert (job.state, job.shortfall, job.submitted) == ("failed", None, 0)
    assert job.failure is not None
    assert job.failure.kind == "policy"
    assert job.failure.reason.startswith("None of the 4 pictures came, the first for this reason: It shows a person.\n")
    assert "Change the prompt." in job.failure.reason


@dataclass
class Doors(Pencil):
    """Draws each picture when it may."""

    may: list[asyncio.Event] = field(default_factory=lambda: [asyncio.Event() for _ in range(8)])
    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        number = len(self.asked)
        self.asked.append(request)
        await progress("Drawing", 20)
        self.begun.release()
        await self.may[number].wait()
        return [Picture(data=png(number + 1))]


@asynccontextmanager
async def doors(folder: Path) -> AsyncIterator[tuple[PipelineFixture, Doors]]:
    upstream = Doors()
    async with pipeline_fixture(folder, upstream) as pipeline:
        yield pipeline, upstream


async def test_each_picture_is_told_with_its_link_and_shown_as_it_comes(tmp_path: Path) -> None:
    async with doors(tmp_path) as (pipeline, upstream):
        said: list[tuple[str, float | None]] = []

        def hear(message: str, percent: float | None) -> None:
            said.append((message, percent))
            pipeline.moments.pass_(message)

        waiter = Waiter(report=hear, pictures_url="https://easel.example/")
        call = asyncio.create_task(pipeline.generation.generate("anna", FOUR, waiter, upstream="pencil"))
        for number in (3, 1):
            await asyncio.sleep(0)
            waiting = asyncio.create_task(pipeline.moments.wait("Picture"))
            for _ in range(4):
                if upstream.begun.locked():
                    break
                await upstream.begun.acquire()
            upstream.may[number].set()
            await waiting
        job = await pipeline.job()
        assert (job.state, len(job.pictures)) == ("working", 2)
        for event in upstream.may:
            event.set()
        done = (await call).job
    ready = [each for each in said if each[0].startswith("Picture")]
    assert [message for message, _ in ready] == [
        f"Picture {number} of 4 is ready: https://easel.example/{picture.name}"
        for number, picture in enumerate(done.pictures, start=1)
    ]
    percents = [percent or 0 for _, percent in ready]
    assert percents == sorted(percents)
    assert done.pictures[:2] == job.pictures


async def test_a_cancellation_stops_the_rest_and_keeps_what_came(tmp_path: Path) -> None:
    async with doors(tmp_path) as (pipeline, upstream):
        call = asyncio.create_task(pipeline.draw(FOUR))
        upstream.may[0].set()
        await pipeline.moments.wait("Picture 1 of 4 is ready")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        job = await pipeline.job()
        assert (await numbers(job, pipeline), job.state, job.missing) == ([1], "done", 3)
        assert job.shortfall is not None
        assert job.shortfall.kind == "cancelled"
        assert len(upstream.asked) == 4


async def test_the_same_request_joins_and_is_paid_for_once(tmp_path: Path) -> None:
    async with doors(tmp_path) as (pipeline, upstream):
        calls = [asyncio.create_task(ask(pipeline, FOUR)) for _ in range(2)]
        for event in upstream.may:
            event.set()
        outcomes = await asyncio.gather(*calls)
        assert [outcome.job.history_id for outcome in outcomes] == [1, 1]
    assert len(upstream.asked) == 4


@dataclass
class Kiln(Upstream):
    """Takes work in as tasks that go on without us; those in `open` end when they are followed."""

    name: ClassVar[str] = "pencil"
    deadline_s: float = 10.0
    asked: list[ImageRequest] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    followed: list[str] = field(default_factory=list)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        await progress("Handing over", 0)
        self.asked.append(request)
        return RemoteTask(f"vase {len(self.asked)}")

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        self.followed.append(task.id)
        await progress("Burning", 50)
        if task.id not in self.open:
            await asyncio.Event().wait()
        return [Picture(data=png(int(task.id.rpartition(" ")[2])), source=f"https://pics.example/{task.id[-1]}")]

    def describe(self) -> str:
        return "kiln"


async def test_every_task_is_followed_to_its_end_after_a_restart_and_none_is_asked_for_again(tmp_path: Path) -> None:
    """Ours: four tasks, of which two have ended when the process goes. Their pictures are not fetched again."""
    kiln = Kiln(open={"vase 1", "vase 3"})
    async with pipeline_fixture(tmp_path, kiln) as pipeline:
        waiter = Waiter(report=pipeline.hear)
        call = asyncio.create_task(pipeline.generation.generate("anna", FOUR, waiter, upstream="pencil"))
        await pipeline.moments.wait("Picture 2 of 4 is ready")
        await asyncio.sleep(0)
        await pipeline.generation.jobs.close()
        left = (await call).job
    assert (left.state, len(left.pictures)) == ("working", 2)
    assert left.tasks == {0: "vase 1", 1: "vase 2", 2: "vase 3", 3: "vase 4"}
    again = Kiln(open={"vase 1", "vase 2", "vase 3", "vase 4"})
    async with pipeline_fixture(tmp_path, again) as pipeline:
        await pipeline.generation.wait("anna", 1, Waiter())
        job = await pipeline.job()
        assert await numbers(job, pipeline) == [1, 2, 3, 4]
    assert (job.state, again.asked, sorted(again.followed)) == ("done", [], ["vase 2", "vase 4"])


async def test_pictures_that_arrived_before_a_crash_are_kept_and_the_rest_is_said_to_be_missing(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        job = (await pipeline.store.begin("anna", FOUR, "pencil", "f")).job
        job = await pipeline.store.mark_submitted(job, 4)
        stored = KeptPicture(name="a.png", media_type="image/png", width=1, height=1, size=1, part=0)
        job = await pipeline.store.add_pictures(job, [stored])
        await pipeline.generation.worker.keeping.arrivals.keep(job, [Picture(data=b"old news")], 0)
        await pipeline.generation.worker.keeping.arrivals.keep(job, [Picture(data=png(2))], 2)
        await pipeline.store.release(job)
        await pipeline.generation.wait("anna", 1, Waiter())
        ended = await pipeline.job()
    assert [(picture.part, picture.kept) for picture in ended.pictures] == [(0, True), (2, True)]
    assert (ended.state, ended.missing) == ("done", 2)
    assert ended.shortfall is not None
    assert ended.shortfall.kind == "interrupted"


@pytest.mark.parametrize("restarts", [pytest.param(True, id="restart"), pytest.param(False, id="cancellation")])
async def test_a_link_of_a_part_whose_other_picture_is_stored_outlives_an_end(
    tmp_path: Path, *, restarts: bool
) -> None:
    """Bug: one of two pictures of a part could not be downloaded yet, and the way to it was lost with the process."""
    link, here = "https://pics.example/late", "https://pics.example/here"
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        worker = pipeline.generation.worker
        job = (await pipeline.store.begin("anna", FOUR, "pencil", "f")).job
        job = await pipeline.store.mark_submitted(job, 4)
        stored = KeptPicture(name="a.png", media_type="image/png", width=1, height=1, size=1, part=0, source=here)
        job = await pipeline.store.add_pictures(job, [stored])
        came = [Picture(data=b"", source=here), Picture(data=b"", source=link)]
        await worker.keeping.arrivals.keep(job, came, 0)
        if restarts:
            await pipeline.store.release(job)
            [claimed] = await pipeline.store.claim()
            ended = await worker.follow(claimed, pipeline.generation.jobs.resume(("anna", 2), _nothing))
        else:
            ended = await worker.cancel(job)
    assert ended is not None
    assert (ended.state, ended.links) == ("done", (link,))


async def _nothing(_: RunningJob) -> Job | None:
    return None


async def test_a_picture_of_a_part_whose_other_one_is_stored_outlives_a_kill(tmp_path: Path) -> None:
    """Bug: the disk had refused one of two, and the next process took the part, which is paid for, for finished."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        pictures = pipeline.generation.pictures
        job = (await pipeline.store.begin("anna", FOUR, "pencil", "f")).job
        await pipeline.store.mark_submitted(job, 4)
        known = await pictures.keep("anna", Picture(data=png(1)), await pictures.examine("anna", png(1)))
        job = await pipeline.store.add_pictures(job, [known])
        came = [Picture(data=png(number)) for number in (1, 2)]
        await pipeline.generation.worker.keeping.arrivals.keep(job, came, 0)
        await pipeline.store.release(job)
        await pipeline.generation.wait("anna", 1, Waiter())
        ended = await pipeline.job()
        assert await numbers(ended, pipeline) == [1, 2]
    assert (ended.state, ended.missing, [picture.part for picture in ended.pictures]) == ("done", 2, [0, 0])


ALL_FOUR = [[Picture(data=png(number)) for number in range(1, 5)]]


@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        pytest.param(FOUR, [], id="of four parts"),
        pytest.param(replace(FOUR, native_count=2), [ALL_FOUR[0][:2], ALL_FOUR[0][2:]], id="one of two of a part"),
        pytest.param(replace(FOUR, native_count=4), ALL_FOUR, id="one of four of the only part"),
        pytest.param(FOX, ALL_FOUR, id="one of those that were not asked for"),
    ],
)
async def test_what_finds_no_room_while_the_service_stops_is_kept_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: ImageRequest, answers: list[list[Picture] | Exception]
) -> None:
    """Bug: the job ended with the others, and what had arrived of this one, paid for, was removed."""
    kept = Keeping._store

    async def refuse(keeping: Keeping, job: Job, picture: Picture, running: RunningJob) -> tuple[KeptPicture, bytes]:
        if picture.data != png(2):
            return await kept(keeping, job, picture, running)
        keeping.jobs.closing = True
        raise WorkError("The disk is full.", kind="storage")

    async with pipeline_fixture(tmp_path, Pencil(answers=list(answers))) as pipeline:
        with monkeypatch.context() as full:
            full.setattr(Keeping, "_store", refuse)
            await ask(pipeline, request_)
        assert (await pipeline.job()).state == "working"
    upstream = Pencil()
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        await pipeline.generation.wait("anna", 1, Waiter())
        job = await pipeline.job()
        assert await numbers(job, pipeline) == [1, 2, 3, 4]
    assert (job.state, upstream.asked) == ("done", [])


FOX = ImageRequest(model="pencil-1", prompt="a fox", seed=7, loras={"a/b": 0.5, "c/d": 1.0})
CAT = Reference(data=b"cat", name="c" * 32, origin="cat.png of the image folder")
DOG = Reference(data=b"dog", name="d" * 32, origin="an upload")


async def test_the_same_request_has_the_same_fingerprint() -> None:
    """Ours: however its parameters are ordered, and wherever the same reference came from this time."""
    again = ImageRequest(prompt="a fox", loras={"c/d": 1.0, "a/b": 0.5}, seed=7, model="pencil-1")
    assert await fingerprint_of("anna", "pencil", FOX) == await fingerprint_of("anna", "pencil", again)
    one, other = replace(FOX, references=(CAT,)), replace(FOX, references=(replace(CAT, origin="history_id 3"),))
    assert await fingerprint_of("anna", "pencil", one) == await fingerprint_of("anna", "pencil", other)


@pytest.mark.parametrize(
    ("owner", "upstream", "request_"),
    [
        pytest.param("ben", "pencil", FOX, id="another owner"),
        pytest.param("anna", "chalk", FOX, id="another image service"),
        pytest.param("anna", "pencil", replace(FOX, model="pencil-2"), id="another model"),
        pytest.param("anna", "pencil", replace(FOX, prompt="a fox "), id="another prompt"),
        pytest.param("anna", "pencil", replace(FOX, seed=0), id="another seed"),
        pytest.param("anna", "pencil", replace(FOX, loras={"a/b": 0.6, "c/d": 1.0}), id="another weight"),
        pytest.param("anna", "pencil", replace(FOX, variation=2), id="another variation"),
        pytest.param("anna", "pencil", replace(FOX, references=(CAT,)), id="a reference"),
        pytest.param("anna", "pencil", replace(FOX, references=(Reference(url="https://e.example/a?b"),)), id="a URL"),
        pytest.param("anna", "pencil", replace(FOX, references=(Reference(data=b"cat"),)), id="bytes without a name"),
    ],
)
async def test_a_request_that_differs_has_another(owner: str, upstream: str, request_: ImageRequest) -> None:
    """Ours: whoever asks for something else gets something else."""
    assert await fingerprint_of(owner, upstream, request_) != await fingerprint_of("anna", "pencil", FOX)


async def test_a_mask_makes_another_request_and_another_mask_too() -> None:
    """Ours: a picture whose sky changes is not the one whose ground changes, and neither is one without a mask."""
    plain = replace(FOX, references=(CAT,))
    asked = (plain, replace(plain, mask=DOG), replace(plain, mask=CAT), replace(FOX, references=(CAT, DOG)))
    assert len({await fingerprint_of("anna", "pencil", each) for each in asked}) == 4
    told_otherwise = replace(plain, mask=replace(DOG, origin="painted by the person"))
    assert await fingerprint_of("anna", "pencil", asked[1]) == await fingerprint_of("anna", "pencil", told_otherwise)


async def test_the_order_of_references_matters() -> None:
    """Ours: "put the first into the second" is another picture the other way round."""
    one, other = replace(FOX, references=(CAT, DOG)), replace(FOX, references=(DOG, CAT))
    assert await fingerprint_of("anna", "pencil", one) != await fingerprint_of("anna", "pencil", other)


PICTURE = encoded(photo(80, 40))
REGION = Image.new("L", (80, 40))
REGION.paste(255, (0, 0, 20, 20))
MASK = Reference(data=read_mask(encoded(REGION), PICTURE).data, media_type="image/png", name="m.png", origin="painted")


def fox(*references: bytes, rules: ReferenceRules, mask: Reference | None = MASK) -> ImageRequest:
    given = tuple(Reference(data=each, name=f"{number}.png") for number, each in enumerate(references))
    return replace(FOX, references=given, mask=mask, rules=rules)


async def sent(tmp_path: Path, request: ImageRequest) -> ImageRequest:
    """The request as the image service gets it."""
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        job = await pipeline.draw(request)
    assert job.failure is None, job.failure
    [asked] = pencil.asked
    return asked


async def test_a_mask_has_the_size_of_its_picture_as_that_is_sent(tmp_path: Path) -> None:
    """OpenAI API reference, Create image edit: the mask must have the size of the first image."""
    request = await sent(tmp_path, fox(PICTURE, png(2), rules=ReferenceRules(most_pixels=800, mask="alpha")))
    assert request.mask is not None
    first, mask = opened(request.references[0].data), opened(request.mask.data)
    assert (first.size, mask.size) == ((40, 20), (40, 20))
    assert mask.getchannel("A").point(lambda value: 255 - value).getbbox() == (0, 0, 10, 10)
    assert len(request.mask.data) <= MASK_BYTES
    assert len(request.references) == 2
    assert request.prompt == FOX.prompt


async def test_a_picture_with_a_mask_is_a_png_like_it(tmp_path: Path) -> None:
    """OpenAI's image generation guide, Mask requirements: the same format; the other references stay as they are."""
    jpeg_ = encoded(photo(80, 40), "image/jpeg", quality=90)
    request = await sent(tmp_path, fox(jpeg_, jpeg_, rules=ReferenceRules(mask="alpha")))
    assert [each.media_type for each in request.references] == ["image/png", "image/jpeg"]
    assert opened(request.references[0].data).tobytes() == opened(jpeg_).tobytes()
    assert request.references[1].data == jpeg_


async def test_a_marked_region_comes_last_and_with_words(tmp_path: Path) -> None:
    """Ours: the prompt may speak of the second picture, which stays the second."""
    request = await sent(tmp_path, fox(PICTURE, png(2), rules=ReferenceRules(mask="marked")))
    assert request.mask is None
    assert [each.origin for each in request.references][2:] == ["the marked region"]
    assert request.references[0].data == PICTURE
    assert request.prompt.startswith(FOX.prompt)
    assert "The last picture is a copy of the first one, on which a region is marked in" in request.prompt
    marked, before = opened(request.references[2].data).convert("RGB"), opened(PICTURE).convert("RGB")
    assert marked.getpixel((60, 30)) != marked.getpixel((10, 10))
    assert before.size == marked.size


async def test_the_history_keeps_the_prompt_of_the_person(tmp_path: Path) -> None:
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        job = await pipeline.draw(fox(PICTURE, rules=ReferenceRules(mask="marked")))
    assert (job.prompt, job.parameters["mask"]) == (FOX.prompt, "painted")
    assert "rules" not in job.parameters


async def test_the_types_of_the_model_go_before_those_of_its_service(tmp_path: Path) -> None:
    webp = encoded(corner_marked(40, 80), "image/webp", lossless=True)
    request = await sent(tmp_path, fox(webp, rules=ReferenceRules(types=("image/png",)), mask=None))
    assert request.references[0].media_type == "image/png"
    (tmp_path / "again").mkdir()
    kept = await sent(tmp_path / "again", fox(webp, rules=ReferenceRules(), mask=None))
    assert kept.references[0].media_type == "image/webp"


async def test_a_reference_is_converted_once_for_equal_rules(tmp_path: Path) -> None:
    """Ours: several requests for one call, retries and the next call start from the same bytes."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        pictures, rules = pipeline.generation.pictures, ReferenceRules(types=("image/jpeg",), most_pixels=500)
        one, other = [await prepared(pictures, "anna", fox(PICTURE, rules=rules, mask=None), ()) for _ in range(2)]
        assert one.references[0].data is other.references[0].data
        smaller = await prepared(pictures, "anna", fox(PICTURE, rules=replace(rules, most_pixels=200), mask=None), ())
        assert opened(smaller.references[0].data).size < opened(one.references[0].data).size


async def test_a_mask_that_is_damaged_ends_the_job_before_it_costs_anything(tmp_path: Path) -> None:
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        cut = replace(MASK, data=MASK.data[:40])
        job = await pipeline.draw(fox(PICTURE, rules=ReferenceRules(mask="alpha"), mask=cut))
    assert pencil.asked == []
    assert job.failure is not None
    assert job.failure.reason == "The mask (painted) is damaged or cut short. Nothing was charged."
