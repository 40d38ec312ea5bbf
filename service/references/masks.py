"""The argument `mask`: a picture that marks the part of the first reference that changes, or that a person paints.

A model writes it as it writes references: the number of an entry of the history, "12", with the number of one of its
pictures where it has several, "12/2"; a URL, a path of this server, or a data: URI. "paint" asks the person.
"""

import re
from dataclasses import dataclass
from typing import Final

from service.pictures.messages import ReadMask

PAINT: Final = "paint"
PAINTED: Final = frozenset({PAINT, "painted", "painting", "brush", "draw", "person", "user", "ask", "true", "yes"})
"""Words by which models ask for a mask from the person."""

NOTHING: Final = frozenset({"false", "no", "off"})
LONGEST_WORD: Final = 12

EARLIER: Final = re.compile(
    r"(?:history[_ ]?id)?[\s:=#]*([0-9]{1,15})(?:\s*(?:[/.,#:]|,?\s*picture)\s*([0-9]{1,3}))?", re.IGNORECASE
)
"""The picture of an entry of the history, as results name them, too: "history_id 12, picture 2"."""


MARKDOWN: Final = re.compile(r"!?\[[^\[\]]{0,200}\]\((\S+)\)")
"""A picture as results show it."""

LONGEST_MARKDOWN: Final = 10_000
"""Characters of a text that is taken apart: a data: URI may have millions."""


@dataclass(frozen=True, kw_only=True)
class MaskArgument:
    """A mask as it was asked for: one of a picture of the history, a URL, or the person's own painting."""

    history_id: int = 0
    picture: int = 1
    url: str = ""

    @classmethod
    def read(cls, value: object) -> "MaskArgument | None":
        """Read the argument; None where it is left out."""
        text = "" if value is None else str(value).strip().strip("\"'`")
        if len(text) <= LONGEST_MARKDOWN and (shown := MARKDOWN.fullmatch(text)) is not None:
            text = shown[1]
        word = text[:LONGEST_WORD].casefold()
        if not text or word in NOTHING:
            return None
        if word in PAINTED:
            return cls()
        if (earlier := EARLIER.fullmatch(text[:60])) is not None:
            return cls(history_id=int(earlier[1]), picture=int(earlier[2] or 1))
        return cls(url=text)

    @property
    def is_named(self) -> bool:
        """True for a URL or path; false for other words, such as "the sky"."""
        return any(each in self.url for each in (":", "/", "."))

    @property
    def is_painted(self) -> bool:
        """True where the person is to paint it."""
        return not (self.history_id or self.url)


def described(origin: str, mask: ReadMask, *, is_painted: bool = False) -> str:
    """Describe a mask that was read: its origin, its share of the picture, and what was done to it.

    Size and colours of a painting are none of the person's.
    """
    percent = mask.per_mille / 10
    share = "less than 1" if percent < 1 else "more than 99" if percent > 99 else f"{percent:.0f}"
    facts = [f"{share} % of the picture changes"]
    if not is_painted:
        facts.append(f"where it is {'transparent' if mask.by_transparency else 'white'}")
    if mask.fitted and not is_painted:
        facts.append(f"fitted from {mask.width}×{mask.height}")
    return f"{origin} ({', '.join(facts)})"
