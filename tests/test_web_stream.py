"""One answer: JSON or a stream, comments in silence, and a client that is gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.protocol.dispatch import Answer
from service.protocol.sse import KEEP_ALIVE, frame
from service.web_stream import Accepts, ReplyStream

DONE = Answer(body=b'{"done":1}', status=404)


@asynccontextmanager
async def answering(
    handle: Callable[[ReplyStream], Awaitable[web.StreamResponse]], silence_s: float = 60
) -> AsyncIterator[aiohttp.ClientSession]:
    async def serve(request: web.Request) -> web.StreamResponse:
        return await handle(ReplyStream(request, Accepts(request.headers.getall("Accept", [])), silence_s))

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


async def test_a_result_alone_is_json_with_its_own_status_and_headers() -> None:
    async with answering(lambda stream: stream.finish(DONE, {"X-A": "b"})) as session, session.get("/") as answer:
        assert (answer.status, answer.content_type, answer.headers["X-A"]) == (404, "application/json", "b")
        assert await answer.read() == DONE.body


async def test_something_before_the_result_opens_a_stream_that_the_result_ends() -> None:
    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        await stream.send(b"2")
        return await stream.finish(DONE, {})

    async with answering(handle) as session, session.get("/") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert await answer.read() == frame(b"1") + frame(b"2") + frame(DONE.body)


async def test_silence_is_broken_by_comments() -> None:
    """Bug: a client that heard nothing for five minutes gave up with "fetch failed" (cherry-studio #7746)."""
    heard = asyncio.Event()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await heard.wait()
        return await stream.finish(DONE, {})

    async with answering(handle, silence_s=0.01) as session, session.get("/") as answer:
        async with asyncio.timeout(5):
            assert await answer.content.readexactly(2 * len(KEEP_ALIVE)) == 2 * KEEP_ALIVE
        heard.set()
        assert (await answer.read()).endswith(frame(DONE.body))


async def test_a_client_that_takes_json_alone_gets_the_result_alone() -> None:
    heard = asyncio.Event()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        asyncio.get_running_loop().call_later(0.03, heard.set)
        await heard.wait()
        return await stream.finish(DONE, {})

    async with answering(handle, silence_s=0.01) as session:
        async with session.get("/", headers={"Accept": "application/json"}) as answer:
            assert (answer.content_type, await answer.read()) == ("application/json", DONE.body)


async def test_a_cancelled_call_ends_without_a_result() -> None:
    async with answering(lambda stream: stream.end()) as session, session.get("/") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_what_is_sent_to_a_client_that_is_gone_is_dropped() -> None:
    sent = asyncio.get_running_loop().create_future()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        stream.abandon()
        await stream.send(b"2")
        sent.set_result(None)
        return await stream.finish(DONE, {})

    async with answering(handle) as session, session.get("/") as answer:
        assert await answer.read() == frame(b"1")
        await sent


@pytest.mark.parametrize(
    ("lines", "json", "sse"),
    [
        pytest.param([], True, True, id="nothing said"),
        pytest.param(["application/json, text/event-stream"], True, True, id="both"),
        pytest.param(["text/event-stream", "application/json"], True, True, id="both, in two lines"),
        pytest.param(["Application/JSON;q=0.5"], True, False, id="weighted, in capitals"),
        pytest.param(["*/*"], True, True, id="anything"),
        pytest.param(["text/*"], False, True, id="any text"),
        pytest.param(["application/json;q=0, */*;q=0.0"], False, False, id="weighted with nothing"),
        pytest.param(["text/html"], False, False, id="neither"),
    ],
)
def test_accept_is_read_as_http_has_it(lines: list[str], json: bool, sse: bool) -> None:
    accepts = Accepts(lines)
    assert (accepts.json, accepts.sse) == (json, sse)
