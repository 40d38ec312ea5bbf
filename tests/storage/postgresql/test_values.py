"""Values on their way into the database."""

import math

import pytest

from service.storage.postgresql.values import LARGEST_INTEGER, dumped, loaded, plain, within_range


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b", "a�b"),
        ("\\u0000", "\\u0000"),
        ("\\\0", "\\�"),
        ("\\\\u0000 \0\0", "\\\\u0000 ��"),
        ("猫 🐈 \n", "猫 🐈 \n"),
    ],
)
def test_a_nul_is_replaced_and_nothing_else(text: str, kept: str) -> None:
    """Ours: the database takes no NUL, and a picture that was paid for is worth more."""
    assert loaded(dumped({"text": text})) == {"text": kept}


def test_no_limit_is_null() -> None:
    assert dumped([math.inf, 0.1]) == "[null,0.1]"


def test_numbers_stay_within_the_range_of_a_row() -> None:
    assert [within_range(number) for number in (-1, 7, 10**30)] == [0, 7, LARGEST_INTEGER]


def test_a_text_with_a_nul_equals_none() -> None:
    assert (plain("ann\0"), plain("ann")) == ("ann�", "ann")
