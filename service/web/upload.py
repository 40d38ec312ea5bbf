"""`/upload/{secret}`: the page by which a person sends pictures from their device, and the POST that receives them.

1. The link is the key, so no token is asked for. It works once, and its page says for which prompt. A link that is
   unknown, used or expired shows a page that says so and how to get another. GET uses nothing up: chat programs look at
   links before people do.
2. POST takes the bytes of all pictures, one after the other. `sizes` in the query gives the bytes of each; without it
   the body is one picture (`curl --data-binary @cat.png`). All pictures are stored, or none, and then the link still
   works.
3. The whole body is read before it is answered, since a browser that is still sending does not read an answer. Its
   length is checked before the reading begins, and one picture at a time is in memory.
4. A link for a mask shows the page with the brush. `/upload/{secret}/picture` is the picture below it, as a JPEG that
   a phone loads quickly and shows upright; it needs the link, and ends with it. What POST takes then is one mask.
"""

import asyncio
import logging
import math
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final, TypeAlias

from aiohttp import hdrs, web

from service.bounds.limits import REQUEST_MEGABYTES, InUse, LimitError
from service.images import LOCAL_OWNER, WorkError
from service.pictures.library import ImportedMask, ImportedPicture, Importer
from service.pictures.messages import BadPictureError
from service.pipeline.running_jobs import finish_despite_cancel
from service.redaction import visible
from service.references.uploads import MAX_PICTURES, MAX_TOTAL_BYTES, Uploads
from service.routes import UPLOADS
from service.storage.upload_records import Upload
from service.web.pages import SAFE, HtmlPage

logger = logging.getLogger(__name__)

IDLE_S: Final = 30.0
"""Seconds between two pieces of a body; a phone in a tunnel comes back within that or starts anew."""

TOTAL_S: Final = 900.0
"""Seconds for a whole body: the largest at 600 kilobits per second."""

PIECE: Final = 256 * 1024
SIZES: Final = re.compile(rf"[0-9]{{1,9}}(?:,[0-9]{{1,9}}){{0,{MAX_PICTURES - 1}}}", re.ASCII)
NUMBER: Final = re.compile(r"[0-9]{1,3}", re.ASCII)

CLOSED: Final = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
"""The policy of answers to programs."""

SHOWN_BYTES: Final = 12_000_000
"""Largest JPEG that is painted over: 16 megapixels of the finest detail."""

Taken: TypeAlias = ImportedPicture | ImportedMask

DEAD_LINKS: Final = {
    "unknown": (404, "There is no such upload link. Ask for a new one in the chat."),
    "gone": (410, "The picture is not kept here any more. Ask in the chat to start from it again."),
    "used": (410, "Something was sent by this link before. Ask for a new one in the chat."),
    "expired": (410, "This link could be used for an hour. Ask for a new one in the chat."),
}
"""States of a link that does not work, with status and message; the page has words of its own for each."""


class UploadError(Exception):
    """The whole sending is refused; `code` is a key of the page's words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Answer with this HTTP status, and tell `message` to programs."""
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(kw_only=True)
class UploadHandler:
    """The state and the limits of the route. `arriving` are the links by which pictures are being sent at this moment.

    `make_room` is called with the names of new files, and removes older ones over the limits. `discard` removes the
    files of an owner that were stored for a sending that failed.
    """

    uploads: Uploads
    importer: Importer
    max_bytes: int
    make_room: Callable[[Collection[str]], Awaitable[None]]
    discard: Callable[[str, Collection[str]], Coroutine[Any, Any, None]]
    in_use: InUse = field(default_factory=lambda: InUse(REQUEST_MEGABYTES))
    """The bytes of requests that are being received, those of this route included."""
    page: HtmlPage = field(default_factory=lambda: HtmlPage.read("upload_page.html"))
    mask_page: HtmlPage = field(default_factory=lambda: HtmlPage.read("mask_page.html"))
    arriving: set[str] = field(default_factory=set)
    idle_s: float = IDLE_S
    total_s: float = TOTAL_S

    async def state(self, secret: str) -> tuple[Upload | None, str]:
        """Return the upload that a secret opens, and `open` or one of `DEAD_LINKS`."""
        upload = await self.uploads.find(secret)
        if upload is None:
            return None, "unknown"
        if upload.names:
            return upload, "used"
        return upload, "expired" if self.uploads.is_over(upload) else "open"

    async def picture_under(self, upload: Upload) -> bytes | None:
        """Return the picture over which a mask is painted; None when it is gone."""
        return await self.importer.files.read(upload.request.picture)

    async def take(self, upload: Upload, data: bytes) -> Taken:
        """Store a picture, or the mask, that came by a link. Raises `BadPictureError`."""
        if not upload.request.picture:
            return await self.importer.import_picture(upload.owner, data)
        picture = await self.picture_under(upload)
        if picture is None:
            raise _gone("gone")
        return await self.importer.import_mask(upload.owner, data, picture)

    async def leads_on(self, upload: Upload, names: Sequence[str]) -> dict[str, str]:
        """Return the secret of the link by which a mask is painted next, where one is."""
        if not upload.request.paints:
            return {}
        with suppress(LimitError):  # the next call says so
            return {"paint": await self.uploads.mask_secret(upload, names[0])}
        return {}

    @contextmanager
    def alone(self, upload: Upload) -> Iterator[None]:
        """Allow one sending at a time by each link, which bounds the memory that one link can cost."""
        if upload.id in self.arriving:
            raise UploadError(409, "busy", "Pictures are being sent by this link at this moment.")
        self.arriving.add(upload.id)
        try:
            yield
        finally:
            self.arriving.discard(upload.id)


HANDLER: Final[web.AppKey[UploadHandler]] = web.AppKey("upload_handler")


def add_routes(app: web.Application, handler: UploadHandler) -> None:
    """Serve the page and receive the pictures it sends."""
    app[HANDLER] = handler
    app.router.add_get(UPLOADS.path + "{secret}", upload_get, allow_head=True)
    app.router.add_post(UPLOADS.path + "{secret}", upload_post)
    app.router.add_get(UPLOADS.path + "{secret}/picture", picture_get, allow_head=True)


async def upload_get(request: web.Request) -> web.Response:
    """Answer with the page, also for a link that does not work."""
    handler = request.app[HANDLER]
    upload, state = await handler.state(request.match_info["secret"])
    prompt = upload.request.prompt if upload is not None and state not in DEAD_LINKS else ""
    values = {
        "state": state,
        "most": str(_most(request)),
        "megabytes": str(handler.max_bytes // 1_000_000),
        "together": str(MAX_TOTAL_BYTES // 1_000_000),
        "prompt": escape(prompt),
        "owner": "" if upload is None or state in DEAD_LINKS else escape(named(upload.owner)),
        "paints": "yes" if upload is not None and upload.request.paints else "",
        "until": str(0 if upload is None else round(upload.expires_at * 1000)),
    }
    page = handler.mask_page if upload is not None and upload.request.picture else handler.page
    return page.answer(page.fill(values), DEAD_LINKS[state][0] if state in DEAD_LINKS else 200)


async def picture_get(request: web.Request) -> web.Response:
    """Answer with the picture over which a mask is painted, as long as its link works."""
    handler = request.app[HANDLER]
    try:
        upload, state = await handler.state(request.match_info["secret"])
        if upload is None or not upload.request.picture:
            raise _gone("unknown")
        stored = await handler.importer.files.find(upload.request.picture) if state == "open" else None
        if stored is None:
            raise _gone("gone" if state == "open" else state)
        with handler.in_use.hold(upload.owner, stored.size):
            return await _shown(handler, upload)
    except (UploadError, LimitError, WorkError) as error:
        return _refused(error)


async def _shown(handler: UploadHandler, upload: Upload) -> web.Response:
    data = await handler.picture_under(upload)
    if data is None:
        raise _gone("gone")
    shown = await handler.importer.decoders.copy(upload.owner, data, SHOWN_BYTES)
    return web.Response(body=shown.data, content_type="image/jpeg", headers={**SAFE, **CLOSED})


async def upload_post(request: web.Request) -> web.Response:
    """Receive the pictures of one sending."""
    handler = request.app[HANDLER]
    try:
        upload, state = await handler.state(request.match_info["secret"])
        if upload is None or state in DEAD_LINKS:
            raise _gone(state)
        sizes = _sizes(request, handler.max_bytes, 1 if upload.request.picture else MAX_PICTURES)
        # One picture at a time is in memory.
        with handler.alone(upload), handler.in_use.hold(upload.owner, max(sizes)):
            async with asyncio.timeout(handler.total_s):
                return await _receive(request, handler, upload, sizes)
    except TimeoutError:
        return _answer(408, {"error": {"code": "network", "message": "It took too long."}})
    except (UploadError, LimitError, WorkError) as error:
        return _refused(error)


async def _receive(request: web.Request, handler: UploadHandler, upload: Upload, sizes: Sequence[int]) -> web.Response:
    """Read and store one picture after the other, and record all of them as the upload, or none."""
    taken: list[Taken] = []
    received = False
    try:
        wrong = await _store(request, handler, upload, sizes, taken)
        if wrong:
            message = " ".join(each["message"] for each in wrong) + " Nothing was taken, and the link still works."
            return _answer(422, {"error": {"code": "bad_pictures", "message": message}, "files": wrong})
        names = [each.name for each in taken]
        received = await handler.uploads.receive(upload, names)
        if not received:
            raise _gone("used")
    finally:
        # One that was there before came by another link or call, and stays.
        if not received and (fresh := [each.name for each in taken if each.fresh]):
            await finish_despite_cancel(handler.discard(upload.owner, fresh))
    await handler.make_room(names)
    logger.info("%d pictures were sent for %s", len(names), upload.owner)
    then = await handler.leads_on(upload, names)
    return _answer(200, {"pictures": len(names), "message": "Received. Go back to the chat.", **then})


async def _store(
    request: web.Request, handler: UploadHandler, upload: Upload, sizes: Sequence[int], taken: list[Taken]
) -> list[dict[str, Any]]:
    """Read and store the pictures, adding to `taken`; return the problems of those that cannot be used."""
    wrong: list[dict[str, Any]] = []
    for number, size in enumerate(sizes):
        data = await _read(request, size, handler.idle_s)
        try:
            taken.append(await handler.take(upload, data))
        except BadPictureError as error:
            message = f"{'The mask' if upload.request.picture else f'Picture {number + 1}'} {error.problem}."
            wrong.append({"file": number, "code": error.code, "message": message})
    return wrong


def _sizes(request: web.Request, max_bytes: int, most: int) -> list[int]:
    """Return the bytes of each picture, checked before any is read."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise UploadError(415, "failed", "Send the bytes as they are, without Content-Encoding.")
    if request.content_length is None:
        raise UploadError(411, "failed", "Send Content-Length.")
    text = request.query.get("sizes", str(request.content_length))
    if not SIZES.fullmatch(text) or text.count(",") >= most:
        raise UploadError(400, "failed", f"`sizes` must be numbers of bytes with commas between, {most} at most.")
    sizes = [int(each) for each in text.split(",")]
    if sum(sizes) != request.content_length:
        raise UploadError(400, "failed", "`sizes` and Content-Length do not agree.")
    if max(sizes) > max_bytes:
        raise UploadError(413, "too_large", f"A picture may have {max_bytes // 1_000_000} MB.")
    if sum(sizes) > MAX_TOTAL_BYTES:
        raise UploadError(413, "too_large_together", f"All together may have {MAX_TOTAL_BYTES // 1_000_000} MB.")
    return sizes


async def _read(request: web.Request, size: int, idle_s: float) -> bytes:
    """Read exactly `size` bytes of the body."""
    pieces: list[bytes] = []
    left = size
    try:
        while left:
            async with asyncio.timeout(idle_s):
                piece = await request.content.read(min(PIECE, left))
            if not piece:
                raise UploadError(400, "network", "The body ended before it was complete.")
            pieces.append(piece)
            left -= len(piece)
    except TimeoutError as late:
        raise UploadError(408, "network", f"Nothing came for {idle_s:g} seconds.") from late
    except web.RequestPayloadError as broken:
        raise UploadError(400, "network", "The body ended before it was complete.") from broken
    return await asyncio.to_thread(b"".join, pieces)


def named(owner: str) -> str:
    """Return the name of an owner for people: that of a token; "" for the one owner of this machine, or a subject."""
    return "" if owner == LOCAL_OWNER or "#" in owner else visible(owner)


def _most(request: web.Request) -> int:
    """Return the number of pictures that the page lets a person choose: the room of the call, as the link has it."""
    text = request.query.get("most", "")
    return max(1, min(int(text), MAX_PICTURES)) if NUMBER.fullmatch(text) else 1


def _refused(error: UploadError | LimitError | WorkError) -> web.Response:
    """Return the answer of a refusal, of a limit, or of a disk or picture that does not do."""
    match error:
        case UploadError(status=status, code=code):
            return _answer(status, {"error": {"code": code, "message": str(error)}})
        case LimitError(retry_after_s=wait_s):
            refused = _answer(429, {"error": {"code": "failed", "message": str(error)}})
            refused.headers[hdrs.RETRY_AFTER] = str(math.ceil(wait_s))
            return refused
        case BadPictureError(code=code, problem=problem):
            return _answer(422, {"error": {"code": code, "message": f"The picture {problem}."}})
        case _:  # the disk is full, or not ours
            return _answer(507, {"error": {"code": "failed", "message": str(error)}})


def _gone(state: str) -> UploadError:
    status, message = DEAD_LINKS[state]
    return UploadError(status, state, message)


def _answer(status: int, body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=status, headers={**SAFE, **CLOSED})
