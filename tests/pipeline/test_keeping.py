"""Pictures that were drawn and are kept: each that is one, and what is said of the others."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from service.costs import Drawn
from service.images import Failure, Job, JobState, KeptPicture, Picture
from service.pipeline.keeping import arrivals_left
from tests.emulators.pictures import png
from tests.pipeline_fixture import FOX, Pencil, WatchedStore, files_in, pipeline_fixture
from tests.stores import picture


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
        async def finish(
            self,
            job: Job,
            pictures: Sequence[KeptPicture],
            links: Sequence[str] = (),
            shortfall: Failure | None = None,
            drawn: Drawn | None = None,
        ) -> Job:
            for path in files_in(tmp_path):
                path.unlink()
            return await super().finish(job, pictures, links, shortfall, drawn)

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
    ("entered", "arrived", "left"),
    [
        pytest.param([], ["", "a"], ["", "a"], id="nothing in the row"),
        pytest.param(["a"], ["a", "b"], ["b"], id="one of two in the row"),
        pytest.param(["a"], ["b"], ["b"], id="the other one, written down anew by a start that was killed"),
        pytest.param([""], ["", ""], ["", ""], id="one without a URL, which its bytes tell"),
        pytest.param(["", ""], ["", ""], [], id="all of those without a URL"),
        pytest.param(["", "a"], ["", "a", "b"], ["b"], id="some with a URL and some without"),
    ],
)
def test_what_has_arrived_and_is_not_in_the_row(entered: list[str], arrived: list[str], left: list[str]) -> None:
    """Ours: after two crashes, too, nothing that is paid for is taken for stored."""
    pictures = tuple(replace(picture(f"{at}.png"), source=each, part=2) for at, each in enumerate(entered))
    job = Job(
        history_id=1, owner="anna", state=JobState.WORKING, model="m", prompt="a fox", created_at=0, pictures=pictures
    )
    came = [Picture(data=b"", source=each) for each in arrived]
    found = arrivals_left(job, {2: came})
    assert [each.source for each in found.get(2, [])] == left
