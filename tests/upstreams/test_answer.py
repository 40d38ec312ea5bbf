"""Tests of service/upstreams/answer.py."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from service.images import Usage
from service.upstreams.answer import MAX_ANSWER, MAX_EVENT, Event, ImageAnswer, SseReader, listen
from service.upstreams.chat import ChatAnswer
from service.upstreams.errors import UpstreamError
from service.upstreams.image_sources import Link, Source
from service.upstreams.kinds import Kind
from tests.emulators.loopback import serving

URL = "https://img.example/1.png"


class Events(ImageAnswer[Event]):
    """An answer whose steps are its events."""

    def _find_pictures(self) -> list[Source]:
        return []

    def _explain_nothing(self) -> UpstreamError:
        return UpstreamError(Kind.NO_IMAGE)

    def _read(self, event: Event) -> list[Event]:
        return [event]


def read(stream: bytes, step: int = 65536) -> tuple[Events, list[Event]]:
    answer = Events()
    events = [event for at in range(0, len(stream), step) for event in answer.feed(stream[at : at + step])]
    return answer, [*events, *answer.end()]


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


@pytest.mark.parametrize(
    ("usage", "read_as"),
    [
        pytest.param(
            b'{"input_tokens":14,"output_tokens":1056}', Usage(input_tokens=14, output_tokens=1056), id="OpenAI"
        ),
        pytest.param(
            b'{"prompt_tokens":11,"completion_tokens":1290,"cost":0.039}',
            Usage(cost=0.039, input_tokens=11, output_tokens=1290),
            id="OpenRouter",
        ),
        pytest.param(b'{"cost":0}', Usage(cost=0), id="free"),
        pytest.param(b'{"cost":-0.04,"output_tokens":7}', Usage(output_tokens=7), id="negative"),
        pytest.param(b'{"cost":"0.04","prompt_tokens":"many","output_tokens":true}', None, id="texts"),
        pytest.param(b'{"cost":NaN,"input_tokens":7}', Usage(input_tokens=7), id="NaN"),
        pytest.param(b'{"cost":-Infinity,"input_tokens":[Infinity]}', None, id="infinite"),
        pytest.param(b'{"cost":1e999,"input_tokens":' + b"9" * 400 + b"}", None, id="beyond numbers"),
        pytest.param(b'{"cost":1e9,"input_tokens":1e12}', None, id="huge"),
        pytest.param(b"null", None, id="null"),
        pytest.param(b'["many"]', None, id="list"),
    ],
)
def test_the_use_of_a_service_is_read_and_nonsense_costs_no_picture(usage: bytes, read_as: Usage | None) -> None:
    """Spec OpenAI, Create image; OpenRouter, Usage Accounting. Bug: NaN, as Python writes it, made all unreadable."""
    answer, events = read(b'{"data":[{"url":"' + URL.encode() + b'"}],"usage":' + usage + b"}")
    assert answer.usage == read_as
    assert [event.value["data"] for event in events if isinstance(event.value, dict)] == [[{"url": URL}]]


def test_the_last_use_that_a_stream_tells_counts() -> None:
    """Ours: gateways repeat the sum so far with each event, and null beside."""
    stream = b'data: {"usage":{"cost":1}}\n\ndata: {"usage":{"cost":2}}\n\ndata: {"usage":null}\n\n'
    assert read(stream)[0].usage == Usage(cost=2)


def test_an_answer_says_when_it_is_done_and_what_it_could_not_read() -> None:
    answer, events = read(b"event: x\ndata: 1\n\ndata: ping\n\ndata: [DONE]\n\n")
    assert (events, answer.is_complete, answer.is_unreadable, answer.text) == ([Event("x", 1)], True, True, "")
    assert read(b"sorry, no")[0].text == "sorry, no"


def test_a_page_of_html_means_a_wrong_address() -> None:
    """Ours: a base URL that leads to a web page is for the operator to correct."""
    with pytest.raises(UpstreamError) as raised:
        read(b"\n<!doctype html>\n<title>Login</title>")
    assert raised.value.kind == "address"


def test_an_answer_without_end_is_given_up() -> None:
    """Ours: memory is bounded, whatever a service sends."""
    answer, piece = Events(), b"A" * 1024 * 1024
    with pytest.raises(UpstreamError, match="larger than 100 MB") as raised:
        for _ in range(MAX_ANSWER // len(piece) + 1):
            assert answer.feed(piece) == []
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


async def nobody(said: Sequence[str]) -> None:
    """Told, and silent about it."""


async def test_a_service_that_said_all_and_stays_is_left() -> None:
    """Ours: nobody waits out the longest silence for a connection that some relays forget to close."""

    async def stay(_: web.Request, response: web.StreamResponse) -> None:
        await response.write(sse(f"![]({URL})", "stop"))
        await asyncio.Event().wait()

    answer = ChatAnswer()
    async with answering(stay) as response, asyncio.timeout(60):
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


def read_sse(stream: bytes, step: int = 65536) -> tuple[list[bytes], list[bytes]]:
    """The events of a stream that comes in pieces of this many bytes, and the other lines."""
    reader = SseReader()
    events = [event for at in range(0, len(stream), step) for event in reader.feed(stream[at : at + step])]
    return [data for _, data in [*events, *reader.rest()]], reader.other


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: {}\n\ndata: 2\n\n", [b"{}", b"2"], id="plain"),
        pytest.param(b"data:{}\n\n", [b"{}"], id="no-space"),
        pytest.param(b"data: {}\r\n\r\ndata: 2\r\n\r\n", [b"{}", b"2"], id="crlf"),
        pytest.param(b"data: {\ndata: }\n\n", [b"{\n}"], id="several-data-lines"),
        pytest.param(b": OPENROUTER PROCESSING\n\ndata: 1\n\n", [b"1"], id="comment"),
        pytest.param(b"event: message\nid: 7\nretry: 1\ndata: 1\n\n", [b"1"], id="other-fields"),
        pytest.param(b"data: 1", [b"1"], id="no-blank-line-at-the-end"),
        pytest.param("data: 图片\n\n".encode(), ["图片".encode()], id="utf-8"),
        pytest.param(b"\n\n\n", [], id="nothing"),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 65536])
def test_events_are_the_same_however_the_stream_is_cut(stream: bytes, events: list[bytes], step: int) -> None:
    """Spec WHATWG HTML, Server-sent events, and what gateways make of it."""
    assert read_sse(stream, step) == (events, [])


def test_lines_that_are_no_fields_are_kept() -> None:
    """Ours: a body of JSON or HTML under `text/event-stream` still says something."""
    assert read_sse(b'{\n  "error": "no"\n}\n') == ([], [b"{", b'  "error": "no"', b"}"])


def test_a_line_has_no_limit() -> None:
    """Bug: readers by line died at 64 KB (goclaw #1348), 512 KB, 1 MB (ferro-labs #129)."""
    assert read_sse(b"data: " + b"x" * 3_000_000 + b"\n\n", 1000)[0] == [b"x" * 3_000_000]


def test_an_event_has_its_own_name_and_no_other() -> None:
    """Spec WHATWG HTML, Server-sent events: the name is reset with each dispatch, with or without data."""
    reader = SseReader()
    stream = b"event: ping\n\nevent: a\ndata: 1\n\ndata: 2\nevent:b\n\ndata: 3\n\n"
    assert reader.feed(stream) == [(b"a", b"1"), (b"b", b"2"), (b"", b"3")]
