"""The error inside the body of a bad answer: found in any shape, and made fit to be quoted.

Services agree on no shape: `error` is an object or a text, FastAPI says `detail`, ModelScope `errors`, relays `message`
or `msg`, and a proxy sends a page. Their errors echo what they were given, FastAPI's 422 the whole request: the key, a
signed URL, a reference picture as base64. `sanitize` takes all of that out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import orjson

QUOTED: Final = 300
"""Characters of the service's own words that an error shows."""

READ: Final = 4000
"""Characters of them that are looked at. A reason stands at the beginning; an echo of the request follows it."""

REPLACEMENTS: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
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
    (re.compile(r"\b(?:sk|ms|pk|rk|hf|gsk|xai|r8|ghp|fal|ark)[-_][\w*-]{6,}|\bAIza[\w-]{20,}"), "[key]"),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]+)*"), "[key]"),
    (re.compile(r"PUBLIC_ERROR_[A-Z_]+:.*", re.DOTALL), lambda found: found[0].partition(":")[0]),
    (re.compile(r"[A-Za-z0-9+/=_-]{64,}"), "[data]"),
    (re.compile(r"[\ue000-\uf8ff]"), ""),
    (re.compile(r"[\x00-\x1f\x7f\s]+"), " "),
)
"""Secrets, data and markup, with their replacements, in this order: pages lose their head before their tags, URLs their
query before keys. `eyJ` begins a JSON Web Token. Behind Google's reason Flow2API hands on a sentence that fits none of
them. Characters for private use stand for base64 that was taken out of the answer.
"""


ERRORS: Final = ("error", "errors", "detail", "err", "Response", "Error", "base_resp", "fault")
"""Fields that hold an error, or a text that is one."""

MESSAGES: Final = (
    "message", "msg", "error_message", "error_msg", "errorMessage", "errmsg", "status_msg", "Message", "title",
    "faultstring", "fail_reason", "failReason", "failure_reason",
)  # fmt: skip
"""Fields that hold the words for people."""

CODES: Final = ("code", "type", "status", "name", "reason", "metadata", "details", "error_code", "status_code", "Code")
"""Fields that hold the words for programs. `metadata` is OpenRouter's, `details` Google's."""

DEPTH: Final = 5
"""Objects within objects that are looked into: FastAPI's `detail` around a relay's `error` around a service's."""

SUCCESSES: Final = frozenset({
    "", "0", "200", "null", "none", "nil", "undefined", "false", "ok", "success", "succeeded",
})  # fmt: skip
"""Words of an error field that report none."""


class ReportedError(NamedTuple):
    """An error as a body reports it: its message for people, its codes for programs, the HTTP status that it claims."""

    message: str
    codes: str = ""
    status: int | None = None


def parse_body(answer: object) -> object:
    """Parse a body that is JSON, and decode any other to text. A value that was parsed before is returned as it is."""
    if isinstance(answer, bytes):
        answer = answer.decode(errors="replace").removeprefix("\ufeff")
    if not isinstance(answer, str):
        return answer
    try:
        return orjson.loads(answer)
    except ValueError:
        return answer


def find_error(body: object) -> ReportedError:
    """Find the error in a parsed body, or in the text of one that is no JSON; its message is empty if there is none."""
    return _read(body, DEPTH)


def says_something(error: object, depth: int = 4) -> bool:
    """Tell whether the error field of an answer reports an error.

    Relays add `{"message": "", "type": "", "code": null}` to good answers (BerriAI/litellm #18407).
    """
    match error:
        case {**fields} if depth:
            return any(says_something(value, depth - 1) for value in fields.values())
        case [*items] if depth:
            return any(says_something(item, depth - 1) for item in items)
        case str(text):
            return text.strip().lower() not in SUCCESSES
        case bool():
            return error
        case int() | float():
            return error not in {0, 200}
        case _:
            return False


def reported_error(event: Mapping[object, object]) -> dict[str, object] | None:
    """Return the field of an event that reports an error, such as `{"error": {"code": 402}}`; None for a good event."""
    return next(({name: event[name]} for name in ERRORS if says_something(event.get(name))), None)


def sanitize(text: str, limit: int = QUOTED) -> str:
    """Return the words of a service on one line of at most `limit` characters, without keys, queries, data and HTML."""
    words = text[:READ]
    for pattern, replacement in REPLACEMENTS:
        words = pattern.sub(replacement, words)
    words = words.strip()
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def _read(error: object, depth: int) -> ReportedError:
    match error:
        case str(text) if text.lstrip().startswith("{") and depth and isinstance(inner := parse_body(text), Mapping):
            return _read(inner, depth - 1)  # relays hand on a whole body as the message
        case str(text):
            return ReportedError(text)
        case [{**fields}] if depth and not fields.keys().isdisjoint(ERRORS):  # Google's streams are lists
            return _read_fields(fields, depth - 1)
        case [*items]:
            return ReportedError("; ".join(_item(item) for item in items[:5]))
        case {**fields} if depth:
            return _read_fields(fields, depth - 1)
        case _:
            return ReportedError("")


def _read_fields(fields: Mapping[object, object], depth: int) -> ReportedError:
    """Read an object: the error that lies deeper in it, if any, with the message and the codes that stand beside it."""
    inner = next((_read(fields[name], depth) for name in ERRORS if says_something(fields.get(name))), ReportedError(""))
    beside = next((_read(fields[name], depth) for name in MESSAGES if fields.get(name)), ReportedError(""))
    codes = " ".join(str(fields[name]) for name in CODES if fields.get(name))
    words = (inner.message, beside.message, *_words_of_metadata(fields.get("metadata"), depth))
    message = "; ".join(dict.fromkeys(filter(None, words)))
    status = inner.status or beside.status or _claimed_status(fields)
    return ReportedError(message, " ".join(filter(None, (inner.codes, beside.codes, codes))), status)


def _words_of_metadata(metadata: object, depth: int) -> Iterator[str]:
    """Yield what OpenRouter tells beside "Provider returned error": the maker's own error, and reasons of a moderation.

    openrouter.ai/docs, Errors: `raw` and `provider_name`, or `reasons` and `flagged_input`.
    """
    match metadata:
        case {"raw": raw}:
            yield _read(raw, depth).message
        case {"reasons": [*reasons]}:
            yield ", ".join(str(reason) for reason in reasons[:5])


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
        claimed = str(fields.get(name))
        if re.fullmatch(r"[45][0-9][0-9]", claimed):
            return int(claimed)
    return None
