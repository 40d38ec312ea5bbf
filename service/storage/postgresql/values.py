"""Values on their way into the database: JSON for its functions, numbers in its range, texts without NUL.

PostgreSQL's text has no NUL, nor has its JSON. The texts of callers come without one (`tools/arguments.py`); in what an
image service said it becomes a replacement character here, since a picture that was paid for is worth more.
"""

import re
from typing import Any, Final

import orjson

LARGEST_INTEGER: Final = 2**63 - 1
"""The largest number that a row keeps. A `history_id` beyond it is nobody's."""

NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""NUL as JSON writes it, and not a backslash before the same letters."""

REPLACEMENT: Final = rb"\1\\ufffd"


def dumped(value: object) -> str:
    """Return a value as JSON. Infinity, which stands for no limit, is null."""
    text = orjson.dumps(value)
    return (NUL.sub(REPLACEMENT, text) if rb"\u0000" in text else text).decode()


def loaded(text: str) -> Any:
    """Return the value that a function of the database told as JSON."""
    return orjson.loads(text)


def within_range(number: int) -> int:
    """Bring any integer into the range of a row; neither 0 nor the largest is ever the id of a job."""
    return max(0, min(number, LARGEST_INTEGER))


def plain(text: str) -> str:
    """Return a text that the database can compare with others: one with a NUL equals none."""
    return text.replace("\0", "\ufffd")
