"""The numbers of taken-over jobs: their own where it is free, and never one that was given before."""

from service.images import Job, JobState
from service.storage.imports import numbered


def job(number: int) -> Job:
    return Job(history_id=number, owner="ann", state=JobState.DONE, model="m", prompt=str(number), created_at=1.0)


def test_free_numbers_stay_and_the_others_follow_behind_all() -> None:
    """Ours: rows have the order of their numbers, so that pages neither skip nor repeat one."""
    entering = numbered(2, [job(7), job(1), job(4), job(2)])
    assert [(number, each.prompt) for number, each in entering.jobs] == [(4, "4"), (7, "7"), (8, "1"), (9, "2")]
    assert (entering.renumbered, entering.newest) == ({1: 8, 2: 9}, 9)


def test_without_jobs_the_newest_number_stays() -> None:
    entering = numbered(5, [])
    assert (entering.jobs, entering.renumbered, entering.newest) == ([], {}, 5)
