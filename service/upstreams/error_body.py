"""The error inside the body of a bad answer: found in any shape, and made fit to be quoted.

Services agree on no shape: `error` is an object or a text, FastAPI says `detail`, ModelScope `errors`, relays `message`
or `msg`, and a proxy sends a page. Their errors echo what they were given, FastAPI's 422 the whole request: the key, a
signed URL, a reference picture as base64. `sanitize` takes all of that out.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

QUOTED: Final = 300
"""Characters of the service's own words that an error shows."""

READ: Final = 4000
"""Characters of them that are looked at. A reason stands at the beginning; an echo of the request follows it."""

REPLACEMENTS: Final = (
    (re.compile(r"(?is)<(script|style|head)\b.*?(</\1>|\Z)"), " "),
    (re.compile(r"data:[\w/.+-]+[;,]\S*"), "[data]"),
    (re.compile(r"(?i)\b(https?://)[^\s/?#@]*@"), r"\1"),
    (re.compile(r"(?i)(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*"), r"\1"),
    (re.compile(r"<[^<>]*>"), " "),
    (re.compile(r"(?i)\bbearer\s+\S+"), "[key]"),
    (
        re.compile(r"(?i)((?:api[ _-]?|\b)key(?: provided)?|token|secret|password|signature)(\s*[:=]\s*)[^\s,;]+"),
        r"\1\2[key]",
    ),
    (re.compile(r"\b(?:sk|ms|pk|hf)-[\w-]{8,}|\bAIza[\w-]{20,}"), "[key]"),
    (re.compile(r"[A-Za-z0-9+/=_-]{64,}"), "[data]"),
    (re.compile(r"[\ue000-\uf8ff]"), ""),
    (re.compile(r"[\x00-\x1f\x7f\s]+"), " "),
)
"""Secrets, data and markup, with their replacements, in this order: pages lose their head before their tags, URLs their
query before keys. Characters for private use stand for base64 that was taken out of the answer.
"""


class ReportedError(NamedTuple):
    """An error as a body reports it: its message for people, its codes for programs, the HTTP status that it claims."""

    message: str
    codes: str = ""
    status: int | None = None


def parse_body(answer: object) -> object:
    """Parse a body that is JSON, and decode any other to text. A value that was parsed before is returned as it is."""
    if isinstance(answer, bytes):
        answer = answer.decode(errors="replace")
    if not isinstance(answer, str):
        return answer
    try:
        return orjson.loads(answer)
    except ValueError:
        return answer


def find_error(body: object) -> ReportedError:
    """Find the error in a parsed body, or in the text of one that is no JSON; its message is empty if there is none."""
    match body:
        case str(text):
            return ReportedError(text)
        case {**fields}:
            error = fields.get("error") or fields.get("errors") or fields.get("detail") or fields
            return _read(error)
        case _:
            return ReportedError("")


def sanitize(text: str, limit: int = QUOTED) -> str:
    """Return the words of a service on one line of at most `limit` characters, without keys, queries, data and HTML."""
    words = text[:READ]
    for pattern, replacement in REPLACEMENTS:
        words = pattern.sub(replacement, words)
    words = words.strip()
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def _read(error: object) -> ReportedError:
    match error:
        case str(text):
            return ReportedError(text)
        case [*items]:
            return ReportedError("; ".join(_item(item) for item in items[:5]))
        case {**fields}:
            message = fields.get("message") or fields.get("msg") or fields.get("error_message") or ""
            codes = " ".join(str(fields[name]) for name in ("code", "type", "status", "metadata") if name in fields)
            return ReportedError(message if isinstance(message, str) else "", codes, _claimed_status(fields))
        case _:
            return ReportedError("")


def _item(item: object) -> str:
    """Read one entry of `detail` or `errors`, but never its `input`, which echoes the request."""
    match item:
        case {"msg": str(message), "loc": [*place]}:
            return f"{'.'.join(str(step) for step in place)}: {message}"
        case {"message": str(message)} | {"msg": str(message)} | str(message):
            return message
        case _:
            return ""


def _claimed_status(fields: Mapping[object, object]) -> int | None:
    """Return the HTTP status inside an error, if it is one of failure."""
    for name in ("status_code", "code"):
        claimed = fields.get(name)
        if isinstance(claimed, int) and 400 <= claimed <= 599:
            return claimed
    return None
