"""GET and HEAD of `/mcp-cache/{name}`: the pictures.

Not aiohttp's `FileResponse`: that one looks for compressed siblings, makes the ETag from the time of the file, which a
restore or a second machine changes, and answers a range whatever an ETag in `If-Range` says.

1. A name is looked up as it came. What is not there, or cannot be a name of ours, is one and the same 404.
2. The bytes under a name never change, so the name is the strong ETag, and a copy is good for a year. `private`: no
   shared cache may hand it on.
3. Preconditions come before ranges (RFC 9110, 13.2.2): If-Match, then If-None-Match, then Range if If-Range allows.
   There is no Last-Modified, so dates in conditions match nothing.
4. A name of an earlier server, whose pictures were taken over, leads to the same bytes under our name; their type is
   that of the bytes, whatever the old name says.
5. A picture is never a page: fixed type, `nosniff`, a sandbox. Chat clients embed it from other origins.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from aiohttp import ETag, hdrs, web

from service.routes import PICTURES
from service.storage.files import Files, OpenRange, StoredFile
from service.storage.imports import Imports

FILES: Final[web.AppKey[Files]] = web.AppKey("files")
IMPORTS: Final[web.AppKey[Imports]] = web.AppKey("imports")

SEND_TIMEOUT_S: Final = 600
"""The largest picture we keep by default has 100 MB; who takes longer for it than this has stopped reading."""

RANGE: Final = re.compile(r"bytes=([0-9]{0,20})-([0-9]{0,20})", re.ASCII | re.IGNORECASE)
"""One range of bytes. Several at once may be answered with the whole (RFC 9110, 14.2), and pictures need no better."""

OLD_NAME: Final = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9]{1,5}", re.ASCII)
"""The names of an earlier server: an MD5, and the extension that the URL or the person's file had."""

NOT_KEPT: Final = (
    "This picture is not kept here (any more). To get it back, ask for it in the chat by its history_id: the history "
    "may bring it back.\n这张图片已不在这里保存。请在对话里说出它的 history_id，要求重新显示：历史记录也许能找回它。\n"
)

SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    # Always, as a copy in the cache that an <img> asked for may be read by a script of the page later.
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
}
ABSENT: Final = {**SAFE, hdrs.CACHE_CONTROL: "no-store"}
"""For every other answer: the next one may differ."""


def add_routes(app: web.Application, files: Files, imports: Imports | None = None) -> None:
    """Serve these pictures, those of `imports` by their old names too. aiohttp answers other methods with 405."""
    app[FILES] = files
    if imports is not None:
        app[IMPORTS] = imports
    app.router.add_get(PICTURES.path + "{name}", picture_get, allow_head=True)


async def picture_get(request: web.Request) -> web.StreamResponse:
    """Answer with the picture, a part of it, or why not."""
    name = request.match_info["name"]
    stored = await request.app[FILES].find(name)
    if stored is None:
        name = await _name_here(request.app, name)
        stored = await request.app[FILES].find(name)
    if stored is None:
        return _absent()
    if request.if_match is not None and not _matches(request.if_match, name, weak=False):
        return web.Response(status=412, headers=ABSENT)
    if request.if_none_match is not None and _matches(request.if_none_match, name, weak=True):
        return web.Response(status=304, headers=_lasting(name))
    span = _asked_range(request, name, stored.size)
    if span is not None and not span:
        return web.Response(status=416, headers={**ABSENT, hdrs.CONTENT_RANGE: f"bytes */{stored.size}"})
    response = _head(name, stored, span)
    if request.method == hdrs.METH_HEAD or stored.size == 0:
        return response
    wanted = span or range(stored.size)
    opened = await request.app[FILES].open_range(name, wanted)
    if opened is None:  # removed since it was found
        return _absent()
    async with opened:
        await _send(request, response, opened, wanted)
    return response


async def send_whole(request: web.Request, files: Files, name: str, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with the bytes of a stored picture, as the file that `headers` name."""
    stored = await files.find(name)
    opened = None if stored is None else await files.open_range(name, range(stored.size))
    if stored is None or opened is None:
        return _absent()
    response = web.StreamResponse(headers={**SAFE, **headers, hdrs.CONTENT_TYPE: stored.media_type})
    response.content_length = stored.size
    async with opened:
        await _send(request, response, opened, range(stored.size))
    return response


async def _name_here(app: web.Application, old_name: str) -> str:
    """Return the name here of a picture that an earlier server had under another; "" where there is none."""
    if IMPORTS not in app or OLD_NAME.fullmatch(old_name) is None:
        return ""
    return await app[IMPORTS].find(old_name) or ""


def read_range(header: str, size: int) -> range | None:
    """Return the bytes of `size` that a Range header asks for (RFC 9110, 14.1.2); an empty range when there are none.

    None when it counts as absent: malformed, of another unit, or more than one range.
    """
    matched = RANGE.fullmatch(header.strip())
    match matched.groups() if matched else ("", ""):
        case ("", suffix) if suffix:
            return range(max(0, size - int(suffix)), size)
        case (first, "") if first:
            return range(int(first), size)
        case (first, last) if first and int(first) <= int(last):
            return range(int(first), min(int(last) + 1, size))
        case _:
            return None


def _asked_range(request: web.Request, name: str, size: int) -> range | None:
    """Only GET has ranges (RFC 9110, 14.2), and If-Range must name exactly these bytes (13.1.5)."""
    header = request.headers.get(hdrs.RANGE)
    if header is None or request.method != hdrs.METH_GET:
        return None
    if request.headers.get(hdrs.IF_RANGE, f'"{name}"') != f'"{name}"':
        return None
    return read_range(header, size)


def _matches(tags: Iterable[ETag], name: str, *, weak: bool) -> bool:
    return any(tag.value in {name, "*"} and (weak or not tag.is_weak) for tag in tags)


def _lasting(name: str) -> dict[str, str]:
    """Return the headers of a picture in 200 and 206, and again in 304 (RFC 9110, 15.4.5)."""
    return {**SAFE, hdrs.ETAG: f'"{name}"', hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable"}


def _head(name: str, stored: StoredFile, span: range | None) -> web.StreamResponse:
    response = web.StreamResponse(status=200 if span is None else 206, headers=_lasting(name))
    response.headers[hdrs.CONTENT_TYPE] = stored.media_type
    response.headers[hdrs.CONTENT_DISPOSITION] = f'inline; filename="{name}"'
    response.headers[hdrs.ACCEPT_RANGES] = "bytes"
    if span is not None:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {span.start}-{span.stop - 1}/{stored.size}"
    response.content_length = stored.size if span is None else len(span)
    return response


def _absent() -> web.Response:
    return web.Response(status=404, text=NOT_KEPT, headers=ABSENT)


async def _send(request: web.Request, response: web.StreamResponse, opened: OpenRange, span: range) -> None:
    """Send the bytes of the range. Once fewer than announced were sent, only closing tells the client."""
    sent = 0
    with suppress(ConnectionError, TimeoutError):  # the client has gone, or stopped reading
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await response.prepare(request)
            if opened.disk_file is None:
                sent = await _send_chunks(response, opened)
            elif request.transport is not None:
                loop = asyncio.get_running_loop()
                sent = await loop.sendfile(request.transport, opened.disk_file, span.start, len(span))
    if sent != len(span) and request.transport is not None:
        request.transport.abort()


async def _send_chunks(response: web.StreamResponse, opened: OpenRange) -> int:
    """Pass the bytes on as the storage gives them, and count them."""
    sent = 0
    async for chunk in opened.chunks():
        await response.write(chunk)
        sent += len(chunk)
    return sent
