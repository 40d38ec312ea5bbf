"""Words of others, as they may stand in a result: prompts, names of models and files, what an image service said.

They stay words: no link, image or HTML comes out of them, nothing that hides, and no more of them than there is room
for.
"""

import re
from typing import Final

ALT_LENGTH: Final = 80

_MARKUP: Final = str.maketrans("[]<>", "()‹›")
"""Without these there is no markdown link or image, no reference to one, and no HTML."""

_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
"""Control characters, what turns the direction of writing, and letters that only a model reads."""


def alt_text(prompt: str) -> str:
    """The prompt as text inside a markdown image: one line, nothing that could end or nest it."""
    seen = _seen(prompt, ALT_LENGTH)
    return cut(" ".join(re.sub(r"[\[\]()!<>`\\|*_#]", " ", seen).split()), ALT_LENGTH)


def plain(text: str, length: int) -> str:
    """Somebody else's words on one line, cut to a length: no link or image of markdown, no HTML, no code left open.

    A bare address stays: it shows where it leads.
    """
    words = cut(" ".join(_seen(text, length).translate(_MARKUP).split()), length)
    return words.replace("`", "'") if words.count("`") % 2 else words


def verbatim(text: str, length: int) -> str:
    """A text as it was given, to be used again, in a code span: nothing in it is markup there."""
    words = _seen(text, length).replace("`", "'").split()
    return f"`{cut(' '.join(words), length)}`"


def _seen(text: str, length: int) -> str:
    """What can be seen of a text that is about to be cut to a length; no more of it is looked at."""
    return _UNSEEN.sub(" ", text[: 4 * length])


def cut(text: str, length: int) -> str:
    """The text, or so much of it that it has `length` characters with the dots at its end."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
