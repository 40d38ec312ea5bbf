"""Prompts and queries as words for the full-text index.

1. Both are written the same way first: compatibility forms, upper case and accents of Latin letters are taken away.
2. Chinese, Japanese and Korean are not split at spaces. A run of such characters becomes its pairs, and several
   characters are found as a phrase of pairs: 一只猫 is "一只 只猫". Behind the whole prompt stands each character,
   for whoever looks for one. A trigram index finds no Chinese word of two characters.
3. Every other run of letters and digits is a word; all that is left separates words.
"""

import re
import unicodedata
from typing import Final

CJK: Final = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U000323af"
)
"""Han, kana and Hangul as ranges of a character class; their punctuation is left out."""

RUN: Final = re.compile(rf"(?P<cjk>[{CJK}]+)|[^\W_{CJK}]+")
SHORTEST_BEGINNING: Final = 3
"""Fewer letters begin too many words: "a" would find nearly every prompt, and take long for it."""

ACCENTS: Final = re.compile(r"[\u0300-\u036f]")


def search_text(prompt: str) -> str:
    """The words of a prompt as the index takes them."""
    words: list[str] = []
    characters: dict[str, None] = {}
    for run in RUN.finditer(_plain(prompt)):
        words += _pairs(run[0]) if run["cjk"] else [run[0]]
        characters |= dict.fromkeys(run["cjk"] or "")
    return " ".join([*words, *characters])


def owner_word(owner: str) -> str:
    """An owner as one word, whatever it is made of."""
    return "o" + owner.encode().hex()


def match_expression(owner: str, query: str) -> str | None:
    """Return the query for FTS5: all words of the text, in prompts of this owner. None for a text without any word.

    The last word may be the beginning of one, unless something stands behind it or it is very short.
    """
    plain = _plain(query)
    terms: dict[str, None] = {}
    for run in RUN.finditer(plain):
        words = _pairs(run[0]) or [run[0]] if run["cjk"] else [run[0]]
        goes_on = not run["cjk"] and run.end() == len(plain) and len(run[0]) >= SHORTEST_BEGINNING
        terms[f'"{" ".join(words)}"' + ("*" if goes_on else "")] = None
    return f'owner : "{owner_word(owner)}" AND words : ({" ".join(terms)})' if terms else None


def _pairs(run: str) -> list[str]:
    """Each character with the one behind it; none for a character alone."""
    return [run[at : at + 2] for at in range(len(run) - 1)]


def _plain(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", ACCENTS.sub("", spread))
