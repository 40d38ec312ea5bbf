"""Tests of service/upstreams/answer.py."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from service.upstreams.answer import MAX_ANSWER, MAX_EVENT, AnswerReader, Event, listen
from service.upstreams.chat import ChatAnswer
from service.upstreams.errors import UpstreamError
from service.upstreams.image_sources import Link
from tests.emulators.loopback import serving

URL = "https://img.example/1.png"


def read(stream: bytes, step: int = 65536) -> tuple[AnswerReader, list[Event]]:
    reader = AnswerReader()
    events = [event for at in range(0, len(stream), step) for event in reader.feed(stream[at : at + step])]
    return reader, [*events, *reader.end()]


@pytest.mark.parametrize("step", [1, 65536])
@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b'data: {"a":1}\n\ndata: {"a":2}\n\n', [{"a": 1}, {"a": 2}], id="stream"),
        pytest.param(b'data: {"a":1}\ndata: {"a":2}\n', [{"a": 1}, {"a": 2}], id="no-blank-lines"),
        pytest.param(b'data: {"a":\ndata: 1}\n\n', [{"a": 1}], id="one-event-over-two-lines"),
        pytest.param(b'{"a":1}', [{"a": 1}], id="body"),
        pytest.param(b'{\n "a":\n 1\n}\n', [{"a": 1}], id="pretty-body"),
        pytest.param(b'{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}], id="json-by-lines"),
        pytest.param(b'data: {"a":1}\n\ndata: {"error":\n', [{"a": 1}], id="cut"),
    ],
)
def test_json_comes_out_however_it_is_framed(stream: bytes, events: list[object], step: int) -> None:
    """Ours: whether a service streams is its own affair."""
    assert [event.value for event in read(stream, step)[1]] == events


def test_an_answer_says_when_it_is_done_and_what_it_could_not_read() -> None:
    reader, events = read(b"event: x\ndata: 1\n\ndata: ping\n\ndata: [DONE]\n\n")
    assert (events, reader.done, reader.unreadable, reader.text) == ([Event("x", 1)], True, True, "")
    assert read(b"sorry, no")[0].text == "sorry, no"


def test_a_page_of_html_means_a_wrong_address() -> None:
    """Ours: a base URL that leads to a web page is for the operator to correct."""
    with pytest.raises(UpstreamError) as raised:
        read(b"\n<!doctype html>\n<title>Login</title>")
    assert raised.value.kind == "address"


def test_an_answer_without_end_is_given_up() -> None:
    """Ours: memory is bounded, whatever a service sends."""
    reader, piece = AnswerReader(), b"A" * 1024 * 1024
    with pytest.raises(UpstreamError, match="larger than 100 MB") as raised:
        for _ in range(MAX_ANSWER // len(piece) + 1):
            assert list(reader.feed(piece)) == []
    assert (raised.value.kind, raised.value.retries) == ("lost", 0)


def test_a_part_that_is_too_large_to_parse_is_given_up() -> None:
    """Ours: everybody waits while it is parsed."""
    with pytest.raises(UpstreamError, match="larger than 8 MB") as raised:
        read(b'{"x": "' + b" " * (MAX_EVENT + 1) + b'"}')
    assert raised.value.kind == "lost"


@asynccontextmanager
async def answering(
    answer: Callable[[web.Request, web.StreamResponse], Awaitable[None]], **timeout: float
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A response whose body comes from this function."""

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await answer(request, response)
        return response

    app = web.Application()
    app.router.add_get("/", serve)
    async with (
        serving(app) as url,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(**timeout)) as session,
        session.get(url) as response,
    ):
        yield response


def sse(content: str, finish: str | None = None) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': content}, 'finish_reason': finish}]})}\n\n".encode()


async def nobody(said: str) -> None:
    """Told, and silent about it."""


async def test_a_service_that_said_all_and_stays_is_left() -> None:
    """Ours: nobody waits out the longest silence for a connection that some relays forget to close."""

    async def stay(_: web.Request, response: web.StreamResponse) -> None:
        await response.write(sse(f"![]({URL})", "stop"))
        await asyncio.Event().wait()

    answer = ChatAnswer()
    async with answering(stay) as response, asyncio.timeout(5):
        await listen(response, answer, nobody, 0.01)
    assert answer.pictures() == [Link(URL)]


@pytest.mark.parametrize(("content", "kept"), [(f"![]({URL})\n", True), ("![](https://img.exa", False)])
async def test_a_break_after_the_picture_has_lost_nothing(content: str, kept: bool) -> None:
    """Ours: it is paid for; half a URL leads nowhere."""

    async def broken(request: web.Request, response: web.StreamResponse) -> None:
        await response.write(sse(content))
        assert request.transport is not None
        request.transport.close()

    answer = ChatAnswer()
    async with answering(broken) as response:
        if kept:
            await listen(response, answer, nobody, 1)
            assert answer.pictures() == [Link(URL)]
        else:
            with pytest.raises(aiohttp.ClientError):
                await listen(response, answer, nobody, 1)


async def test_silence_ends_the_wait() -> None:
    """Ours: a service that hangs before it has said anything."""

    async def hang(_: web.Request, __: web.StreamResponse) -> None:
        await asyncio.Event().wait()

    async with answering(hang, sock_read=0.05) as response:
        with pytest.raises(TimeoutError):
            await listen(response, ChatAnswer(), nobody, 1)
