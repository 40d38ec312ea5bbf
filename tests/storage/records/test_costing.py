"""Costs of an answer, in the place of those that were expected of a job."""

import json

from service.costs import FREE, Drawn, Price, Usage
from service.storage.records.costing import Priced, rates_of, settle

TOKENS = Price(currency="EUR", picture=0.1, input=1.0, image_input=2.0, output=4.0)


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
