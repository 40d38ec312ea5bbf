"""Where a chat answer can hold a picture: in fields of its own, or in its text (upstreams.md 3.1, F1 to F7).

A picture is found as a `Link` to it or as `Inline` base64; the base64 may be a stand-in of `upstream_base64`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from service.upstream_base64 import STAND_IN


@dataclass(frozen=True)
class Link:
    """A URL, or a path on the service's own origin."""

    url: str


@dataclass(frozen=True)
class Inline:
    """Base64, without the prefix of a data URI."""

    digits: str


Source = Link | Inline

DIGITS: Final = rf"(?:{STAND_IN}|[A-Za-z0-9+/=_-]++|\r?\n(?=[A-Za-z0-9+/=_-]{{60,}}|{STAND_IN}))++"
"""Base64 as it stands in text: literal, lifted out, or in lines as MIME breaks them."""

PREFIX: Final = r"(?:data:image/[\w.+-]+(?:;[\w.=-]+)*;base64,)+"
"""Quirk: grok2api #53 sends it twice."""

TARGET: Final = rf"(?P<target>{PREFIX}{DIGITS}|[^\s<>()\"']++)"
URL: Final = r"https?://(?:[.,;:!]*+[^\s<>()\"'\].,;:!。，、；]++)++"
"""A URL within prose: the punctuation of the sentence is not part of it."""

ANY: Final = re.compile("")
PICTURE_FILE: Final = re.compile(r"/tmp/.|\.(?:png|jpe?g|webp|gif|avif)(?:\?|\Z)", re.IGNORECASE)  # noqa: S108 - a path of Flow2API

IN_TEXT: Final = (
    (re.compile(rf"!\[[^\[\]\n]{{0,1000}}\]\(\s*<?{TARGET}[^)\n]{{0,200}}\)"), ANY),
    (re.compile(rf"<img\b[^<>]{{0,1000}}?\bsrc\s*=\s*[\"']?{TARGET}", re.IGNORECASE), ANY),
    (re.compile(rf"(?P<target>{PREFIX}{DIGITS})"), ANY),
    (re.compile(rf"(?P<target>{URL})", re.IGNORECASE), PICTURE_FILE),
    (re.compile(r"^[ \t]*(?P<target>https?://\S+)[ \t\r]*$", re.MULTILINE), ANY),
)
"""Markdown, HTML, data URI, URL of a picture file, URL alone on its line, and what the target must hold.

The first that finds anything is believed: a URL within a sentence is more often that of a policy than that of a
picture. Each is bounded, so that no text makes the search quadratic.
"""

PICTURE_FIELDS: Final = ("image_url", "imageUrl", "url", "b64_json", "data")
"""The first that holds anything: an Images answer may have both `url` and `b64_json`, one of them null."""

DEPTH: Final = 5
"""A list of objects that hold an object that holds a text is the deepest that any service sends."""

BASE64_ONLY: Final = re.compile(rf"(?=.{{64,}}|.*{STAND_IN}){DIGITS}", re.DOTALL)
DATA_URI: Final = re.compile(rf"{PREFIX}(?P<digits>{DIGITS})", re.IGNORECASE)


def in_text(text: str, *, ended: bool = True) -> list[Source]:
    """Find the pictures in the text. Of a text that was cut, what stands at the very end may be half a picture."""
    for pattern, wanted in IN_TEXT:
        matches = (match for match in pattern.finditer(text) if ended or match.end() < len(text))
        found = [_source(match["target"]) for match in matches if wanted.search(match["target"])]
        sources = [source for source in found if source is not None]
        if sources:
            return sources
    return []


def in_field(value: object, depth: int = DEPTH) -> Iterator[Source]:
    """Find the pictures in a field that holds nothing else: a text, an object, or a list of either."""
    match value:
        case _ if depth == 0:
            return
        case [*items]:
            for item in items:
                yield from in_field(item, depth - 1)
        case {**fields}:
            inner = next(filter(None, (fields.get(name) for name in PICTURE_FIELDS)), None)
            yield from in_field(inner, depth - 1)
        case str(text):
            source = _source(text.strip())
            if source is not None:
                yield source
        case _:
            return


def _source(text: str) -> Source | None:
    """A data URI, bare base64 (which may begin with a slash, as every JPEG does), a URL, or a path."""
    data_uri = DATA_URI.match(text)
    if data_uri:
        return Inline(data_uri["digits"])
    if BASE64_ONLY.fullmatch(text):
        return Inline(text)
    return Link(text) if text.lower().startswith(("http://", "https://", "/")) else None
