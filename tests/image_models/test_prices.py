"""The prices in a models file."""

import json
from typing import Any

import pytest

from service.costs import Price
from service.image_models.models import ModelsError, read_list

CASES = [
    {"quality": "low", "cost": 0.01},
    {"quality": "high", "size": "1024x1024", "cost": 0.17},
    {"resolution": "2K", "cost": 0.1},
    {"cost": 0.04},
]
TABLE = {"tokens": {"input": 5, "image_input": 8, "output": 30, "picture": 0.05}, "cases": {"picture": CASES}}


def price(entry: dict[str, Any], arguments: dict[str, Any] | None = None, **file: Any) -> Price:
    models = read_list(json.dumps({"models": [{"id": "m", **entry}], "prices": TABLE, **file}).encode())
    return models.by_id["m"].price_of(arguments or {})


@pytest.mark.parametrize(
    ("arguments", "cost"),
    [
        ({}, 0.04),
        ({"quality": "low"}, 0.01),
        ({"quality": "low", "size": "1024x1024"}, 0.01),
        ({"quality": "high"}, 0.04),
        ({"quality": "high", "size": "1024x1024"}, 0.17),
    ],
)
def test_the_first_case_that_fits_is_the_price_of_a_picture(arguments: dict[str, Any], cost: float) -> None:
    assert price({"price": "cases"}, arguments) == Price(picture=cost)


def test_a_price_is_a_number_a_name_or_an_object() -> None:
    assert price({"price": 0.04}) == Price(picture=0.04)
    assert price({"price": "tokens"}) == Price(picture=0.05, input=5, image_input=8, output=30)
    assert price({"price": {"picture": 1, "currency": "EUR", "//": "by me"}}) == Price(picture=1, currency="EUR")
    assert price({}) == Price()


def test_a_file_names_the_currency_of_all_its_prices() -> None:
    assert price({"price": 0.04}, currency="CNY") == Price(picture=0.04, currency="CNY")
    assert price({"price": "tokens"}, currency="CNY").currency == "CNY"


def test_an_id_with_an_ending_has_the_price_of_what_it_always_draws() -> None:
    """Ours: who names the 2K id pays for 2K, though the call asks for no resolution."""
    entry = {"aspect_ratios": {"1:1": "-square"}, "resolutions": {"1K": "", "2K": "-2k"}, "price": "cases"}
    file = {"models": [{"id": "m", **entry}], "prices": TABLE}
    models = read_list(json.dumps(file).encode())
    assert models.by_id["m-square-2k"].price_of({}).picture == 0.1
    assert models.by_id["m-square"].price_of({}).picture == 0.04


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (0.04, "about 0.04 USD a picture"),
        ("cases", "about 0.01 to 0.17 USD a picture"),
        ({"output": 30, "currency": "EUR"}, "30 EUR a million tokens that are drawn"),
        (0, ""),
    ],
)
def test_a_price_is_told_in_words(entry: object, words: str) -> None:
    models = read_list(json.dumps({"models": [{"id": "m", "price": entry}], "prices": TABLE}).encode())
    assert models.by_id["m"].prices.text == words


def test_the_dearest_request_is_known() -> None:
    models = read_list(json.dumps({"models": [{"id": "m", "price": "cases"}], "prices": TABLE}).encode())
    assert models.by_id["m"].prices.highest.picture == 0.17


@pytest.mark.parametrize(
    ("file", "words"),
    [
        pytest.param({"price": "nobody"}, '"price" of m must be a number', id="a name that is not there"),
        pytest.param({"price": {"picure": 1}}, "'picure'", id="a slip of a key"),
        pytest.param({"price": {"output": "30"}}, "output must be a number", id="tokens as text"),
        pytest.param({"price": {"currency": "dollars"}}, "three capital letters", id="a currency in words"),
        pytest.param({"price": {"picture": [1]}}, 'must be an object with "cost"', id="a case without a cost"),
        pytest.param({"price": {"picture": [{"pixels": "1", "cost": 1}]}}, "'pixels'", id="a case of no argument"),
    ],
)
def test_a_wrong_price_is_named_with_what_is_right(file: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelsError, match=words):
        price(file)


@pytest.mark.parametrize("prices", [[], {"x": "tokens2"}, {"x": {"picture": -1}}, {"x": "x"}])
def test_a_wrong_table_is_named(prices: object) -> None:
    with pytest.raises(ModelsError, match='"prices"'):
        price({}, prices=prices)
