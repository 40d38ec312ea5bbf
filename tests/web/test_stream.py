"""One answer: JSON or a stream, comments in silence, and a client that is gone."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from service.protocol.call import DeliveryCallbacks
from service.protocol.replay import KEEP_ALIVE, Stream, Streams, frame
from service.web.stream import AT_ONCE, Accepts, KeepAlive, ReplyStream
from tests.wire import until

DONE = b'{"done":1}'
LONG = b'"' + b"x" * 16_000_000 + b'"'
"""More than the buffers of both ends of a connection hold."""


Handle = Callable[[ReplyStream], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(
    handle: Handle,
    silence_s: float = 60,
    deadline_s: float = 60,
    keep: Stream | None = None,
) -> AsyncIterator[aiohttp.ClientSession]:
    """Answer every request by `handle`; the client session has its address as base."""
    kept = (lambda: keep) if keep is not None else None
    keep_alive = KeepAlive(silence_s)

    async def serve(request: web.Request) -> web.StreamResponse:
        accepts = Accepts(request.headers.getall("Accept", []))
        stream = ReplyStream(request, accepts, keep_alive, store=kept, deadline_s=deadline_s)
        stream.watch_silence()
        try:
            return await handle(stream)
        except asyncio.CancelledError:
            stream.abandon()
            raise

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


async def test_a_result_alone_is_json_with_its_own_status_and_headers() -> None:
    async with answering(lambda stream: stream.finish(DONE, 404, {"X-A": "b"})) as session, session.get("/") as answer:
        assert (answer.status, answer.content_type, answer.headers["X-A"]) == (404, "application/json", "b")
        assert await answer.read() == DONE


async def test_something_before_the_result_opens_a_stream_that_the_result_ends() -> None:
    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        await stream.send(b"2")
        return await stream.finish(DONE, 404, {})

    async with answering(handle) as session, session.get("/") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert await answer.read() == frame(b"1") + frame(b"2") + frame(DONE)


async def test_silence_is_broken_by_comments() -> None:
    """Bug: a client that heard nothing for five minutes gave up with "fetch failed" (cherry-studio #7746)."""
    heard = asyncio.Event()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await heard.wait()
        return await stream.finish(DONE, 404, {})

    async with answering(handle, silence_s=0.01) as session, session.get("/") as answer:
        async with asyncio.timeout(60):
            assert await answer.content.readexactly(2 * len(KEEP_ALIVE)) == 2 * KEEP_ALIVE
        heard.set()
        assert (await answer.read()).endswith(frame(DONE))


async def test_a_client_that_takes_json_alone_gets_the_result_alone() -> None:
    heard = asyncio.Event()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        asyncio.get_running_loop().call_later(0.03, heard.set)
        await heard.wait()
        return await stream.finish(DONE, 404, {})

    async with answering(handle, silence_s=0.01) as session:
        async with session.get("/", headers={"Accept": "application/json"}) as answer:
            assert (answer.content_type, await answer.read()) == ("application/json", DONE)


@pytest.mark.parametrize(("accept", "status"), [("*/*", 200), ("application/json", 202)])
async def test_a_cancelled_call_ends_without_a_result(accept: str, status: int) -> None:
    """Ours: a client that takes no streams is not sent one, though it is empty."""
    async with answering(lambda stream: stream.end()) as session:
        async with session.get("/", headers={"Accept": accept}) as answer:
            assert (answer.status, await answer.read()) == (status, b"")


@pytest.mark.parametrize("turns", range(6))
async def test_an_answer_that_meets_a_comment_is_sent_once(turns: int) -> None:
    """Bug: a comment whose turn came after the answer's opened a stream where a whole answer had been sent."""

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await stream.finish(DONE, 200, {})

    async with answering(handle, silence_s=0) as session:
        for _ in range(20):
            async with session.get("/") as answer:
                assert (await answer.read()).replace(KEEP_ALIVE, b"") in (DONE, frame(DONE))


async def test_what_is_sent_to_a_client_that_is_gone_is_dropped() -> None:
    sent = asyncio.get_running_loop().create_future()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        stream.abandon()
        await stream.send(b"2")
        sent.set_result(None)
        return await stream.finish(DONE, 404, {})

    async with answering(handle) as session, session.get("/") as answer:
        assert await answer.content.readany() == frame(b"1")
        await sent
        with pytest.raises(aiohttp.ClientPayloadError):  # for it is not all of the answer
            await answer.read()


@asynccontextmanager
async def deaf(session: aiohttp.ClientSession, accept: str = "*/*") -> AsyncIterator[asyncio.StreamWriter]:
    """A client that sends a request and reads nothing."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    address = URL(str(session._base_url))
    await asyncio.get_running_loop().sock_connect(raw, (address.host, address.port))
    _, writer = await asyncio.open_connection(sock=raw, limit=1)
    writer.write(f"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
    yield writer
    writer.transport.abort()


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_client_that_does_not_read_is_cut_off(accept: str) -> None:
    """Ours: it holds an answer in our memory, and a connection, for no longer than the deadline."""
    over = asyncio.Event()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        try:
            return await stream.finish(LONG, 200, {})
        finally:
            over.set()

    async with answering(handle, deadline_s=0.05) as session, deaf(session, accept):
        async with asyncio.timeout(60):
            await over.wait()


async def test_comments_to_a_client_that_does_not_read_do_not_pile_up() -> None:
    """Bug: each beat started a write of its own, none of which had a deadline, and the result waited for them."""
    over = asyncio.get_running_loop().create_future()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        while not stream._response.waiting:
            await stream.send(b"x" * 1000)
        before = stream._response.waiting
        goes_on = {stream.beat() for _ in range(20)}
        over.set_result((goes_on, stream._response.waiting - before))
        return await stream.end()

    async with answering(handle) as session, deaf(session), asyncio.timeout(60):
        assert await over == ({True}, 0)


async def test_a_client_that_is_gone_is_told_no_comments() -> None:
    over, began = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        over.set_result((stream.beat(), stream.beat(), await stream.send(b"2")))
        return await stream.end()

    async with answering(handle) as session, deaf(session) as writer, asyncio.timeout(60):
        await began.wait()
        writer.transport.abort()
        assert await over == (False, False, False)


async def test_an_answer_that_still_waits_in_our_memory_is_not_delivered() -> None:
    """Ours: a transport takes 64 KiB from who writes, long before a client that does not read has any of it."""
    receipts, delivered, waits = DeliveryCallbacks(), asyncio.Event(), asyncio.Event()
    receipts.add(delivered.set)

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        while not stream._response.waiting:
            await stream.send(b"x" * 1000)
        stream.leave_behind(DONE, receipts)
        asyncio.get_running_loop().call_soon(waits.set)
        return await stream.finish(DONE, 200, {})

    async with answering(handle) as session, deaf(session) as writer:
        async with asyncio.timeout(60):
            await waits.wait()
            assert not delivered.is_set()
            writer.transport.abort()
        assert not delivered.is_set()


async def all_of(kept: Stream) -> list[bytes]:
    """The messages to a client that comes again for everything; fails when the stream does not end."""
    async with asyncio.timeout(60):
        return [event async for event in kept.follow(0)]


async def test_a_connection_that_breaks_within_the_result_leaves_it_whole_for_later() -> None:
    """Bug: the stream was never ended, so that a client which came again waited for ever after the result."""
    kept = Streams().open("s", "session", "anna", primed=True)

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        stream.leave_behind(LONG)
        return await stream.finish(LONG, 200, {})

    async with answering(handle, keep=kept) as session, deaf(session) as writer:
        await until(lambda: kept.size >= len(LONG))
        writer.transport.abort()
        assert await all_of(kept) == [frame(b"1", "s-1"), frame(LONG, "s-2")]


async def test_a_connection_that_breaks_just_after_the_call_ended_loses_no_result() -> None:
    """Bug: between the end of the call and its answer nobody kept the result."""
    kept = Streams().open("s", "session", "anna", primed=True)

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        stream.leave_behind(DONE)
        stream.abandon()
        return await stream.end()

    async with answering(handle, keep=kept) as session, session.get("/"):
        assert await all_of(kept) == [frame(b"1", "s-1"), frame(DONE, "s-2")]


async def test_hanging_up_on_a_client_that_is_gone_is_no_error() -> None:
    """Bug: the tool that hung up failed with an internal error, and its result was lost."""
    kept, over = Streams().open("s", "session", "anna", primed=True), asyncio.Event()

    async def handle(stream: ReplyStream) -> web.StreamResponse:
        await stream.send(b"1")
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        stream.hang_up()
        stream.leave_behind(DONE)
        over.set()
        return await stream.end()

    async with answering(handle, keep=kept) as session, deaf(session) as writer:
        await until(lambda: bool(kept.size))
        writer.transport.abort()
        async with asyncio.timeout(60):
            await over.wait()
        assert (await all_of(kept))[-1] == frame(DONE, "s-2")


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


class Quiet:
    """An answer that says nothing of its own, and takes so many signs of life."""

    def __init__(self, name: str, heard: list[str], beats: int = 1000) -> None:
        self.name = name
        self.heard = heard
        self.beats = beats

    def beat(self) -> bool:
        self.heard.append(self.name)
        self.beats -= 1
        return self.beats > 0


async def test_every_answer_is_told_in_the_order_in_which_they_began() -> None:
    heard: list[str] = []
    keep_alive = KeepAlive(0.01)
    for name in ("a", "b", "c"):
        keep_alive.watch(Quiet(name, heard))
    await until(lambda: len(heard) >= 6)
    assert heard[:6] == ["a", "b", "c", "a", "b", "c"]


async def test_who_has_nobody_left_to_tell_is_not_told_again() -> None:
    heard: list[str] = []
    keep_alive = KeepAlive(0.005)
    keep_alive.watch(Quiet("once", heard, beats=1))
    keep_alive.watch(Quiet("thrice", heard, beats=3))
    await until(lambda: keep_alive._timer is None)
    assert heard == ["once", "thrice", "thrice", "thrice"]


async def test_thousands_are_told_so_many_at_once() -> None:
    """Ours: 5,000 comments in one go would hold everything else up for a tenth of a second."""
    heard: list[str] = []
    keep_alive = KeepAlive(0.01, 60)
    for number in range(3 * AT_ONCE):
        keep_alive.watch(Quiet(str(number), heard))
    lengths = set[int]()
    while len(heard) < 3 * AT_ONCE:
        await asyncio.sleep(0)
        lengths.add(len(heard))
    assert max(later - sooner for sooner, later in pairwise(sorted(lengths))) <= AT_ONCE
    assert heard == [str(number) for number in range(3 * AT_ONCE)]
    assert keep_alive._timer is not None
    keep_alive._timer.cancel()


async def test_a_second_comment_has_a_wait_of_its_own() -> None:
    heard: list[str] = []
    keep_alive = KeepAlive(0.01, 60)
    keep_alive.watch(Quiet("a", heard))
    await until(lambda: bool(heard))
    assert keep_alive._timer is not None
    assert keep_alive._timer.when() > asyncio.get_running_loop().time() + 30
    keep_alive._timer.cancel()


async def test_what_is_over_is_not_told() -> None:
    heard: list[str] = []
    keep_alive = KeepAlive(0.01)
    over, other = Quiet("over", heard), Quiet("other", heard)
    keep_alive.watch(over)
    keep_alive.watch(other)
    keep_alive.forget(over)
    keep_alive.forget(over)
    await until(lambda: bool(heard))
    assert "over" not in heard


async def test_nothing_is_told_early_to_an_answer_that_began_late() -> None:
    """Ours: one timer serves all, and each has its own time."""
    heard: list[str] = []
    keep_alive = KeepAlive(0.05)
    keep_alive.watch(Quiet("first", heard))
    await asyncio.sleep(0.03)
    loop = asyncio.get_running_loop()
    began = loop.time()
    keep_alive.watch(Quiet("late", heard))
    await until(lambda: "late" in heard)
    assert loop.time() - began >= 0.05
    assert heard[0] == "first"


async def test_a_million_answers_that_ended_in_time_leave_one_timer_and_nothing_else() -> None:
    """Ours: a timer for each request, set and cancelled, cost more than the request's JSON."""
    keep_alive, heard = KeepAlive(60), list[str]()
    keep_alive.watch(Quiet("a", heard))
    timer = keep_alive._timer
    for _ in range(1000):
        answer = Quiet("b", heard)
        keep_alive.watch(answer)
        keep_alive.forget(answer)
    assert keep_alive._timer is timer
    assert len(keep_alive._new) == 1
    assert timer is not None
    timer.cancel()
