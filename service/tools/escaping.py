"""Escaping of texts that others wrote, for results: prompts, names of models and files, messages of image services.

They stay text: no link, image or HTML comes out of them, nothing that hides, and no more than there is room for.
"""

import re
from typing import Final

ALT_LENGTH: Final = 80

_MARKUP: Final = str.maketrans("[]<>", "()‹›")
"""Without these there is no markdown link or image, no reference to one, and no HTML."""

_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
"""Control characters, marks that turn the direction of writing, and letters that only a model reads."""


def alt_text(prompt: str) -> str:
    """Return the prompt as the text of a markdown image: one line, nothing that could end or nest it."""
    seen = _seen(prompt, ALT_LENGTH)
    return cut(" ".join(re.sub(r"[\[\]()!<>`\\|*_#]", " ", seen).split()), ALT_LENGTH)


def escape_markdown(text: str, length: int) -> str:
    """Return the text on one line, cut to `length`: no link or image of markdown, no HTML, no code left open.

    A bare address stays: it shows where it leads.
    """
    words = cut(" ".join(_seen(text, length).translate(_MARKUP).split()), length)
    return words.replace("`", "'") if words.count("`") % 2 else words


def code_span(text: str, length: int) -> str:
    """Return the text in a markdown code span, to be copied from there: nothing in it is markup."""
    words = _seen(text, length).replace("`", "'").split()
    return f"`{cut(' '.join(words), length)}`"


def _seen(text: str, length: int) -> str:
    """Blank the unseen characters in the part of a text that can remain after it is cut to `length`."""
    return _UNSEEN.sub(" ", text[: 4 * length])


def cut(text: str, length: int) -> str:
    """Return the text, or its beginning with an ellipsis, in at most `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
