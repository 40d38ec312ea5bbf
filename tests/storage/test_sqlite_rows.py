"""Rows and values: what went in comes out. That whole jobs do is in the tests of the store."""

from dataclasses import replace

from service.images import Failure, Job, JobState, KeptPicture, Parent
from service.storage.sqlite_rows import picture_row, read_job, read_picture

PICTURE = KeptPicture(
    name="a.png", media_type="image/png", width=3, height=2, size=1000, note="1K", source="https://a.example/b"
)
PARENT = Parent(history_id=3, picture=2)
ROW = (7, "ann", "failed", "m", "p", 1.0, 2.5, "policy", "No.", '{"seed": 1}', "kiln", "t", 1, 4.5)
JOB = Job(
    history_id=7, owner="ann", state=JobState.FAILED, model="m", prompt="p", created_at=1.0, finished_at=2.5,
    pictures=(PICTURE,), failure=Failure(kind="policy", reason="No."), parameters={"seed": 1},
    upstream="kiln", task="t", submitted=True, delivered_at=4.5, parents=(PARENT,),
)  # fmt: skip


def test_a_picture_comes_back_as_it_went() -> None:
    owner, position, *rest = picture_row(JOB, 4, PICTURE)
    assert (owner, position) == (7, 4)
    assert read_picture([*rest, 1]) == PICTURE


def test_a_picture_whose_file_is_gone_is_not_kept() -> None:
    _, _, *rest = picture_row(JOB, 0, PICTURE)
    assert read_picture([*rest, 0]) == replace(PICTURE, kept=False)


def test_a_job_has_every_column() -> None:
    assert read_job(ROW, (PICTURE,), (PARENT,)) == JOB


def test_a_job_without_a_failure_has_none() -> None:
    assert read_job((*ROW[:7], None, None, *ROW[9:]), (), ()).failure is None
