"""Sources of pictures in an answer: fields that are made for them, and markdown, HTML and URLs in its text.

A source is a `Link` or `Inline` base64; the base64 may be a stand-in of `base64_extractor`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service.upstreams.base64_extractor import STAND_IN


@dataclass(frozen=True)
class Link:
    """A URL, or a path on the service's own origin. `guessed`: its place alone says that it is a picture."""

    url: str
    guessed: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Inline:
    """Base64, without the prefix of a data URI."""

    digits: str


Source = Link | Inline

DIGIT: Final = "[A-Za-z0-9+/=_-]"
BREAK: Final = rf"\r?\n(?={DIGIT}{{60}}|{STAND_IN}|{DIGIT}*\s*[)\"'<]|[A-Za-z0-9+/_-]+==?(?:\s|\Z))"
DIGITS: Final = rf"(?:{STAND_IN}|{DIGIT}++|{BREAK})++"
"""Base64 as it stands in text: literal, lifted out, or in lines as MIME breaks them, the last one shorter."""

PREFIX: Final = r"(?:data:image/[\w.+-]+(?:;[\w.=-]+)*;base64,)+"
"""Quirk: grok2api #53 sends it twice."""

TARGET: Final = rf"(?P<target>{PREFIX}{DIGITS}|[^\s<>()\"']++)"
URL: Final = r"https?://(?:[.,;:!]*+[^\s<>()\"'\].,;:!。，、；]++)++"
"""A URL within prose: the punctuation of the sentence is not part of it."""

ANY: Final = re.compile("")
PICTURE_FILE: Final = re.compile(r"/tmp/.|\.(?:png|jpe?g|webp|gif|avif)(?:\?|\Z)", re.IGNORECASE)  # noqa: S108 - a path of Flow2API

SHOWN: Final = (
    (re.compile(rf"!\[[^\[\]\n]{{0,1000}}\]\(\s*<?{TARGET}[^)\n]{{0,200}}\)"), ANY),
    (re.compile(rf"<img\b[^<>]{{0,1000}}?\bsrc\s*=\s*[\"']?{TARGET}", re.IGNORECASE), ANY),
    (re.compile(rf"(?P<target>{PREFIX}{DIGITS})"), ANY),
)
"""Markdown, HTML and data URI, and what the target must hold: ways to show a picture."""

NAMED: Final = (
    (re.compile(rf"(?P<target>{URL})", re.IGNORECASE), PICTURE_FILE),
    (re.compile(r"^[ \t]*(?P<target>https?://\S+)[ \t\r]*$", re.MULTILINE), ANY),
)
"""URL of a picture file, URL alone on its line: a URL within a sentence is more often that of a policy.

In all of these the first that finds anything is believed. Each is bounded, so that no text makes the search quadratic.
"""

PICTURE_FIELDS: Final = (
    "b64_json", "image_url", "imageUrl", "url", "data", "inlineData", "inline_data", "fileData", "file_data", "fileUri",
    "file_uri", "source",
)  # fmt: skip
"""The first that holds anything: an Images answer may have both `url` and `b64_json`, one of them null or empty."""

DEPTH: Final = 5
"""A list of objects that hold an object that holds a text is the deepest that any service sends."""

BASE64_ONLY: Final = re.compile(rf"(?=.{{64,}}|.*{STAND_IN}){DIGITS}", re.DOTALL)
DATA_URI: Final = re.compile(rf"{PREFIX}(?P<digits>{DIGITS})", re.IGNORECASE)


def in_text(text: str, *, ended: bool = True) -> list[Source]:
    """Find the pictures in the text. At the very end of a text that was cut may stand half a picture."""
    shown = in_words(text, ended=ended)
    if shown:
        return shown
    found = _matching(text, NAMED, ended=ended)
    return [replace(each, guessed=True) if isinstance(each, Link) else each for each in found]


def in_words(text: str, *, ended: bool = True) -> list[Source]:
    """Find only the pictures that the text shows. A URL that it names may be anything, as in a refusal."""
    return _matching(text, SHOWN, ended=ended)


def _matching(text: str, patterns: Sequence[tuple[re.Pattern[str], re.Pattern[str]]], *, ended: bool) -> list[Source]:
    for pattern, wanted in patterns:
        matches = (match for match in pattern.finditer(text) if ended or match.end() < len(text))
        found = [_source(match["target"]) for match in matches if wanted.search(match["target"])]
        sources = [source for source in found if source is not None]
        if sources:
            return sources
    return []


def in_field(value: object, depth: int = DEPTH) -> Iterator[Source]:
    """Yield the pictures in a field that is made for them: a text, an object, or a list of either.

    Gemini and the Responses API name the type of the data: other types than pictures are skipped.
    """
    match value:
        case _ if depth == 0:
            return
        case [*items]:
            for item in items:
                yield from in_field(item, depth - 1)
        case {"mimeType": str(kind)} | {"mime_type": str(kind)} | {"media_type": str(kind)} if not is_image(kind):
            return
        case {**fields}:
            inner = next(filter(None, (fields.get(name) for name in PICTURE_FIELDS)), None)
            yield from in_field(inner, depth - 1)
        case str(text):
            source = _source(text.strip())
            if source is not None:
                yield source
        case _:
            return


def is_image(media_type: str) -> bool:
    """Tell whether a media type is one of pictures."""
    return media_type.lower().startswith("image/")


def _source(text: str) -> Source | None:
    """Read a data URI, bare base64 (which may begin with a slash, as every JPEG does), a URL, or a path."""
    data_uri = DATA_URI.match(text)
    if data_uri:
        return Inline(data_uri["digits"])
    if BASE64_ONLY.fullmatch(text):
        return Inline(text)
    return Link(text) if text.lower().startswith(("http://", "https://", "/")) else None
