"""Rows read as jobs: what has a place of its own in a `Job`. That stores give these columns is in the tests of each."""

from service.costs import Usage
from service.images import Failure, JobState, KeptPicture, Parent
from service.storage.records.job_rows import picture_row, read_job, read_picture

PICTURE = KeptPicture(name="a.png", media_type="image/png", width=2, height=3, size=4, note="n", source="s", part=1)


def row(state: str = "done", kind: str | None = None, cost: float | None = None, tokens: int = 0) -> list[object]:
    failed = [kind, kind and "No."]
    head = [7, "ann", state, "m", "p", 1.0, 2.0, *failed, '["https://a/1"]', '{"seed": 1}', "kiln"]
    return [*head, '{"1": "b", "0": "a"}', 1, 3.0, cost, "EUR", 1, tokens, 0]


def test_a_picture_is_read_as_it_was_written() -> None:
    assert read_picture([*picture_row(PICTURE), True]) == PICTURE


def test_texts_of_json_are_read() -> None:
    job = read_job(row(), (PICTURE,), (Parent(history_id=3),))
    assert (job.parameters, job.links, list(job.tasks.items())) == ({"seed": 1}, ("https://a/1",), [(0, "a"), (1, "b")])
    assert (job.state, job.pictures, job.parents) == (JobState.DONE, (PICTURE,), (Parent(history_id=3),))


def test_the_failure_of_a_job_that_is_not_failed_is_its_shortfall() -> None:
    why = Failure(kind="policy", reason="No.")
    failed, done = (read_job(row(state, "policy"), (), ()) for state in ("failed", "done"))
    assert (failed.failure, failed.shortfall, done.failure, done.shortfall) == (why, None, None, why)


def test_a_use_is_there_where_something_is_known() -> None:
    assert read_job(row(), (), ()).usage is None
    assert read_job(row(cost=0.5), (), ()).usage == Usage(cost=0.5, currency="EUR", estimated=True)
    assert read_job(row(tokens=5), (), ()).usage == Usage(currency="EUR", estimated=True, input_tokens=5)
