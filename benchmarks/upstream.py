"""An image service that answers at once: the OpenAI Images API, as relays speak it, with pictures made beforehand.

The prompt names what comes: `a lake 17, 1.1 MB by URL` or `… base64`. Every answer brings another picture. By hand:
`python -m benchmarks.upstream --port 8001`.
"""

import argparse
import base64
import itertools
import json
import re
import sys
from functools import cache
from typing import Final

from aiohttp import web

from benchmarks.drawings import HEAD, SIDES, comment, copy, drawing

ASKED: Final = re.compile(r", (?P<size>[\d.]+ [kM]B) (?P<way>by URL|base64)")
NUMBERS: Final = itertools.count(1)
MODEL: Final = "gpt-image-2"


def prompt(number: int, size: str, way: str) -> str:
    """The prompt that brings a picture of one of the `SIDES`."""
    return f"a lake {number}, {size} {way}"


@cache
def _digits(size: str) -> bytes:
    return base64.b64encode(drawing(size)[HEAD:])


def body(url: str, size: str, way: str, number: int) -> bytes:
    """The answer with one picture."""
    if way == "by URL":
        return json.dumps({"created": 1795000000, "data": [{"url": f"{url}/files/{size}/{number}.png"}]}).encode()
    digits = base64.b64encode(drawing(size)[:HEAD] + comment(number)) + _digits(size)
    return b'{"created":1795000000,"data":[{"b64_json":"' + digits + b'"}]}'


async def generate(request: web.Request) -> web.Response:
    """Answer a request for one picture."""
    asked = ASKED.search((await request.json())["prompt"])
    if asked is None:
        return web.json_response({"error": {"message": "the prompt names no size"}}, status=400)
    answer = body(f"http://{request.host}", asked["size"], asked["way"], next(NUMBERS))
    return web.Response(body=answer, content_type="application/json")


async def picture(request: web.Request) -> web.Response:
    """Answer with one picture."""
    return web.Response(
        body=copy(request.match_info["size"], int(request.match_info["number"])), content_type="image/png"
    )


async def models(_: web.Request) -> web.Response:
    """List the one model."""
    return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})


def command(port: int) -> list[str]:
    """The command that starts it."""
    return [sys.executable, "-m", "benchmarks.upstream", "--port", str(port)]


def settings(port: int) -> dict[str, str]:
    """The settings of Easel that lead here."""
    return {"OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    for each in SIDES:
        _digits(each)
    app = web.Application()
    app.router.add_post("/v1/images/generations", generate)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/files/{size}/{number}.png", picture)
    web.run_app(app, host="127.0.0.1", port=parser.parse_args().port, access_log=None, print=None)
