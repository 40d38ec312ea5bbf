"""Prompts and queries as words. That the index finds them is in the tests of the search."""

import pytest

from service.storage.sqlite_words import match_expression, owner_word, search_text


@pytest.mark.parametrize(("prompt", "words"), [
    pytest.param("A Fox, in the SNOW!", "a fox in the snow", id="words"),
    pytest.param("一只猫", "一只 只猫 一 只 猫", id="pairs, then each character"),
    pytest.param("猫", "猫", id="one character"),
    pytest.param("猫猫 a 猫", "猫猫 a 猫", id="a character twice stands behind once"),
    pytest.param("a猫cat。黑狗", "a cat 黑狗 猫 黑 狗", id="both kinds without a space"),
    pytest.param("ねこ 고양이", "ねこ 고양 양이 ね こ 고 양 이", id="kana and Hangul"),
    pytest.param("ＣＡＴ ﾈｺ", "cat ネコ ネ コ", id="full and half width"),
    pytest.param("Café Straße e\u0301", "cafe strasse e", id="accents and sharp s"),
    pytest.param("パ・ガ", "パ ガ", id="voiced kana stay, and the middle dot separates"),
    pytest.param("snow_white 16:9 v2.0", "snow white 16 9 v2 0", id="numbers and underscores"),
    pytest.param("𠮷野", "𠮷野 𠮷 野", id="beyond the basic plane"),
    pytest.param("\0'\"*()-+^🐈", "", id="nothing but signs"),
])  # fmt: skip
def test_prompts_become_words(prompt: str, words: str) -> None:
    assert search_text(prompt) == words


@pytest.mark.parametrize(("query", "asked"), [
    pytest.param("red fox", '"red" "fox"*', id="the last word may go on"),
    pytest.param("red fox ", '"red" "fox"', id="unless something follows"),
    pytest.param("re", '"re"', id="a very short word is whole"),
    pytest.param("红", '"红"', id="one character"),
    pytest.param("红狐狸", '"红狐 狐狸"', id="several are a phrase"),
    pytest.param("fox 红狐 fox a", '"fox" "红狐" "a"', id="a word twice is asked for once"),
    pytest.param('"red" AND -fox* NEAR(x', '"red" "and" "fox" "near" "x"', id="no operators"),
])  # fmt: skip
def test_queries_ask_for_every_word(query: str, asked: str) -> None:
    assert match_expression("ann", query) == f'owner : "o616e6e" AND words : ({asked})'


@pytest.mark.parametrize("query", ["", " ", "!?", "🐈", "\0", '"'])
def test_a_query_without_a_word_asks_for_nothing(query: str) -> None:
    assert match_expression("ann", query) is None


def test_any_owner_is_one_word() -> None:
    """Attack: a name with spaces or quotes must not become part of the question."""
    words = {owner_word(owner) for owner in ("", "a", "a b", '"', "ann OR bob", "猫")}
    assert len(words) == 6
    assert all(word.isascii() and word.isalnum() for word in words)
