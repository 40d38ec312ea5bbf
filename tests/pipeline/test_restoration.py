"""Pictures whose bytes were removed come back from their image service, where it still has them."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from service.images import Job, JobState, Picture, WorkError
from service.tools.results import describe
from tests.emulators.pictures import png
from tests.pipeline_fixture import Gated, Pencil, ask, files_in, gated, id_of, pipeline_fixture


async def test_a_picture_whose_bytes_are_gone_comes_back_from_its_image_service(tmp_path: Path) -> None:
    """Ours: the disk made room for others; nothing is paid for that."""
    async with gated(tmp_path) as (pipeline, upstream):
        made = await ask(pipeline)
        await remove(tmp_path)
        shown = await pipeline.generation.show("anna", id_of(made))
        assert shown is not None
        assert shown.preview == made.preview
        [path] = files_in(tmp_path)
        assert (path.name, path.read_bytes()) == (shown.job.pictures[0].name, png(1))
    assert (upstream.fetched, len(upstream.asked)) == (["https://pics.example/1"], 1)
    assert shown.job.pictures[0].kept


async def test_a_picture_that_comes_back_takes_its_place_like_a_new_one(tmp_path: Path) -> None:
    """Bug: who looked at old pictures filled the disk beyond its limits."""
    told: list[tuple[int, list[bool]]] = []

    async def ended(job: Job) -> None:
        told.append((job.history_id, [picture.kept for picture in job.pictures]))

    async with gated(tmp_path) as (pipeline, _):
        made = await ask(pipeline)
        await remove(tmp_path)
        restoration = replace(pipeline.generation.restoration, ended=ended)
        await replace(pipeline.generation, restoration=restoration).show("anna", id_of(made))
    assert told == [(1, [True])]


async def test_a_picture_that_is_gone_for_good_is_said_to_be(tmp_path: Path) -> None:
    async with gated(tmp_path) as (pipeline, upstream):
        upstream.there = False
        made = await ask(pipeline)
        await remove(tmp_path)
        shown = await pipeline.generation.show("anna", id_of(made))
    assert shown is not None
    assert shown.preview is None
    assert not shown.job.pictures[0].kept


async def test_a_picture_that_does_not_come_back_in_time_is_not_waited_for(tmp_path: Path) -> None:
    """Bug: a minute long, while the client gave up after 45 seconds."""

    class Stuck(Gated):
        async def fetch_again(self, source: str) -> bytes:
            self.fetched.append(source)
            await asyncio.Event().wait()
            return b""

    upstream = Stuck()
    upstream.may_draw.set()
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        made = await ask(pipeline)
        await remove(tmp_path)
        async with asyncio.timeout(60):
            shown = await pipeline.generation.show("anna", id_of(made), patience_s=0.02)
    assert shown is not None
    assert not shown.job.pictures[0].kept
    assert upstream.fetched == ["https://pics.example/1"]


async def test_a_picture_of_a_job_that_is_deleted_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    """Bug: an internal error, and the bytes were behind their link again."""

    class Deleting(Gated):
        async def fetch_again(self, source: str) -> bytes:
            await pipeline.store.delete("anna", 1)
            return await super().fetch_again(source)

    upstream = Deleting()
    upstream.may_draw.set()
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        made = await ask(pipeline)
        await remove(tmp_path)
        await pipeline.store.forget_files([made.job.pictures[0].name])
        shown = await pipeline.generation.show("anna", id_of(made))
        assert shown is not None
        assert shown.preview is None
        assert await pipeline.generation.show("anna", id_of(made)) is None
    assert files_in(tmp_path) == []


async def test_a_picture_that_nobody_got_and_that_is_gone_is_drawn_again(tmp_path: Path) -> None:
    async with gated(tmp_path) as (pipeline, upstream):
        upstream.there = False
        await ask(pipeline)
        await remove(tmp_path)
        again = await ask(pipeline)
    assert (id_of(again), again.joined, len(upstream.asked)) == (2, False, 2)


def not_downloaded() -> WorkError:
    """The failure of a picture that was paid for, and whose URL leads nowhere yet."""
    error = WorkError("It could not be downloaded.", kind="download", may_be_charged=True)
    return error.keeping(links=["https://pics.example/7"])


async def test_a_picture_that_could_not_be_downloaded_is_fetched_when_it_is_asked_for(tmp_path: Path) -> None:
    """Bug: its URL was good two seconds later, and nobody knew it any more: the picture was paid for in vain."""
    async with gated(tmp_path) as (pipeline, upstream):
        upstream.answers, upstream.there = [not_downloaded()], False
        made = await ask(pipeline)
        assert made.job.state is JobState.FAILED
        early = await pipeline.generation.show("anna", id_of(made))
        assert early is not None
        assert early.job == made.job
        upstream.there = True
        shown = await pipeline.generation.show("anna", id_of(made))
        assert shown is not None
        again = await pipeline.generation.show("anna", id_of(made))
        assert again is not None
    assert (shown.job.state, shown.job.failure, again.job) == (JobState.DONE, None, shown.job)
    assert [path.read_bytes() for path in files_in(tmp_path)] == [png(7)]
    assert (len(upstream.asked), upstream.fetched) == (1, ["https://pics.example/7"] * 2)


async def test_the_same_request_gets_the_picture_that_could_not_be_downloaded(tmp_path: Path) -> None:
    """Bug: it was drawn anew, and paid for twice, though its URL was good by then."""
    async with gated(tmp_path) as (pipeline, upstream):
        upstream.answers, upstream.there = [not_downloaded()], False
        made = await ask(pipeline)
        upstream.there = True
        again = await ask(pipeline)
    assert (id_of(again), again.joined, again.job.state) == (id_of(made), True, JobState.DONE)
    assert len(upstream.asked) == 1


async def test_the_same_request_is_drawn_anew_where_the_url_leads_nowhere(tmp_path: Path) -> None:
    async with gated(tmp_path) as (pipeline, upstream):
        upstream.answers, upstream.there = [not_downloaded()], False
        made = await ask(pipeline)
        again = await ask(pipeline)
    assert (id_of(again), again.joined, again.job.state) == (id_of(made) + 1, False, JobState.DONE)
    assert len(upstream.asked) == 2


async def test_a_picture_that_could_not_be_downloaded_can_be_started_from(tmp_path: Path) -> None:
    async with gated(tmp_path) as (pipeline, upstream):
        upstream.answers = [not_downloaded()]
        made = await ask(pipeline)
        found = await pipeline.generation.picture("anna", id_of(made), 1)
        assert found is not None
        assert found[1] == png(7)
        assert await pipeline.generation.picture("bob", id_of(made), 1) is None


async def test_a_failed_job_that_is_deleted_meanwhile_leaves_no_file(tmp_path: Path) -> None:
    class Deleting(Gated):
        async def fetch_again(self, source: str) -> bytes:
            await pipeline.store.delete("anna", 1)
            return await super().fetch_again(source)

    upstream = Deleting(answers=[not_downloaded()])
    upstream.may_draw.set()
    async with pipeline_fixture(tmp_path, upstream) as pipeline:
        made = await ask(pipeline)
        with pytest.raises(WorkError) as raised:
            await pipeline.generation.show("anna", id_of(made))
    assert (raised.value.kind, files_in(tmp_path)) == ("deleted", [])


async def test_the_task_of_a_service_that_is_not_followed_is_kept_with_the_failure(tmp_path: Path) -> None:
    """Ours: the person can look for the picture by it."""
    async with gated(tmp_path) as (pipeline, upstream):
        upstream.answers = [WorkError("Taken in.", kind="accepted", may_be_charged=True).keeping(task="t-7")]
        made = await ask(pipeline)
    assert (made.job.state, made.job.task) == (JobState.FAILED, "t-7")


def two_of_three() -> list[Picture]:
    """An answer with three pictures, of which one could not be downloaded."""
    return [Picture(data=png(1)), Picture(data=b"", source="https://pics.example/7"), Picture(data=png(2))]


async def test_one_of_several_that_could_not_be_downloaded_is_fetched_when_it_is_looked_at(tmp_path: Path) -> None:
    """Bug: the URL of the one that was missing was forgotten, though it was paid for like the others."""
    async with pipeline_fixture(tmp_path, several := Several()) as pipeline:
        made = await ask(pipeline)
        assert (made.job.state, len(made.job.pictures), made.job.links) == (
            JobState.DONE,
            2,
            ("https://pics.example/7",),
        )
        assert "1 more of its pictures are paid for" in describe(made.job, "http://pics/")
        several.there = False
        early = await pipeline.generation.show("anna", id_of(made))
        assert early is not None
        assert early.job == made.job
        several.there = True
        shown = await pipeline.generation.show("anna", id_of(made), chosen=3)
        assert shown is not None
    assert [each.source for each in shown.job.pictures] == ["", "", "https://pics.example/7"]
    assert (shown.job.links, shown.job.finished_at) == ((), made.job.finished_at)
    assert sorted(path.read_bytes() for path in files_in(tmp_path)) == sorted(png(number) for number in (1, 2, 7))


async def test_the_same_request_gets_the_rest_also_after_its_first_part_was_delivered(tmp_path: Path) -> None:
    """Ours: a request counts as delivered once all that is paid for has reached its client."""
    async with pipeline_fixture(tmp_path, several := Several()) as pipeline:
        first = await pipeline.draw()
        await pipeline.generation.jobs.close()
        pipeline.generation.jobs.closing = False
        again = await ask(pipeline)
    assert (id_of(again), again.joined, len(again.job.pictures)) == (first.history_id, True, 3)
    assert len(several.asked) == 1


async def test_the_same_request_is_drawn_anew_where_the_rest_is_not_to_be_had(tmp_path: Path) -> None:
    async with pipeline_fixture(tmp_path, several := Several()) as pipeline:
        first = await pipeline.draw()
        several.there = False
        again = await ask(pipeline)
    assert (id_of(again), again.joined, len(several.asked)) == (first.history_id + 1, False, 2)


async def test_of_two_that_are_missing_the_one_that_comes_is_not_fetched_twice(tmp_path: Path) -> None:
    links = ["https://pics.example/7", "https://pics.example/gone"]
    answer = [Picture(data=png(1)), *(Picture(data=b"", source=link) for link in links)]
    async with pipeline_fixture(tmp_path, several := Several(answers=[answer])) as pipeline:
        made = await ask(pipeline)
        for _ in range(2):
            shown = await pipeline.generation.show("anna", id_of(made))
            assert shown is not None
            assert (len(shown.job.pictures), shown.job.links) == (2, ("https://pics.example/gone",))
    assert several.fetched == ["https://pics.example/7", "https://pics.example/gone", "https://pics.example/gone"]


@dataclass
class Several(Pencil):
    """Draws three pictures, has the missing one under its URL for as long as it is `there`."""

    answers: list[list[Picture] | Exception] = field(default_factory=lambda: [two_of_three()])
    there: bool = True
    fetched: list[str] = field(default_factory=list)

    async def fetch_again(self, source: str) -> bytes:
        self.fetched.append(source)
        if not self.there or source.endswith("gone"):
            raise WorkError("It is not there any more.", kind="gone")
        return png(int(source.rpartition("/")[2]))


async def remove(folder: Path) -> None:
    """Lose the picture's bytes behind the service's back."""
    [path] = files_in(folder)
    await asyncio.to_thread(path.unlink)
