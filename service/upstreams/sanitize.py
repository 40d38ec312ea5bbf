"""What an image service said, made fit to be shown: one short line without secrets, data or HTML.

Its errors echo what they were given, FastAPI's 422 the whole request: the key, a signed URL, a reference as base64.
"""

import re
from typing import Final

QUOTED: Final = 300
"""Characters of the service's own words that an error shows."""

READ: Final = 4000
"""Characters of them that are looked at. A reason stands at the beginning; what follows is an echo of the request."""

SECRETS: Final = (
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
"""What to take out, in this order: pages lose their head before their tags, URLs their query before keys.

Characters for private use go too: they stand for base64 that was lifted out of the answer.
"""


def sanitize(text: str, limit: int = QUOTED) -> str:
    """The service's words on one line, without keys, queries, base64 and HTML, and not longer than the limit."""
    words = text[:READ]
    for pattern, instead in SECRETS:
        words = pattern.sub(instead, words)
    words = words.strip()
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
