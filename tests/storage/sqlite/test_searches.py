"""Queries as expressions of FTS5."""

import pytest

from service.storage.sqlite.searches import match_expression


@pytest.mark.parametrize(("query", "asked"), [
    pytest.param("red fox", '"red" AND ("fox"*)', id="the last word may go on"),
    pytest.param("red fox ", '"red" AND "fox"', id="unless something follows"),
    pytest.param("re", '"re"', id="a very short word is whole"),
    pytest.param("红", '"红"', id="one character"),
    pytest.param("红狐狸", '"红狐 狐狸"', id="several are a phrase"),
    pytest.param("กิน", '"กิน"', id="two graphemes are a pair"),
    pytest.param("บิल", '"บิ" AND "ल"', id="scripts do not mix in a word"),
    pytest.param("बिल्ली", '("बिल्ली"*)', id="marks stay in their word"),
    pytest.param("fox 红狐 fox a", '"fox" AND "红狐" AND "a"', id="a word twice is asked for once"),
    pytest.param('"red" AND -fox* NEAR(x', '"red" AND "and" AND "fox" AND "near" AND "x"', id="no operators"),
])  # fmt: skip
def test_queries_ask_for_every_word(query: str, asked: str) -> None:
    assert match_expression(query, lambda _: None) == asked


@pytest.mark.parametrize(("query", "words", "asked"), [
    pytest.param("red lights", ["lights", "lightship"], '"red" AND ("lights" OR "lightship")', id="each of its words"),
    pytest.param("lights", [], None, id="no prompt has one"),
    pytest.param("lights", None, '("lights"*)', id="very many"),
    pytest.param("light", [], '("light"*)', id="the index has a list of it"),
    pytest.param("lights ", [], '"lights"', id="a whole word"),
])  # fmt: skip
def test_a_longer_beginning_is_asked_for_by_its_words(query: str, words: list[str] | None, asked: str | None) -> None:
    """Ours: an index merges all lists of a beginning before it finds one row, which takes long for a frequent word."""
    assert match_expression(query, lambda _: words) == asked


@pytest.mark.parametrize("query", ["", " ", "!?", "🐈", "\0", '"', "\u064e", "\u200d"])
def test_a_query_without_a_word_asks_for_nothing(query: str) -> None:
    assert match_expression(query, lambda _: None) is None
