"""GET and HEAD of `/mcp-cache/{name}`: the pictures, and with `?w=320` their derivatives.

Not aiohttp's `FileResponse`: that one looks for compressed siblings, makes the ETag from the time of the file, which a
restore or a second machine changes, and answers a range whatever an ETag in `If-Range` says.

1. A name is looked up as it came. What is not there, or cannot be a name of ours, is one and the same 404.
2. The bytes under a name never change, so the name is the strong ETag, and a copy is good for a year. `private`: no
   shared cache may hand it on.
3. Preconditions come before ranges (RFC 9110, 13.2.2): If-Match, then If-None-Match, then Range if If-Range allows.
   There is no Last-Modified, so dates in conditions match nothing.
4. A name of an earlier server, whose pictures were taken over, leads to the same bytes under our name; their type is
   that of the bytes, whatever the old name says.
5. `w` is one of `files.WIDTHS`, `f` webp or jpeg; without `f`, `Accept` decides. Any other value is the 404 of a name
   that is not there, before anything is read. Other parameters mean nothing: chat programs add some of their own.
6. A picture is never a page: fixed type, `nosniff`, a sandbox. Chat clients embed it from other origins.
7. What is asked for again comes from memory (`hot_pictures.py`), with the same headers (`picture_response.py`).
"""

import re
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Final

from aiohttp import ETag, hdrs, web

from service.bounds.limits import LimitError
from service.images import WorkError
from service.pictures.derivatives import Derivatives
from service.pictures.messages import BadPictureError
from service.routes import PICTURES
from service.storage.files import DERIVATIVES as KNOWN
from service.storage.files import Derivative, Files, StoredFile
from service.storage.imports import Imports
from service.troubles import STORAGE
from service.web.hot_pictures import HOT_BYTES, HotPictures
from service.web.picture_response import SAFE, Served, not_modified, send_file, send_held, send_range

FILES: Final[web.AppKey[Files]] = web.AppKey("files")
IMPORTS: Final[web.AppKey[Imports]] = web.AppKey("imports")
DERIVATIVES: Final[web.AppKey[Derivatives]] = web.AppKey("derivatives")
HOT: Final[web.AppKey[HotPictures]] = web.AppKey("hot")

RANGE: Final = re.compile(r"bytes=([0-9]{0,20})-([0-9]{0,20})", re.ASCII | re.IGNORECASE)
"""One range of bytes. Several at once may be answered with the whole (RFC 9110, 14.2), and pictures need no better."""

OLD_NAME: Final = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9]{1,5}", re.ASCII)
"""The names of an earlier server: an MD5, and the extension that the URL or the person's file had."""

NOT_KEPT: Final = (
    "This picture is not kept here (any more). To get it back, ask for it in the chat by its history_id: the history "
    "may bring it back.\n这张图片已不在这里保存。请在对话里说出它的 history_id，要求重新显示：历史记录也许能找回它。\n"
)

NOT_SMALLER: Final = (
    "There is no smaller copy of this picture: it cannot be decoded here. Without ?w= it is here as it came.\n"
    "这张图片没有较小的版本：这里无法解码它。去掉 ?w= 即可看到原图。\n"
)
TRY_AGAIN: Final = (
    "Too many smaller copies are being made. Try again in a moment.\n正在生成的缩略图太多，请稍后再试。\n"
)
OUT_OF_REACH: Final = (
    "The storage of pictures cannot be reached just now. Try again in a moment.\n暂时无法访问图片存储，请稍后再试。\n"
)
RETRY_S: Final = 2

WIDTH: Final = "w"
FORMAT: Final = "f"
FORMATS: Final[Mapping[str, str]] = {"webp": "webp", "jpeg": "jpg"}
BY_PARAMETERS: Final[Mapping[tuple[str, str], Derivative]] = {
    (str(each.width), format_): each for each in KNOWN for format_ in FORMATS if FORMATS[format_] == each.extension
}
"""The derivatives by the values of their parameters, letter by letter: 0320 is none."""

TAKES_WEBP: Final = re.compile(r"\bimage/webp\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.ASCII | re.IGNORECASE)

ABSENT: Final = {**SAFE, hdrs.CACHE_CONTROL: "no-store"}
"""For every other answer: the next one may differ."""


def add_routes(
    app: web.Application,
    files: Files,
    imports: Imports | None = None,
    derivatives: Derivatives | None = None,
    hot_bytes: int = HOT_BYTES,
) -> None:
    """Serve these pictures, those of `imports` by their old names too. aiohttp answers other methods with 405."""
    app[FILES] = files
    app[HOT] = HotPictures(files, hot_bytes)
    if derivatives is not None:
        app[DERIVATIVES] = derivatives
        app.on_cleanup.append(lambda _: derivatives.close())
    if imports is not None:
        app[IMPORTS] = imports
    app.router.add_get(PICTURES.path + "{name}", picture_or_trouble, allow_head=True)


async def picture_or_trouble(request: web.Request) -> web.StreamResponse:
    """Answer as `picture_get` does, or with 503 while the storage of pictures cannot be reached."""
    try:
        return await picture_get(request)
    except WorkError as error:
        if error.kind != STORAGE:
            raise
        return _busy(503, RETRY_S, OUT_OF_REACH)


async def picture_get(request: web.Request) -> web.StreamResponse:
    """Answer with the picture, a part of it, or why not."""
    served = await _find(request)
    if isinstance(served, web.Response):
        return served
    if hdrs.IF_MATCH in request.headers and not _matches(request.if_match, served.tag, weak=False):
        return web.Response(status=412, headers=ABSENT)
    if (known := request.headers.get(hdrs.IF_NONE_MATCH)) is not None and (
        known == served.lasting[hdrs.ETAG] or _matches(request.if_none_match, served.tag, weak=True)
    ):
        return not_modified(request, served)
    size = served.stored.size
    span = _asked_range(request, served.tag, size)
    if span is not None and not span:
        return web.Response(status=416, headers={**ABSENT, hdrs.CONTENT_RANGE: f"bytes */{size}"})
    if served.held is None:
        return await send_file(request, served, span, request.app[FILES]) or _absent()  # removed since it was found
    return await send_held(request, served, span, request.app[HOT].sending)


async def _find(request: web.Request) -> Served | web.Response:
    """Return the picture or the derivative that is asked for, or the answer that there is none."""
    name = request.match_info["name"]
    asked = _asked_derivative(request)
    if "~" in name or isinstance(asked, web.Response):  # a derivative has no address but that of its picture
        return _absent()
    hot = request.app[HOT]
    source = name if asked is None else asked.of(name)
    varies = asked is not None and FORMAT not in request.query
    held = hot.find(source, varies=varies) or await hot.confirm(source, varies=varies)
    if held is not None:
        return held
    stored = await request.app[FILES].find(name)
    if stored is None:
        name = await _name_here(request.app, name)
        stored = await request.app[FILES].find(name)
    if stored is None:
        return _absent()
    if asked is None:
        return await hot.warm(Served(stored=stored, tag=name, shown_as=name, source=name))
    found = await _find_derived(request, name, asked)
    return found if isinstance(found, web.Response) else await hot.warm(found)


def _asked_derivative(request: web.Request) -> Derivative | web.Response | None:
    """Return the derivative that the query asks for; None for the picture itself, and 404 for what there never is."""
    if not request.query_string:
        return None
    widths, formats = request.query.getall(WIDTH, []), request.query.getall(FORMAT, [])
    if not widths and not formats:
        return None
    accepted = ",".join(request.headers.getall(hdrs.ACCEPT, ()))
    format_ = formats[0] if formats else "webp" if TAKES_WEBP.search(accepted) else "jpeg"
    derivative = BY_PARAMETERS.get((widths[0] if widths else "", format_))
    return derivative if derivative is not None and max(len(widths), len(formats)) == 1 else _absent()


async def _find_derived(request: web.Request, name: str, derivative: Derivative) -> Served | web.Response:
    """Return a derivative, made now where it is not kept. Its tag has its size: another release may make it anew."""
    source, data = derivative.of(name), None
    stored = await request.app[FILES].find(source)
    if stored is None and DERIVATIVES in request.app:
        try:
            data = await request.app[DERIVATIVES].make(name, derivative)
        except BadPictureError as error:
            return _busy(503, RETRY_S) if error.code == "undecoded" else _absent(NOT_SMALLER)
        except LimitError as full:
            return _busy(429, full.retry_after_s)
        stored = None if data is None else StoredFile(media_type=derivative.media_type, size=len(data))
    if stored is None:
        return _absent()
    stem = name.partition(".")[0]
    return Served(
        stored=stored,
        tag=f"{source}~{stored.size:x}",
        shown_as=f"{stem}-{derivative.width}.{derivative.extension}",
        source=source,
        varies=FORMAT not in request.query,
        held=data,
    )


async def send_whole(request: web.Request, files: Files, name: str, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with the bytes of a stored picture, as the file that `headers` name."""
    stored = await files.find(name)
    opened = None if stored is None else await files.open_range(name, range(stored.size))
    if stored is None or opened is None:
        return _absent()
    response = web.StreamResponse(headers={**SAFE, **headers, hdrs.CONTENT_TYPE: stored.media_type})
    response.content_length = stored.size
    async with opened:
        await send_range(request, response, opened, range(stored.size))
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


def _asked_range(request: web.Request, tag: str, size: int) -> range | None:
    """Only GET has ranges (RFC 9110, 14.2), and If-Range must name exactly these bytes (13.1.5)."""
    header = request.headers.get(hdrs.RANGE)
    if header is None or request.method != hdrs.METH_GET:
        return None
    if request.headers.get(hdrs.IF_RANGE, f'"{tag}"') != f'"{tag}"':
        return None
    return read_range(header, size)


def _matches(tags: Iterable[ETag] | None, own: str, *, weak: bool) -> bool:
    return any(tag.value in {own, "*"} and (weak or not tag.is_weak) for tag in tags or ())


def _absent(words: str = NOT_KEPT) -> web.Response:
    return web.Response(status=404, text=words, headers=ABSENT)


def _busy(status: int, seconds: float, words: str = TRY_AGAIN) -> web.Response:
    headers = {**ABSENT, hdrs.RETRY_AFTER: str(ceil(seconds))}
    return web.Response(status=status, text=words, headers=headers)
