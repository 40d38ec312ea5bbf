"""Ours: words choose generations and crowds, and each has its size and its way."""

import pytest

from benchmarks.generations import CROWDS, KINDS, chosen, parts


@pytest.mark.parametrize(
    ("words", "kinds", "crowds"),
    [
        ([], len(KINDS), len(CROWDS)),
        (["generate 4.2"], 2, 0),
        (["base64"], 2, 3),
        (["crowd 500"], 0, 1),
        (["history"], 0, 0),
    ],
)
def test_words_choose_what_is_made(words: list[str], kinds: int, crowds: int) -> None:
    found = chosen(words)
    assert (len(found[0]), len(found[1])) == (kinds, crowds)


def test_each_kind_has_its_size_and_its_way() -> None:
    assert [parts(kind) for kind in KINDS[:2]] == [("1.1 MB", "by URL"), ("1.1 MB", "base64")]
