"""A large picture within an answer: how much memory it takes, and how long it keeps others waiting."""

import asyncio
import base64
import contextlib
import hashlib
import json
import random
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.emulators.loopback import serving
from tests.paths import ROOT

SIZE = 50_000_000
PIECE = 3 * 1_000_000
"""Bytes sent at one go; whole groups of base64, so that the pieces join to one text."""

MOST_MEMORY = 2.5 * SIZE
"""The base64 of the picture, which is a third larger, and the picture itself; the rest is for buffers."""

LONGEST_STALL_S = 0.25
"""Processor time of the loop; some 5 ms are usual. A parser that reads it in one go takes a second."""

BEFORE = {"chat": '{"choices":[{"delta":{"content":"![](data:image/png;base64,', "openai": '{"b64_json":"'}
AFTER = {"chat": ')"},"finish_reason":"stop"}]}', "openai": '","type":"image_generation.completed"}'}


def pieces() -> list[bytes]:
    """The picture, made anew each time: the test itself should not keep it."""
    noise = random.Random(1)  # noqa: S311 - data, not a secret
    return [noise.randbytes(min(PIECE, SIZE - at)) for at in range(0, SIZE, PIECE)]


@contextlib.asynccontextmanager
async def service(kind: str) -> AsyncIterator[str]:
    """A service whose every answer is a stream with one large picture."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(f"data: {BEFORE[kind]}".encode())
        for piece in pieces():
            await response.write(base64.b64encode(piece))
        await response.write(f"{AFTER[kind]}\n\ndata: [DONE]\n\n".encode())
        return response

    app = web.Application()
    app.router.add_post("/v1/{path:.*}", answer)
    async with serving(app) as url:
        yield url


@pytest.mark.parametrize("kind", ["chat", "openai"])
async def test_a_picture_of_50_mb_takes_bounded_memory_and_holds_nobody_up(kind: str) -> None:
    """Ours: every other call waits for the one event loop, and all share its memory."""
    async with service(kind) as url:
        taking = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.streamed_picture", kind, url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await taking.communicate()
    told = json.loads(out)
    digest = hashlib.sha256()
    for piece in pieces():
        digest.update(piece)
    assert (told["size"], told["sha256"]) == (SIZE, digest.hexdigest())
    assert told["memory"] < MOST_MEMORY
    assert told["stall_s"] < LONGEST_STALL_S
