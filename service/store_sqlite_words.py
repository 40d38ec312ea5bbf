"""Prompts and queries as words for the full-text index.

1. Both are written the same way first: compatibility forms, upper case and accents of Latin letters are taken away.
2. Chinese, Japanese and Korean are not split at spaces. Each run of such characters becomes its pairs, and the last
   character alone: 一只猫 is "一只 只猫 猫". So every character begins a word, one alone is found as the beginning of a
   word, and several are found as a phrase of pairs. A trigram index finds no Chinese word of two characters.
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
ACCENTS: Final = re.compile(r"[\u0300-\u036f]")


def search_text(prompt: str) -> str:
    """The words of a prompt as the index takes them."""
    words: list[str] = []
    for run in RUN.finditer(_plain(prompt)):
        words += _starts(run[0]) if run["cjk"] else [run[0]]
    return " ".join(words)


def owner_word(owner: str) -> str:
    """An owner as one word, whatever it is made of."""
    return "o" + owner.encode().hex()


def match_expression(owner: str, query: str) -> str | None:
    """What FTS5 is asked for: all words of the query, in prompts of this owner. None for a query without any word.

    The last word may be the beginning of one, unless something stands behind it.
    """
    plain = _plain(query)
    terms: dict[str, None] = {}
    for run in RUN.finditer(plain):
        if run["cjk"]:
            terms[_phrase(run[0])] = None
        else:
            terms[f'"{run[0]}"' + ("*" if run.end() == len(plain) else "")] = None
    return f'owner : "{owner_word(owner)}" AND words : ({" ".join(terms)})' if terms else None


def _phrase(run: str) -> str:
    return f'"{run}"*' if len(run) == 1 else f'"{" ".join(_starts(run)[:-1])}"'


def _starts(run: str) -> list[str]:
    """What begins at each character: a pair, or the last one alone."""
    return [run[at : at + 2] for at in range(len(run))]


def _plain(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", ACCENTS.sub("", spread))
