"""Requests of the page and their answers: bodies that are read within bounds, JSON, and errors in one form.

An error is `{"error": {"kind", "message"}}`, with `field` where one argument is wrong, `limit` where one is reached,
and `retry_after_s` where it is worth another try then. The page has words of its own for a kind in other languages.
"""

import asyncio
import math
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
from aiohttp import hdrs, web

from service.bounds.limits import LimitError
from service.gallery.drawing import RefusedOrderError
from service.gallery.queries import QueryError
from service.images import WorkError
from service.web.pages import SAFE

MOST_BODY: Final = 256 * 1024
PIECE: Final = 256 * 1024
IDLE_S: Final = 30.0


class RefusedError(Exception):
    """A request is refused: HTTP status, short word, and words for the person; `about` is the argument."""

    def __init__(self, status: int, kind: str, message: str, about: str = "") -> None:
        super().__init__(message)
        self.status, self.kind, self.about = status, kind, about


FAILURES: Final = (RefusedError, QueryError, RefusedOrderError, WorkError)
"""The exceptions by which a request fails without a mistake of ours."""


def failure_answer(failure: Exception) -> web.Response:
    """Return the answer to a request that fails by one of `FAILURES`."""
    match failure:
        case RefusedError(status=status, kind=kind, about=about):
            return error_answer(status, kind, str(failure), **({"field": about} if about else {}))
        case QueryError(name=name):
            return error_answer(400, "bad_query", str(failure), field=name)
        case RefusedOrderError(limit=""):
            return error_answer(400, "refused", str(failure))
        case RefusedOrderError(limit=limit):
            return error_answer(429, "limit", str(failure), limit=limit)
        case LimitError(retry_after_s=wait_s):
            response = error_answer(429, "limit", str(failure), retry_after_s=math.ceil(wait_s))
            response.headers[hdrs.RETRY_AFTER] = str(math.ceil(wait_s))
            return response
        case WorkError(kind=kind):
            return error_answer(503, kind, str(failure))
        case _:
            raise failure


def json_answer(value: object) -> web.Response:
    """Return a value as JSON."""
    return web.Response(body=orjson.dumps(value), content_type="application/json", headers=SAFE)


def error_answer(status: int, kind: str, message: str, **more: str | int) -> web.Response:
    """Return an error: a short word for the page, and words for the person."""
    body = orjson.dumps({"error": {"kind": kind, "message": message, **more}})
    return web.Response(body=body, status=status, content_type="application/json", headers=SAFE)


def is_number(text: str) -> bool:
    """Tell whether a part of a path is a number."""
    return text.isascii() and text.isdigit() and len(text) < 16


async def read_body(request: web.Request) -> dict[str, Any]:
    """Read an object of JSON; raises `RefusedError`."""
    if request.content_type != "application/json":
        raise RefusedError(415, "bad_query", "Send JSON.")
    try:
        body = orjson.loads(await _bytes_of(request))
    except ValueError as error:
        raise RefusedError(400, "bad_query", "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "bad_query", "The body must be an object.")
    return body


async def read_list(request: web.Request) -> object:
    """Read the list of pictures of a form, or of JSON; raises `RefusedError`."""
    if request.content_type == "application/json":
        return (await read_body(request)).get("pictures")
    if request.content_type != "application/x-www-form-urlencoded":
        raise RefusedError(415, "bad_query", "Send JSON, or a form.")
    try:
        form = parse_qs((await _bytes_of(request)).decode("utf-8", "replace"), max_num_fields=4)
        return orjson.loads(form.get("pictures", [""])[0])
    except ValueError as error:
        raise RefusedError(400, "bad_query", "`pictures` is not JSON.") from error


async def _bytes_of(request: web.Request) -> bytes:
    data = b""
    while len(data) <= MOST_BODY:
        try:
            async with asyncio.timeout(IDLE_S):
                piece = await request.content.read(PIECE)
        except TimeoutError as late:
            raise RefusedError(408, "network", "The request did not arrive whole. Send it again.") from late
        if not piece:
            return data
        data += piece
    raise RefusedError(413, "too_large", f"The body may have {MOST_BODY} bytes.")
