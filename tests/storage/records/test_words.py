"""Prompts and queries as words. That the index finds them is in the tests of the search."""

import pytest

from service.storage.records.words import Term, fold, query_terms, search_text


@pytest.mark.parametrize(("prompt", "words"), [
    pytest.param("A Fox, in the SNOW!", "a fox in the snow", id="words"),
    pytest.param("一只猫", "一只 只猫 一 只 猫", id="pairs, then each character"),
    pytest.param("猫", "猫", id="one character"),
    pytest.param("猫猫 a 猫", "猫猫 a 猫", id="a character twice stands behind once"),
    pytest.param("a猫cat。黑狗", "a cat 黑狗 猫 黑 狗", id="both kinds without a space"),
    pytest.param("ねこ 고양이", "ねこ · 고양 양이 ね こ 고 양 이", id="kana and Hangul"),
    pytest.param("黑猫、狗、猫头", "黑猫 · 猫头 黑 猫 狗 头", id="a break between runs"),
    pytest.param("黑猫 hat 猫头", "黑猫 hat 猫头 黑 猫 头", id="a word between runs is a break"),
    pytest.param("パ・ガ", "パ ガ", id="voiced kana stay, and the middle dot separates"),
    pytest.param("コーヒー々", "コー ーヒ ヒー ー々 コ ー ヒ 々", id="the long-vowel and iteration marks are letters"),
    pytest.param("猫3匹", "3 猫 匹", id="digits are words of their own"),
    pytest.param("snow_white 16:9 v2.0", "snow white 16 9 v2 0", id="numbers and underscores"),
    pytest.param("𠮷野", "𠮷野 𠮷 野", id="beyond the basic plane"),
    pytest.param("एक बिल्ली, टोपी", "एक बिल्ली टोपी", id="Hindi vowel signs and virama"),
    pytest.param("தமிழ் பூனை", "தமிழ் பூனை", id="Tamil"),
    pytest.param("แมวกิน", "แม มว วกิ กิน แ ม ว กิ น", id="Thai"),
    pytest.param("ແມວ", "ແມ ມວ ແ ມ ວ", id="Lao"),
    pytest.param("ឆ្មា", "ឆ្មា", id="a Khmer word of one grapheme"),
    pytest.param("ကြောင်", "ကြော ာင် ကြေ ာ င်", id="Burmese"),
    pytest.param("\0'\"*()-+^🐈", "", id="nothing but signs"),
])  # fmt: skip
def test_prompts_become_words(prompt: str, words: str) -> None:
    assert search_text(prompt) == words


@pytest.mark.parametrize(("text", "folded"), [
    pytest.param("ＣＡＴ ﾈｺ ｶﾞ ﬁ ①", "cat ネコ ガ fi 1", id="full and half width, ligatures"),
    pytest.param("Café e\u0301 Ångström Việt Nam", "cafe e angstrom viet nam", id="accents"),
    pytest.param("Straße ŁÓDŹ Smørrebrød ŒUVRE Þór", "strasse lodz smorrebrod oeuvre thor", id="letters of their own"),
    pytest.param("İSTANBUL ışık I", "istanbul isik i", id="the two Turkish i"),
    pytest.param("ΦΩΣ φως", "φωσ φωσ", id="final sigma"),
    pytest.param("ёж мой їжак ў у\u0301", "еж мой їжак ў у", id="Cyrillic ё and stress, not й, ї and ў"),
    pytest.param("شَمْسٌ شمس شـــمس", "شمس شمس شمس", id="Arabic points and lengthening"),
    pytest.param("أحمد إبل آية مدرسة على", "احمد ابل ايه مدرسه علي", id="Arabic letters that are mixed up"),
    pytest.param("گربه‌ی کوچک", "گربهي كوچك", id="Persian letters and the zero-width non-joiner"),
    pytest.param("שָׁלוֹם שלום \ufb2a", "שלום שלום ש", id="Hebrew points, also in one character"),
    pytest.param("٣ ३ ๓", "3 3 3", id="digits of other scripts"),
    pytest.param("co\u00adope\u200drate\ufe0f \u202ecat", "cooperate cat", id="invisible characters"),
    pytest.param("ខ្មែរ\u200bស្រី a\u200bb", "ខ្មែរស្រី a\u200bb", id="a space without width matters in spaced scripts only"),
    pytest.param("한글 \u1112\u1161\u11ab", "한글 한", id="Hangul in parts"),
    pytest.param("क़लम क\u093cलम", "क\u093cलम क\u093cलम", id="a nukta, in one character or two"),
])  # fmt: skip
def test_differences_that_a_search_overlooks_are_folded(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


@pytest.mark.parametrize(("query", "terms"), [
    pytest.param("red fox", [Term("red"), Term("fox", is_beginning=True)], id="the last word may go on"),
    pytest.param("red fox ", [Term("red"), Term("fox")], id="unless something follows"),
    pytest.param("re", [Term("re")], id="a very short word is whole"),
    pytest.param("红狐狸", [Term("红狐 狐狸")], id="several are a phrase"),
    pytest.param("fox 红狐 fox a", [Term("fox"), Term("红狐"), Term("a")], id="a word twice is asked for once"),
    pytest.param("!?", [], id="no word"),
])  # fmt: skip
def test_a_query_has_terms(query: str, terms: list[Term]) -> None:
    assert list(query_terms(query)) == terms
