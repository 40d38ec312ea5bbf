"""The size of results: content that a client does not take is left out, the whole stays under `Profile.max_bytes`.

Too long a result loses, in this order: images, what only a view shows, links, the ends of long words, the ends of long
lists, the last lines.
URLs, markdown images and history_ids are never cut, and structured content goes on matching its schema: strings get
shorter, lists lose their last entries, nothing else changes.
"""

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

import orjson

from service.profiles import Profile
from service.protocol.jsonrpc import Result
from service.tools.app_view import VIEW, without_thumbnails, without_view

ENVELOPE: Final = 8_000
"""Bytes for the message around a result. The longest id takes 6,000 of them, the members of the eras some hundred."""

LENGTHS: Final = (2000, 500, 200, 80)
"""Characters that a line of text or a string may have, tried until the result fits."""

EDGE: Final = 2000
"""Characters at either end of a line that may hold URLs and numbers of ours; between them are prompts."""

DATA: Final = "base64"
"""The member of structured content that is no text. Cut short it would be of no use, so it goes as a whole."""

LEFT_OUT: Final = "The image data did not fit into this answer; the URL shows the picture."
CUT: Final = "The rest did not fit into this answer. Ask for less at once, such as a smaller `limit`."
TOO_LONG: Final = "The answer is too long for this client. Ask for less at once, such as a smaller `limit`."

_PRECIOUS: Final = re.compile(r"!\[[^\[\]\n]{0,100}\]\([^\s()]{1,2000}\)|https?://\S{1,2000}|history_id:? \d+")
"""Markdown images, URLs and history_ids: they are never cut. No alternative may run over the start of another, or a
hostile prompt could make the search slow."""


def fit_to_limit(result: Result, profile: Profile) -> Result:
    """Return the result as this client gets it; `result` itself stays as it is."""
    room = profile.max_bytes - ENVELOPE
    for smaller in _smaller(_taken(result, profile), room):
        if _size(smaller) <= room:
            return smaller
    return {"content": [{"type": "text", "text": TOO_LONG}], "isError": True}


def _taken(result: Result, profile: Profile) -> Result:
    """Leave out the kinds of content that the client does not take."""
    takes = {"image": profile.preview_bytes > 0, "resource_link": profile.links}
    taken = {**result, "content": [block for block in result["content"] if takes.get(block["type"], True)]}
    if not profile.structured:
        taken.pop("structuredContent", None)
    return taken


def _size(result: Result) -> int:
    """Bytes of the encoded result. The base64 of images encodes to itself, so it is counted and not written out."""
    data, bare = 0, []
    for block in result["content"]:
        data += len(block.get("data", ""))
        bare.append({**block, "data": ""} if "data" in block else block)
    return data + len(orjson.dumps({**result, "content": bare}))


def _smaller(result: Result, room: int) -> Iterator[Result]:
    """The result, then smaller and smaller ones, each made only when it is asked for."""
    yield result
    result = orjson.loads(orjson.dumps(result))  # parts that were encoded before can be cut then
    while any(block["type"] == "image" for block in result["content"]):
        result = _without_last_image(result)
        yield result
    if VIEW in result.get("_meta", {}):
        result = without_thumbnails(result)
        yield result
        result = without_view(result)
        yield result
    if any(block["type"] == "resource_link" for block in result["content"]):
        result = {**result, "content": [block for block in result["content"] if block["type"] != "resource_link"]}
        yield result
    for length in LENGTHS:
        result = _with_shorter_words(result, length)
        yield result
    while any(len(value) > 1 for value in _lists(result)):
        result = _with_shorter_lists(result)
        yield result
    yield _with_fewer_lines(result, room)


def _without_last_image(result: Result) -> Result:
    """One image less; the first text says so, once."""
    content = list(result["content"])
    del content[max(index for index, block in enumerate(content) if block["type"] == "image")]
    if content and content[0]["type"] == "text" and LEFT_OUT not in content[0]["text"]:
        content[0] = {**content[0], "text": f"{content[0]['text']}\n{LEFT_OUT}"}
    return {**result, "content": content}


def _with_shorter_words(result: Result, length: int) -> Result:
    content = [
        {**block, "text": "\n".join(_shorter_line(line, length) for line in block["text"].split("\n"))}
        if block["type"] == "text"
        else block
        for block in result["content"]
    ]
    shorter = {**result, "content": content}
    if "structuredContent" in result:
        shorter["structuredContent"] = _shorter(result["structuredContent"], length)
    return shorter


def _shorter_line(line: str, length: int) -> str:
    """The first characters of a line, then whatever is precious in the rest of it."""
    if len(line) <= length:
        return line
    if len(line) > 2 * EDGE:
        line = f"{line[:EDGE].rpartition(' ')[0] or line[:EDGE]} {line[-EDGE:].partition(' ')[2]}"
    kept, end = [], length
    for found in _PRECIOUS.finditer(line):
        if found.end() > length:
            kept.append(found.group())
            end = min(end, found.start())
    return " ".join([f"{line[:end].rstrip()}…", *kept])


def _shorter(value: Any, length: int) -> Any:
    match value:
        case str():
            return value if len(value) <= length or _PRECIOUS.fullmatch(value) else f"{value[: length - 1]}…"
        case list():
            return [_shorter(each, length) for each in value]
        case dict():
            return {key: _shorter(each, length) for key, each in value.items() if key != DATA}
        case _:
            return value


def _lists(result: Result) -> list[list[Any]]:
    return [value for value in result.get("structuredContent", {}).values() if isinstance(value, list)]


def _with_shorter_lists(result: Result) -> Result:
    """Half of each list of the structured content."""
    halved = {
        key: value[: max(1, len(value) // 2)] if isinstance(value, list) else value
        for key, value in result["structuredContent"].items()
    }
    return {**result, "structuredContent": halved}


def _with_fewer_lines(result: Result, room: int) -> Result:
    """As many lines of each text as there is room for, and word of the rest."""
    bare = [{**block, "text": CUT} if block["type"] == "text" else block for block in result["content"]]
    left = room - _size({**result, "content": bare})
    content = []
    for block in result["content"]:
        lines = block["text"].split("\n") if block["type"] == "text" else []
        sizes = accumulate(len(orjson.dumps(line)) for line in lines)
        kept = [line for line, size in zip(lines, sizes, strict=True) if size <= left]
        left -= len(orjson.dumps("\n".join(kept)))
        text = {"text": "\n".join(kept if len(kept) == len(lines) else [*kept, CUT])} if lines else {}
        content.append({**block, **text})
    return {**result, "content": content}
