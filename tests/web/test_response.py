"""Answers that we write ourselves, byte for byte, to clients of both HTTP versions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.web.response import RawResponse

Write = Callable[[RawResponse], Awaitable[object]]
LONG = b"x" * 16_000_000


@asynccontextmanager
async def connected(write: Write) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to a server that answers every request by `write`."""

    async def serve(request: web.Request) -> web.StreamResponse:
        answer = RawResponse(request)
        await write(answer)
        return answer.sent

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        yield reader, writer
        writer.transport.abort()


async def exchange(write: Write, version: str = "1.1", *lines: str) -> tuple[str, dict[str, str], bytes, bool]:
    """Status line, headers and body of one answer, and whether the connection stayed for another."""
    async with connected(write) as (reader, writer), asyncio.timeout(60):
        sent = "".join(f"{line}\r\n" for line in (f"GET / HTTP/{version}", "Host: localhost", *lines, "")).encode()
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:-2])
        if "Content-Length" in headers:
            body = await reader.readexactly(int(headers["Content-Length"]))
        elif "Transfer-Encoding" in headers:
            body = await reader.readuntil(b"0\r\n\r\n")
        else:
            body = await reader.read()
        writer.write(sent)
        return head[0], headers, body, (await reader.read(4)) == b"HTTP"


async def json(answer: RawResponse) -> None:
    assert answer.whole(b'{"a":1}', 404, {"Mcp-Session-Id": "s"})


async def events(answer: RawResponse) -> None:
    answer.begin({})
    assert answer.put(b"one\n\n")
    assert answer.end(b"two\n\n")


@pytest.mark.parametrize(
    ("version", "lines", "connection", "stays"),
    [
        pytest.param("1.1", [], None, True, id="1.1"),
        pytest.param("1.1", ["Connection: close"], "close", False, id="1.1, last"),
        pytest.param("1.0", [], None, False, id="1.0"),
        pytest.param("1.0", ["Connection: keep-alive"], "keep-alive", True, id="1.0, kept"),
    ],
)
async def test_json_has_its_length_and_says_what_becomes_of_the_connection(
    version: str, lines: list[str], connection: str | None, stays: bool
) -> None:
    """RFC 9112, 9.3: persistence differs by version, and a proxy may speak 1.0 to us, as nginx does by default."""
    status, headers, body, stayed = await exchange(json, version, *lines)
    assert status == f"HTTP/{version} 404 Not Found"
    assert (headers["Content-Type"], headers["Mcp-Session-Id"], body) == ("application/json", "s", b'{"a":1}')
    assert (headers.get("Connection"), stayed) == (connection, stays)
    assert headers["Server"] == "easel"
    assert parsedate_to_datetime(headers["Date"])


@pytest.mark.parametrize(
    ("version", "lines", "body", "stays"),
    [
        pytest.param("1.1", [], b"5\r\none\n\n\r\n5\r\ntwo\n\n\r\n0\r\n\r\n", True, id="1.1"),
        pytest.param("1.1", ["Connection: close"], b"5\r\none\n\n\r\n5\r\ntwo\n\n\r\n0\r\n\r\n", False, id="1.1, last"),
        pytest.param("1.0", [], b"one\n\ntwo\n\n", False, id="1.0: the end of the connection is that of the stream"),
        pytest.param("1.0", ["Connection: keep-alive"], b"one\n\ntwo\n\n", False, id="1.0, though it would stay"),
    ],
)
async def test_a_stream_goes_in_chunks_where_the_version_has_them(
    version: str, lines: list[str], body: bytes, stays: bool
) -> None:
    """RFC 9112, 6.1: no Transfer-Encoding to a client of HTTP/1.0."""
    status, headers, given, stayed = await exchange(events, version, *lines)
    assert status == f"HTTP/{version} 200 OK"
    assert (headers["Content-Type"], headers["X-Accel-Buffering"]) == ("text/event-stream", "no")
    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert (given, stayed) == (body, stays)


async def test_an_event_that_nobody_waits_for_goes_out_though_nothing_follows() -> None:
    """Ours: progress is held for the end of the round, and the next word may come minutes later."""
    is_read = asyncio.Event()

    async def one(answer: RawResponse) -> None:
        assert answer.put(b"one\n\n", optional=True)
        await is_read.wait()

    async with connected(one) as (reader, writer), asyncio.timeout(60):
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"5\r\none\n\n\r\n")
        is_read.set()


async def test_events_stay_in_order_and_a_failure_after_them_begins_no_other_answer() -> None:
    async def mixed(answer: RawResponse) -> None:
        answer.put(b"one\n\n", optional=True)
        answer.put(b"two\n\n", optional=True)
        answer.put(b"three\n\n")
        answer.put(b"four\n\n", optional=True)
        raise ValueError

    async with connected(mixed) as (reader, writer), asyncio.timeout(60):
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head, body = (await reader.read()).split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"5\r\none\n\n\r\n5\r\ntwo\n\n\r\n7\r\nthree\n\n\r\n6\r\nfour\n\n\r\n"


async def test_a_stream_may_be_empty() -> None:
    async def nothing(answer: RawResponse) -> None:
        answer.begin({})
        assert answer.end()

    assert (await exchange(nothing))[2:] == (b"0\r\n\r\n", True)


async def test_an_answer_larger_than_a_write_arrives_whole() -> None:
    async def large(answer: RawResponse) -> None:
        assert answer.whole(LONG, 200, {})
        assert await answer.flush(60, whole=False)

    assert (await exchange(large))[2] == LONG


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "\x00", "ü"])
async def test_no_header_can_be_put_into_a_value(value: str) -> None:
    """RFC 9110, 5.5: who writes heads sees to it that a value stays one."""

    async def inject(answer: RawResponse) -> None:
        with pytest.raises(ValueError, match="X-A"):
            answer.whole(b"{}", 200, {"X-A": value})
        await json(answer)

    assert (await exchange(inject))[0] == "HTTP/1.1 404 Not Found"


@pytest.mark.parametrize("whole", [False, True])
async def test_a_client_that_does_not_read_is_cut_off(whole: bool) -> None:
    over = asyncio.get_running_loop().create_future()

    async def large(answer: RawResponse) -> None:
        answer.whole(LONG, 200, {})
        over.set_result(await answer.flush(0.05, whole=whole))

    async with connected(large) as (_, writer), asyncio.timeout(60):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a write transport, which reads as well
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await over is False


async def test_a_write_to_a_client_that_is_gone_says_so() -> None:
    over = asyncio.get_running_loop().create_future()
    began = asyncio.Event()

    async def late(answer: RawResponse) -> None:
        began.set()
        with suppress(asyncio.CancelledError):  # which is how aiohttp says so
            await asyncio.Event().wait()
        answer.begin({})
        over.set_result(
            (
                answer.put(b"x"),
                answer.end(),
                answer.whole(LONG, 200, {}),
                answer.waiting,
                await answer.flush(1, whole=True),
            )
        )

    async with connected(late) as (_, writer), asyncio.timeout(60):
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await began.wait()
        writer.transport.abort()
        assert await over == (False, False, False, 0, False)


async def test_a_client_that_goes_while_it_is_waited_for_has_not_taken_it() -> None:
    over = asyncio.get_running_loop().create_future()

    async def large(answer: RawResponse) -> None:
        answer.whole(LONG, 200, {})
        asyncio.get_running_loop().call_soon(over.set_result, answer.flush(60, whole=True))

    async with connected(large) as (_, writer), asyncio.timeout(60):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # see above
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        waiting = asyncio.create_task(await over)
        await asyncio.wait({waiting}, timeout=0)
        writer.transport.abort()
        assert await waiting is False


async def test_a_bug_after_a_stream_began_breaks_it_off() -> None:
    """Ours: aiohttp would write an answer of its own into the middle of the stream."""

    async def broken(answer: RawResponse) -> None:
        answer.begin({})
        answer.put(b"one\n\n")
        raise ZeroDivisionError

    async with connected(broken) as (reader, writer), asyncio.timeout(60):
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.read()).endswith(b"5\r\none\n\n\r\n")
