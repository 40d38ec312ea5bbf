"""Sources of pictures in an answer: fields that are made for them, and markdown, HTML and URLs in its text.

A source is a `Link`, `Inline` base64 or `Raw` bytes; base64 may hold stand-ins of `base64_extractor`. A media type is
not trusted here: relays write any or none, and the bytes tell what they are.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final
from urllib.parse import unquote

import orjson

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


@dataclass(frozen=True)
class Raw:
    """The bytes of a picture that is the whole answer."""

    data: bytes = field(repr=False)


Source = Link | Inline | Raw

DIGIT: Final = "[A-Za-z0-9+/=_-]"
BREAK: Final = rf"\r?\n(?={DIGIT}{{60}}|{STAND_IN}|{DIGIT}*\s*[)\"'<]|[A-Za-z0-9+/_-]+==?(?:\s|\Z))"
DIGITS: Final = rf"(?:{STAND_IN}|{DIGIT}++|{BREAK}|%2[BbFf]|%3[Dd])++"
"""Base64 as it stands in text: literal, taken out, in lines as MIME breaks them, or with the escapes of a URL."""

OTHER_TYPE: Final = r"(?:text|audio|video|font)/|application/(?:json|pdf|javascript|xml|zip)"
PREFIX: Final = (
    rf"(?:(?:data:\s{{0,4}}|(?=image/))(?!{OTHER_TYPE})[\w.+/*-]{{0,100}}"
    rf"(?:\s{{0,4}};(?:\s{{0,4}}[\w.+-]{{1,60}}=(?:\"[^\"]{{0,100}}\"|[\w.+-]{{0,60}}))?){{0,4}}"
    r"\s{0,4};\s{0,4}base64(?:;[\w.=+-]{1,60})?\s{0,4}(?:,|%2c)\s{0,4})+"
)
"""The head of a data URI, of any type that may be a picture, or of none; `data:` itself may be missing.

Quirks: Helicone PR #4223 writes a space after the comma, grok2api #53 writes the head twice.
"""

URL: Final = r"https?://(?:[.,;:!]*+[^\s<>()\"'`\].,;:!。，、；）】」』》]++)++"
"""A URL within prose: the punctuation of the sentence is not part of it."""

DATA_URI: Final = re.compile(rf"{PREFIX}(?P<digits>(?:{DIGITS}|[ \t])++)", re.IGNORECASE)
DATA_URI_IN_WORDS: Final = re.compile(rf"{PREFIX}{DIGITS}", re.IGNORECASE)
BASE64_ONLY: Final = re.compile(rf"(?=.{{64,}}|.*{STAND_IN}){DIGITS}", re.DOTALL)
PICTURE_FILE: Final = re.compile(r"/tmp/.|\.(?:png|jpe?g|webp|gif|avif)(?:\?|\Z)", re.IGNORECASE)  # noqa: S108 - a path of Flow2API

WITHOUT_HOST: Final = re.compile(r"(?:https?:///+|(?:none|null|undefined)/)", re.IGNORECASE)
WITHOUT_SCHEME: Final = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)*):[0-9]{1,5}/\S+\Z", re.IGNORECASE)
"""URLs of services whose own address is not configured, or is one without `http://`."""

MARKDOWN: Final = re.compile(r"!\[[^\[\]]{0,2000}\]\(\s{0,20}")
"""The head of a markdown image. Its alternative text is often the prompt, which may hold line breaks."""

TITLE: Final = re.compile(r"\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\))\s*\Z")
LONGEST_URL: Final = 4000
MOST_SHOWN: Final = 64
"""Markdown images that are looked at, so that no text takes long to search."""

HTML: Final = re.compile(r"<img\b[^<>]{0,1000}?\bsrc\s{0,4}=\s{0,4}", re.IGNORECASE)
QUOTED: Final = re.compile(r"\"([^\"<>]*)\"|'([^'<>]*)'|([^\s<>\"']+)")

NAMED: Final = (
    re.compile(URL, re.IGNORECASE),
    re.compile(r"^[ \t]*(?:\[[^\[\]\n]{0,200}\]\()?(https?://[^\s()]+)\)?[ \t\r]*$", re.MULTILINE),
)
"""URL of a picture file, and URL or link alone on its line: a URL within a sentence is more often that of a policy."""

MARKS: Final = re.compile(r"[*~_]+\Z|\[/")
"""Signs of bold text, or of BBCode, behind a URL."""

FENCE: Final = re.compile(r"\A```\w{0,20}\n|```\Z")

PICTURE_FIELDS: Final = (
    "b64json", "bytesbase64encoded", "base64", "b64", "imagebase64", "base64image", "imageb64", "binarydatabase64",
    "imageurl", "imageurls", "url", "urls", "image", "images", "img", "inlinedata", "filedata", "fileuri", "uri",
    "data", "source", "sample", "outputimages", "imagelist", "generatedimages", "artifacts", "predictions", "output",
    "outputs", "result", "results", "taskresult", "item", "file", "response", "resultimage",
)  # fmt: skip
"""Fields for pictures, in lower case and without `_`. The first that holds any counts: an Images answer may have both
`url` and `b64_json`, one of them null or empty.
"""

DEPTH: Final = 8
"""A list of objects in an object in an object (`data.result.images[].url[]`) is the deepest that any service sends."""


def in_text(text: str, *, ended: bool = True) -> list[Source]:
    """Find the pictures in the text. At the very end of a text that was cut may stand half a picture.

    The first way to show or to name a picture that finds any is believed.
    """
    shown = in_words(text, ended=ended)
    if shown:
        return shown
    if ended and (whole := _whole(text)):
        return whole
    text = text.replace("\\/", "/")
    files = [MARKS.split(found[0])[0] for found in NAMED[0].finditer(text) if ended or found.end() < len(text)]
    alone = [found[1] for found in NAMED[1].finditer(text) if ended or found.end() < len(text)]
    urls = [url for url in files if PICTURE_FILE.search(url)] or alone
    return [Link(url, guessed=True) for url in urls]


def in_words(text: str, *, ended: bool = True) -> list[Source]:
    """Find only the pictures that the text shows. A URL that it names may be anything, as in a refusal."""
    for targets in (_in_markdown, _in_html, _data_uris):
        found = [_source(target) for target, end in targets(text) if ended or end < len(text)]
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
        case {"mimeType": str(kind)} | {"mime_type": str(kind)} | {"media_type": str(kind)} if _is_other(kind):
            return
        case {"choices": [*choices]}:
            for choice in choices:
                yield from _in_choice(choice, depth - 1)
        case {**fields}:
            by_name = {name.replace("_", "").lower(): inner for name, inner in fields.items() if isinstance(name, str)}
            for name in PICTURE_FIELDS:
                sources = list(in_field(by_name.get(name), depth - 1))
                yield from sources
                if sources:
                    return
        case str(text):
            source = _source(text)
            yield from in_words(text) if source is None else [source]


def _in_choice(choice: object, depth: int) -> Iterator[Source]:
    """Yield the pictures of a chat's choice that stands in another answer, as DashScope's `output` holds it."""
    match choice:
        case {"message": {**message}} | {"delta": {**message}}:
            yield from in_field(message.get("images"), depth)
            content = message.get("content")
            yield from in_words(content) if isinstance(content, str) else in_field(content, depth)


def _whole(text: str) -> list[Source]:
    """Return the picture of a text that is nothing but base64, or JSON that holds some."""
    body = FENCE.sub("", text.strip()).strip()
    if BASE64_ONLY.fullmatch(body):
        return [Inline(body)]
    if not body.startswith(("{", "[")):
        return []
    try:
        return [source for source in in_field(orjson.loads(body)) if isinstance(source, Inline)]
    except orjson.JSONDecodeError:
        return []


def is_file(url: str) -> bool:
    """Tell whether a URL names a picture file."""
    return PICTURE_FILE.search(url) is not None


def _in_markdown(text: str) -> Iterator[tuple[str, int]]:
    """Yield the target of each markdown image, and where the image ends.

    CommonMark, "Links": parentheses within a URL are balanced, and one with spaces stands in angle brackets. Relays
    write names of files as they are, also `picture (1).png`.
    """
    for head in islice(MARKDOWN.finditer(text), MOST_SHOWN):
        data_uri = DATA_URI.match(text, head.end())
        at = data_uri.end() if data_uri else head.end()
        end = _closing(text, at)
        if data_uri and end:
            yield data_uri[0], end
        elif end:
            yield TITLE.sub("", text[at : end - 1]), end


def _closing(text: str, at: int) -> int:
    """Return the place after the parenthesis that closes a markdown image; after the first one where they differ."""
    depth, first = 0, 0
    for place in range(at, min(at + LONGEST_URL, len(text))):
        match text[place]:
            case "\n":
                break
            case "(":
                depth += 1
            case ")" if depth == 0:
                return place + 1
            case ")":
                depth -= 1
                first = first or place + 1
    return first


def _in_html(text: str) -> Iterator[tuple[str, int]]:
    for head in HTML.finditer(text):
        quote = '"' if text.startswith('"', head.end()) else "'" if text.startswith("'", head.end()) else ""
        data_uri = DATA_URI.match(text, head.end() + len(quote))
        attribute = None if data_uri else QUOTED.match(text, head.end())
        if data_uri:
            yield data_uri[0], data_uri.end()
        elif attribute:
            yield html.unescape(attribute[1] or attribute[2] or attribute[3] or ""), attribute.end()


def _data_uris(text: str) -> Iterator[tuple[str, int]]:
    return ((found[0], found.end()) for found in DATA_URI_IN_WORDS.finditer(text))


def _is_other(media_type: str) -> bool:
    return re.match(OTHER_TYPE, media_type, re.IGNORECASE) is not None


def _source(text: str) -> Source | None:
    """Read a data URI, bare base64 (which may begin with a slash, as every JPEG does), a URL, or a path."""
    text = text.strip(" \t\r\n<>`\"'").removeprefix("b'").removeprefix('b"')  # bytes as Python prints them
    if text[:7].lower() == "data%3a":
        text = unquote(text)
    data_uri = DATA_URI.match(text)
    if data_uri:
        return Inline(data_uri["digits"].strip())
    if BASE64_ONLY.fullmatch(text):
        return Inline(text)
    if WITHOUT_HOST.match(text):
        return Link(f"/{WITHOUT_HOST.sub('', text)}")
    if WITHOUT_SCHEME.match(text):
        return Link(f"http://{text}")
    return Link(text.replace(" ", "%20")) if text.lower().startswith(("http://", "https://", "/")) else None
