"""The wait that a bad answer asks for before the next request: by its headers, else by its words."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT_S: Final = 60.0
"""The longest wait within one call, in seconds. A call that waits for longer is given up by most clients."""

UNITS_S: Final[Mapping[str, float]] = {
    "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "秒": 1, "分": 60, "小": 3600, "时": 3600, "天": 86400,
}  # fmt: skip
"""Seconds of a unit, by its first letter; `ms` by both."""

NUMBER: Final = r"\d{1,9}(?:\.\d+)?"
UNIT: Final = r"(?:ms|(?:s|m|h|d)(?:ec|in|r|our|ay|inute|econd)?(?:ond|ute)?s?)\b"
SPAN: Final = rf"(?:{NUMBER}\s*{UNIT}(?:,?\s*(?:and\s*)?)?)+|(?:{NUMBER}\s*(?:ms|[smhd]))+"
PHRASES: Final = (
    re.compile(
        rf"(?:try again|retry|wait|resets?|available|renewed)(?: again)?(?: in| after| for| at least| about|:)*\s*"
        rf"(?P<span>{SPAN})",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:retry_?(?:delay|after)|resets?_(?:in|after))(?:_?(?:seconds|secs|s))?['\"]?\s*[:=]\s*['\"]?"
        rf"(?P<span>{NUMBER}\s*[a-z]?)",
        re.IGNORECASE,
    ),
    re.compile(rf"(?P<span>{NUMBER}\s*(?:秒|分钟?|个?小时|天))(?:钟)?(?:之?后|以后|再试|重试|内)"),
    re.compile(rf"(?:等待|重试|恢复|重置)[^\d。]{{0,8}}(?P<span>{NUMBER}\s*(?:秒|分钟?|个?小时|天))"),
)
"""The forms in which services say it: OpenAI and Azure in a sentence, Google as `retryDelay`, relays in Chinese."""

PART: Final = re.compile(rf"({NUMBER})\s*个?(ms|[a-z秒分小时天]?)", re.IGNORECASE)


def asked_wait(headers: Mapping[str, str], words: str = "") -> float | None:
    """Return the seconds to wait by the headers of an answer, else by its words; None where neither says."""
    by_headers = retry_after(headers)
    return by_words(words) if by_headers is None else by_headers


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by the headers of an answer, or None.

    RFC 9110, 10.2.3: seconds, or a date, which is measured from the `Date` of the same answer.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()  # OpenAI's own, and more exact
    if re.fullmatch(r"[0-9]{1,12}", milliseconds):
        return int(milliseconds) / 1000
    wanted = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", wanted):
        return float(wanted)
    try:
        seconds = (parsedate_to_datetime(wanted) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (ValueError, TypeError):  # no date at all, or one with a zone and one without
        return None
    return max(seconds, 0.0)


def by_words(words: str) -> float | None:
    """Return the seconds to wait by a sentence such as "try again in 3 hours 12 minutes", or None."""
    for phrase in PHRASES:
        found = phrase.search(words)
        if found:
            return sum(float(number) * UNITS_S[_unit(unit)] for number, unit in PART.findall(found["span"]))
    return None


def spoken(seconds: float) -> str:
    """Put a wait into words, rounded up: "12 seconds", "1 minute", "90 minutes", "5 hours", "3 days"."""
    number, unit = max(1, math.ceil(seconds)), "second"
    for longer, length in (("minute", 60), ("hour", 60), ("day", 24)):
        if number < length or (number % length and number < 2 * length):
            break
        number, unit = math.ceil(number / length), longer
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _unit(text: str) -> str:
    lower = text.lower()
    return lower if lower == "ms" else lower[:1] or "s"
