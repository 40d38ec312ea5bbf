"""The entries of the list `models` in the text of a models file, taken out and added without touching the rest.

A person wrote this file: indentation, line breaks, the order of keys and the way in which numbers are written are
theirs, and stay. So the text is cut where an entry begins and ends, and never written anew from its values.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

KEY: Final = "models"
WHITESPACE: Final = " \t\r\n"
DEFAULT_LEADING: Final = "\n    "
"""The line break and indentation before the first entry of a list that had none."""

DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, kw_only=True)
class _List:
    """A list in a text: where its entries stand, from the bracket on, each with the white space before it."""

    begin: int
    end: int
    entries: Sequence[str]
    leading: Sequence[str]
    trailing: str


def with_entries(text: bytes, gone: Iterable[bool], new: Sequence[str]) -> bytes:
    """Return the text of a file that can be read, without the entries that are gone, and with new ones at the end."""
    written = text.decode()
    found = _find_list(written)
    kept = list(compress(zip(found.leading, found.entries, strict=True), [not each for each in gone]))
    if len(kept) == len(found.entries) and not new:
        return text
    first = found.leading[0] if found.leading else DEFAULT_LEADING
    between = found.leading[-1] if len(found.leading) > 1 else first or " "
    chunks = [*kept, *((between, entry) for entry in new)]
    parts = [(first if number == 0 else leading) + entry for number, (leading, entry) in enumerate(chunks)]
    trailing = found.trailing if found.leading else "\n  "
    inside = ",".join(parts) + trailing if parts else ""
    return (written[: found.begin] + inside + written[found.end :]).encode()


def _find_list(text: str) -> _List:
    """Find the list; of several that have its key the last one counts, as for every reader of JSON."""
    return [_read_list(text, at) for key, at in _fields(text) if key == KEY][-1]


def _fields(text: str) -> Iterator[tuple[str, int]]:
    """Yield each key of the object that the text is, and the position of its value."""
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)  # past the colon
        yield key, at
        at = _skip(text, DECODER.raw_decode(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at


def _read_list(text: str, begin: int) -> _List:
    """Read the list whose bracket stands at a position."""
    entries: list[str] = []
    leading: list[str] = []
    after = begin + 1
    at = _skip(text, after)
    while text[at] != "]":
        end = DECODER.raw_decode(text, at)[1]
        following = _skip(text, end)
        entries.append(text[at : following if text[following] == "," else end])
        leading.append(text[after:at])
        after = end
        at = following
        if text[at] == ",":
            after = at + 1
            at = _skip(text, after)
    return _List(begin=begin + 1, end=at, entries=entries, leading=leading, trailing=text[after:at])


def _skip(text: str, at: int) -> int:
    """Return the position of the next character that is no white space."""
    while text[at] in WHITESPACE:
        at += 1
    return at
