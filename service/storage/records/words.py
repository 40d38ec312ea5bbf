"""Prompts and queries in any language, as words for the index of a store.

1. Both are folded the same way first (`fold`): compatibility forms such as full-width letters, upper case, accents,
   Arabic and Hebrew points, and invisible characters make no difference.
2. A word is a run of letters, marks and digits; everything else separates words. Marks belong to their letter: without
   its vowel signs a Hindi word would fall apart into consonants.
3. Scripts that are written without spaces, such as Chinese, Japanese, Thai, Lao, Khmer and Burmese, and Korean, whose
   words take endings, are indexed as pairs of graphemes, and found as a phrase of pairs: 一只猫 is "一只 只猫". Each
   single grapheme stands behind the whole prompt, so that one alone is found. A trigram index, as SQLite offers it,
   finds no Chinese word of two characters.

`regex` knows the properties of Unicode by name, which `re` does not.
"""

import itertools
import unicodedata
from dataclasses import dataclass
from typing import Final

import regex

UNSPACED: Final = r"[[\p{lb=SA}\p{Han}\p{scx=Hira}\p{scx=Kana}\p{Hangul}\p{Bopomofo}\p{Yi}]&&[\p{L}\p{M}\p{N}]]"
"""A character of a script without spaces. SA is the class of the line breaker (UAX #14) that needs a dictionary."""

RUN: Final = regex.compile(rf"(?P<unspaced>{UNSPACED}+)|[[\p{{L}}\p{{M}}\p{{N}}]--{UNSPACED}]+", regex.V1)
GRAPHEME: Final = regex.compile(r"\X")

BREAK: Final = "·"
"""A word of the index that no query has: it keeps a phrase from matching across two runs."""

SHORTEST_BEGINNING: Final = 3
"""Fewer letters begin too many words: "a" would find nearly every prompt, and take long for it."""

LISTED: Final = (3, 4, 5)
"""Letters of the beginnings that an index has lists for."""

ZERO_WIDTH_SPACE: Final = "\u200b"

IGNORED: Final = regex.compile(
    r"(?<![иу])\u0306|(?<!і)\u0308"  # these two make й, ў and ї, which are letters and not accented ones
    r"|[[\p{Inherited}\p{Arabic}\p{Hebrew}\p{Syriac}]&&\p{Mn}--[\u0306\u0308\u3099\u309a]]"  # not the voicing of kana
    rf"|\u0640|[\p{{Default_Ignorable_Code_Point}}--{ZERO_WIDTH_SPACE}]|(?<={UNSPACED}){ZERO_WIDTH_SPACE}",
    regex.V1,
)
"""Accents, points and invisible characters in decomposed lower-case text. U+0640 lengthens an Arabic word."""

DIGIT: Final = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)
SAME_LETTER: Final = str.maketrans({
    "ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th",
    "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه",
})  # fmt: skip
"""Letters that people replace by a plainer one when they search, and that no decomposition takes apart.

The Arabic ones are those of Lucene's ArabicNormalizer, and the Persian forms of two of them.
"""


def search_text(prompt: str) -> str:
    """Return the words of a prompt as the index takes them, separated by spaces."""
    words: list[str] = []
    single: dict[str, None] = {}
    after_pair = False
    for run in RUN.finditer(fold(prompt)):
        graphemes = GRAPHEME.findall(run["unspaced"] or "")
        pairs = _pairs(graphemes)
        words += [BREAK, *pairs] if pairs and after_pair else pairs or ([] if graphemes else [run[0]])
        after_pair = bool(pairs) or (after_pair and bool(graphemes))
        single |= dict.fromkeys(graphemes)
    return " ".join([*words, *single])


@dataclass(frozen=True)
class Term:
    """A part of a query: words that stand behind each other in the index, separated by spaces.

    The one word of a `beginning` may go on.
    """

    words: str
    is_beginning: bool = False


def query_terms(query: str) -> tuple[Term, ...]:
    """Return the terms of a query, all of which a prompt must have; none for a query without words.

    The last word may be the beginning of one, unless something stands behind it or it is very short.
    """
    folded = fold(query)
    terms: dict[Term, None] = {}
    for run in RUN.finditer(folded):
        if run["unspaced"]:
            graphemes = GRAPHEME.findall(run[0])
            terms[Term(" ".join(_pairs(graphemes) or graphemes))] = None
        else:
            terms[Term(run[0], run.end() == len(folded) and len(run[0]) >= SHORTEST_BEGINNING)] = None
    return tuple(terms)


def fold(text: str) -> str:
    """Return the text without the differences that a search overlooks."""
    lower = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = IGNORED.sub("", lower).translate(SAME_LETTER)
    return unicodedata.normalize("NFC", DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), plain))


def _pairs(graphemes: list[str]) -> list[str]:
    """Join each grapheme with the one behind it; a grapheme alone has no pair."""
    return [first + second for first, second in itertools.pairwise(graphemes)]
