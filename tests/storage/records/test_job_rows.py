"""Rows read as jobs: what has a place of its own in a `Job`; and costs of an answer, in the place of those expected.

That stores give these columns is in the tests of each.
"""

import json

from service.costs import FREE, Drawn, Price, Usage
from service.images import Failure, JobState, KeptPicture, Parent
from service.storage.records.job_rows import Priced, picture_row, rates_of, read_job, read_picture, settle

PICTURE = KeptPicture(name="a.png", media_type="image/png", width=2, height=3, size=4, note="n", source="s", part=1)
TOKENS = Price(currency="EUR", picture=0.1, input=1.0, image_input=2.0, output=4.0)


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


def priced(picture: float = 0.1, rates: str = "{}", asked: int = 2, cost: float | None = None) -> Priced:
    return Priced(picture, "EUR", rates, asked, cost, "EUR", estimated=False, input_tokens=1, output_tokens=2)


def test_of_an_answer_without_cost_and_price_nothing_is_known() -> None:
    assert settle(priced(picture=0), Drawn(pictures=1)) is None


def test_a_told_cost_takes_the_place_of_the_price() -> None:
    settled = settle(priced(cost=0.5), Drawn(pictures=1, usage=Usage(cost=0.04, currency="EUR", output_tokens=5)))
    assert settled is not None
    assert (settled.costed, settled.added.cost, settled.added.estimated) == (1, 0.04, False)
    assert (settled.whole.cost, settled.whole.input_tokens, settled.whole.output_tokens) == (0.54, 1, 7)


def test_more_pictures_than_were_asked_for_are_estimated_at_no_more() -> None:
    settled = settle(priced(asked=2), Drawn(pictures=3))
    assert settled is not None
    assert (settled.costed, settled.added) == (3, Usage(cost=0.2, currency="EUR", estimated=True))


def test_tokens_count_by_the_rates_of_the_row() -> None:
    assert json.loads(rates_of(TOKENS)) == {"input": 1.0, "image_input": 2.0, "output": 4.0}
    assert rates_of(FREE) == "{}"
    drawn = Drawn(pictures=1, usage=Usage(input_tokens=1_000_000, output_tokens=500_000))
    settled = settle(priced(rates=rates_of(TOKENS)), drawn)
    assert settled is not None
    assert settled.added.cost == 3.0


def test_tokens_without_a_price_are_kept() -> None:
    settled = settle(priced(picture=0), Drawn(pictures=1, usage=Usage(output_tokens=5)))
    assert settled is not None
    assert (settled.costed, settled.added.cost, settled.whole.output_tokens) == (0, None, 7)
