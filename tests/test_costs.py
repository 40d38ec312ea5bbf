"""Prices, what a service used, and the words for both."""

import pytest

from service.costs import FREE, DailyCost, Price, Usage, amount, cost_text, sums_text

TOKENS = Price(currency="USD", picture=0.05, input=5, image_input=8, output=30)


@pytest.mark.parametrize(
    ("price", "usage", "pictures", "settled"),
    [
        pytest.param(TOKENS, Usage(cost=0.2, currency="EUR"), 3, Usage(cost=0.2, currency="EUR"), id="told"),
        pytest.param(TOKENS, Usage(cost=0.0), 1, Usage(cost=0.0), id="told to be free"),
        pytest.param(Price(picture=0.04), None, 3, Usage(cost=0.12, estimated=True), id="by the picture"),
        pytest.param(
            Price(picture=0.04, currency="CNY"), None, 1, Usage(cost=0.04, currency="CNY", estimated=True), id="in yuan"
        ),
        pytest.param(
            TOKENS,
            Usage(input_tokens=1000, output_tokens=2000),
            1,
            Usage(input_tokens=1000, output_tokens=2000, cost=0.065, estimated=True),
            id="by tokens",
        ),
        pytest.param(
            TOKENS,
            Usage(input_tokens=1000, image_tokens=600, output_tokens=2000),
            1,
            Usage(input_tokens=1000, image_tokens=600, output_tokens=2000, cost=0.0668, estimated=True),
            id="by tokens with references",
        ),
        pytest.param(
            Price(picture=0.04),
            Usage(input_tokens=9, output_tokens=9),
            2,
            Usage(input_tokens=9, output_tokens=9, cost=0.08, estimated=True),
            id="tokens without a price",
        ),
        pytest.param(FREE, Usage(input_tokens=9), 2, Usage(input_tokens=9), id="tokens alone"),
        pytest.param(FREE, None, 2, None, id="nothing"),
    ],
)
def test_the_cost_that_was_told_counts_before_any_estimate(
    price: Price, usage: Usage | None, pictures: int, settled: Usage | None
) -> None:
    found = price.settle(usage, pictures)
    assert (found and found.cost) == pytest.approx(settled and settled.cost)
    assert (found and found.structure.keys()) == (settled and settled.structure.keys())
    assert (found and (found.estimated, found.currency)) == (settled and (settled.estimated, settled.currency))


def test_costs_of_two_currencies_are_never_added_up() -> None:
    assert (Usage(cost=1, currency="USD") + Usage(cost=1, currency="CNY")).cost is None
    assert (Usage(cost=1, currency="USD") + Usage(input_tokens=2)) == Usage(cost=1, input_tokens=2)
    assert (Usage(cost=1, currency="CNY") + Usage(cost=2, currency="CNY", estimated=True)) == Usage(
        cost=3, currency="CNY", estimated=True
    )


@pytest.mark.parametrize(
    ("cost", "words"),
    [(0, "0.00"), (0.04, "0.04"), (0.0672, "0.067"), (0.5, "0.50"), (12.345, "12.35"), (0.00005, "under 0.0001")],
)
def test_an_amount_is_read_as_money(cost: float, words: str) -> None:
    assert amount(cost) == words


def test_a_cost_has_three_words() -> None:
    assert cost_text(Usage(cost=0.04)) == "cost 0.04 USD"
    assert cost_text(Usage(cost=0.04, currency="CNY", estimated=True)) == "about 0.04 CNY"
    assert cost_text(Usage(output_tokens=3)) == ""
    assert cost_text(None) == ""


def test_sums_stand_side_by_side() -> None:
    assert sums_text({"USD": (1.5, 0.0), "CNY": (3.0, 1.0)}) == "1.50 USD, about 3.00 CNY"


def test_a_day_has_its_date() -> None:
    cost = DailyCost(day=20_785, owner="ann", model="m", currency="USD", cost=0.12, estimated=0.12)
    assert (cost.date, cost.text) == ("2026-11-28", "about 0.12 USD")
