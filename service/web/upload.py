"""`/upload/{secret}`: the page by which a person sends pictures from their device, and where they arrive.

1. The link is the key, so no token is asked for. It works once; one that is unknown, used or over shows a page that
   says so and how to get another. To open the page uses nothing up: chat programs look at links before people do.
2. POST takes the bytes of all pictures, one after the other, and `sizes` in the query says where each ends; without it
   there is one (`curl --data-binary @cat.png`). All of them are taken, or none: nothing of it stays, and the link
   still works.
3. The whole body is read before it is answered, since a browser that is still sending does not read an answer. It is
   bounded before it begins, and one picture at a time is in memory.
4. The page is one file. Its policy allows the script and the style in it by their hashes, and nothing from elsewhere.
"""

import asyncio
import base64
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import hdrs, web

from service.images import WorkError
from service.pictures.importer import Importer
from service.pictures.previews import BadPictureError, sniff
from service.pipeline.durable import finish_despite_cancel
from service.references.uploads import MOST, MOST_BYTES, Uploads
from service.storage.uploads import Upload

logger = logging.getLogger(__name__)

IDLE_S: Final = 30.0
"""Between two pieces of a body; a phone in a tunnel comes back within that or starts anew."""

TOTAL_S: Final = 900.0
"""For a whole body: the largest at 600 kilobits per second."""

PIECE: Final = 256 * 1024
SIZES: Final = re.compile(rf"[0-9]{{1,9}}(?:,[0-9]{{1,9}}){{0,{MOST - 1}}}", re.ASCII)
NUMBER: Final = re.compile(r"[0-9]{1,3}", re.ASCII)

SAFE: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"
"""The policy of answers to programs."""

GONE: Final = {
    "unknown": (404, "There is no such upload link. Ask for a new one in the chat."),
    "used": (410, "Something was sent by this link before. Ask for a new one in the chat."),
    "expired": (410, "This link could be used for an hour. Ask for a new one in the chat."),
}
"""Why a link does not work, each with its status; the page has words of its own for each."""


async def nothing_kept(names: Collection[str]) -> None:
    """Where no room has to be made."""


async def nothing_dropped(owner: str, names: Collection[str]) -> None:
    """Where what came in for nothing stays."""


class RefusedError(Exception):
    """The sending is refused as a whole: `code` is what the page has words for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page, and the policy by which only its own script and style run."""

    html: str
    policy: str

    @classmethod
    def read(cls) -> "Page":
        """Read the file beside this module."""
        html = Path(__file__).with_name("upload_page.html").read_text(encoding="utf-8")
        sources = "; ".join(f"{name}-src {' '.join(_hashes(html, name))}" for name in ("script", "style"))
        return cls(
            html=html,
            policy=f"default-src 'none'; {sources}; img-src blob: data:; connect-src 'self'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        )

    def shown(self, state: str, most: int, max_bytes: int) -> str:
        """The page in one of its states: `open`, or one of `GONE`."""
        values = {
            "state": state,
            "most": str(most),
            "megabytes": str(max_bytes // 1_000_000),
            "together": str(MOST_BYTES // 1_000_000),
        }
        return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], self.html, count=len(values))


@dataclass(frozen=True, kw_only=True)
class UploadHandler:
    """What the route answers from. `arriving` are the links by which something is being sent at this moment.

    `kept` is told of the files that were taken in, and makes room for them; `dropped` removes those of an owner that
    were kept for a sending that came to nothing.
    """

    uploads: Uploads
    importer: Importer
    max_bytes: int
    kept: Callable[[Collection[str]], Awaitable[None]] = nothing_kept
    dropped: Callable[[str, Collection[str]], Coroutine[Any, Any, None]] = nothing_dropped
    page: Page = field(default_factory=Page.read)
    arriving: set[str] = field(default_factory=set)
    idle_s: float = IDLE_S
    total_s: float = TOTAL_S

    async def state(self, secret: str) -> tuple[Upload | None, str]:
        """The upload that a secret opens, and `open` or why it does not."""
        upload = await self.uploads.find(secret)
        if upload is None:
            return None, "unknown"
        if upload.names:
            return upload, "used"
        return upload, "expired" if self.uploads.is_over(upload) else "open"

    @contextmanager
    def alone(self, upload: Upload) -> Iterator[None]:
        """One sending at a time by each link, so that a link in many hands does not cost memory in each."""
        if upload.id in self.arriving:
            raise RefusedError(409, "busy", "Pictures are being sent by this link at this moment.")
        self.arriving.add(upload.id)
        try:
            yield
        finally:
            self.arriving.discard(upload.id)


RECEPTION: Final[web.AppKey[UploadHandler]] = web.AppKey("reception")


def add_routes(app: web.Application, reception: UploadHandler) -> None:
    """Serve the page and take in what it sends."""
    app[RECEPTION] = reception
    app.router.add_get("/upload/{secret}", upload_get, allow_head=True)
    app.router.add_post("/upload/{secret}", upload_post)


async def upload_get(request: web.Request) -> web.Response:
    """The page; a link that does not work has one too."""
    reception = request.app[RECEPTION]
    _, state = await reception.state(request.match_info["secret"])
    shown = reception.page.shown(state, _most(request), reception.max_bytes)
    headers = {**SAFE, "Content-Security-Policy": reception.page.policy}
    status = GONE[state][0] if state in GONE else 200
    return web.Response(text=shown, content_type="text/html", status=status, headers=headers)


async def upload_post(request: web.Request) -> web.Response:
    """Take the pictures in."""
    reception = request.app[RECEPTION]
    try:
        upload, state = await reception.state(request.match_info["secret"])
        if upload is None or state in GONE:
            raise _gone(state)
        sizes = _sizes(request, reception.max_bytes)
        with reception.alone(upload):
            async with asyncio.timeout(reception.total_s):
                return await _take(request, reception, upload, sizes)
    except TimeoutError:
        return _answer(408, {"error": {"code": "network", "message": "It took too long."}})
    except RefusedError as refusal:
        return _answer(refusal.status, {"error": {"code": refusal.code, "message": str(refusal)}})
    except WorkError as error:  # the disk is full, or not ours
        return _answer(507, {"error": {"code": "failed", "message": str(error)}})


async def _take(request: web.Request, reception: UploadHandler, upload: Upload, sizes: Sequence[int]) -> web.Response:
    """Read and keep one picture after the other; all of them came by the link then, or nothing did."""
    names: list[str] = []
    received = False
    try:
        wrong = await _keep(request, reception, upload, sizes, names)
        if wrong:
            message = " ".join(each["message"] for each in wrong) + " Nothing was taken, and the link still works."
            return _answer(422, {"error": {"code": "bad_pictures", "message": message}, "files": wrong})
        received = await reception.uploads.receive(upload, names)
        if not received:
            raise _gone("used")
    finally:
        if not received and names:
            await finish_despite_cancel(reception.dropped(upload.owner, names))
    await reception.kept(names)
    logger.info("%d pictures were sent for %s", len(names), upload.owner)
    return _answer(200, {"pictures": len(names), "message": "Received. Go back to the chat."})


async def _keep(
    request: web.Request, reception: UploadHandler, upload: Upload, sizes: Sequence[int], names: list[str]
) -> list[dict[str, Any]]:
    """Read and keep, adding to `names`; what is wrong with those that are no pictures."""
    wrong: list[dict[str, Any]] = []
    for number, size in enumerate(sizes):
        data = await _read(request, size, reception.idle_s)
        try:
            names.append((await reception.importer.take(upload.owner, data)).name)
        except BadPictureError as error:
            message = f"Picture {number + 1} {error.problem}."
            wrong.append({"file": number, "code": _code(data, error), "message": message})
    return wrong


def _sizes(request: web.Request, max_bytes: int) -> list[int]:
    """How many bytes each picture has, checked before any is read."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise RefusedError(415, "failed", "Send the bytes as they are, without Content-Encoding.")
    if request.content_length is None:
        raise RefusedError(411, "failed", "Send Content-Length.")
    text = request.query.get("sizes", str(request.content_length))
    if not SIZES.fullmatch(text):
        raise RefusedError(400, "failed", f"`sizes` must be numbers of bytes with commas between, {MOST} at most.")
    sizes = [int(each) for each in text.split(",")]
    if sum(sizes) != request.content_length:
        raise RefusedError(400, "failed", "`sizes` and Content-Length do not agree.")
    if max(sizes) > max_bytes:
        raise RefusedError(413, "too_large", f"A picture may have {max_bytes // 1_000_000} MB.")
    if sum(sizes) > MOST_BYTES:
        raise RefusedError(413, "too_large_together", f"All together may have {MOST_BYTES // 1_000_000} MB.")
    return sizes


async def _read(request: web.Request, size: int, idle_s: float) -> bytes:
    """Exactly so many bytes of the body."""
    pieces: list[bytes] = []
    left = size
    try:
        while left:
            async with asyncio.timeout(idle_s):
                piece = await request.content.read(min(PIECE, left))
            if not piece:
                raise RefusedError(400, "network", "The body ended before it was complete.")
            pieces.append(piece)
            left -= len(piece)
    except TimeoutError as late:
        raise RefusedError(408, "network", f"Nothing came for {idle_s:g} seconds.") from late
    except web.RequestPayloadError as broken:
        raise RefusedError(400, "network", "The body ended before it was complete.") from broken
    return await asyncio.to_thread(b"".join, pieces)


def _code(data: bytes, error: BadPictureError) -> str:
    """What the page has words for; the problem itself is for programs."""
    if not data:
        return "empty"
    if sniff(data) is None:
        return "not_a_picture"
    return "too_many_pixels" if "pixels" in error.problem else "damaged"


def _most(request: web.Request) -> int:
    """How many pictures the page lets a person choose: those that the call has room for, a number in the link."""
    text = request.query.get("most", "")
    return max(1, min(int(text), MOST)) if NUMBER.fullmatch(text) else 1


def _gone(state: str) -> RefusedError:
    status, message = GONE[state]
    return RefusedError(status, state, message)


def _answer(status: int, body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=status, headers={**SAFE, "Content-Security-Policy": NOTHING})


def _hashes(html: str, name: str) -> list[str]:
    """The sources of one kind in the page, as a policy names them (CSP Level 3, 2.3.1)."""
    inside = re.findall(rf"<{name}>(.*?)</{name}>", html, re.DOTALL)
    digests = [hashlib.sha256(each.encode()).digest() for each in inside]
    return [f"'sha256-{base64.b64encode(each).decode()}'" for each in digests]
