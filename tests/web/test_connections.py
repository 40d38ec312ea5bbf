"""The bounds of connections, over real ones: their number, deadlines, and refusals that aiohttp would word."""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest
from aiohttp import web

from service.web.connections import MAX_FIELDS, MAX_HEAD_BYTES, Bounds, Connections
from service.web.sockets import Listener, listen
from tests.wire import until

QUICK = Bounds(head_s=0.2, idle_s=5.0, unread_s=0.3, linger_s=0.5, look_s=0.02)
LONG = b"x" * 8_000_000
"""More than the buffers of both ends of a connection hold."""

HEAD = b"Host: 127.0.0.1\r\n"
GET = b"GET /now HTTP/1.1\r\n" + HEAD + b"\r\n"
HELD = b"GET /held HTTP/1.1\r\n" + HEAD + b"\r\n"


@dataclass
class Client:
    """One connection of a client that speaks in bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> bytes:
        """The head and the body of one answer."""
        async with asyncio.timeout(60):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            return head + await self.reader.readexactly(int(length[1]) if length else 0)

    async def ended(self) -> bytes:
        """All that comes until the end of the connection."""
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


@dataclass
class Site:
    """A small site behind the bounds, and its clients."""

    port: int
    pool: Connections
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    at_work: int = 0
    clients: list[Client] = field(default_factory=list)

    async def client(self, first: bytes = b"", *, receives: int = 0) -> Client:
        """A new connection that has sent its first bytes; `receives` bounds the buffer of what it does not read."""
        raw = socket.socket()
        raw.setblocking(False)
        if receives:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.port))
        client = Client(*await asyncio.open_connection(sock=raw, limit=2**16))
        self.clients.append(client)
        client.send(first)
        return client

    async def held(self, count: int) -> None:
        """Make requests that are being handled until `go_on`."""
        wanted = self.at_work + count
        for _ in range(count):
            await self.client(HELD)
        await until(lambda: self.at_work == wanted)


@asynccontextmanager
async def site(bounds: Bounds) -> AsyncIterator[Site]:
    app = web.Application()
    (listening,) = listen("127.0.0.1", 0)
    here = Site(listening.getsockname()[1], Connections(bounds))

    async def now(request: web.Request) -> web.Response:
        return web.Response(text="now")

    async def held(request: web.Request) -> web.Response:
        here.at_work += 1
        await here.go_on.wait()
        return web.Response(text="held")

    async def stubborn(request: web.Request) -> web.Response:
        with contextlib.suppress(asyncio.CancelledError):
            await held(request)
        here.ended.set()
        return web.Response(text="held")

    async def long(request: web.Request) -> web.Response:
        return web.Response(body=LONG)

    async def body(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def fails(request: web.Request) -> web.Response:
        raise RuntimeError("a mistake of ours")

    for path, handler in {"/now": now, "/held": held, "/stubborn": stubborn, "/long": long, "/fails": fails}.items():
        app.router.add_get(path, handler)
    app.router.add_post("/body", body)
    app.router.add_post("/refuses", now)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    assert runner.server is not None
    listener = Listener([listening], here.pool)
    listener.start(app, runner.server)
    try:
        yield here
    finally:
        here.go_on.set()
        for each in here.clients:
            each.writer.transport.abort()
        await listener.stop()
        await runner.cleanup()


@pytest.fixture
async def quick() -> AsyncIterator[Site]:
    async with site(QUICK) as here:
        yield here


async def test_a_connection_that_sends_nothing_is_closed(quick: Site) -> None:
    client = await quick.client()
    assert await client.ended() == b""
    assert len(quick.pool) == 0


@pytest.mark.parametrize("before", [0, 1, 2], ids=["at once", "after an answer", "after two"])
async def test_a_head_that_drips_is_refused_when_its_time_is_over(quick: Site, before: int) -> None:
    """Bug: the head of a request could take two minutes, and as many connections as anybody liked (slow loris)."""
    client = await quick.client()
    for _ in range(before):
        client.send(GET)
        assert (await client.answer()).endswith(b"now")
    dripping = asyncio.create_task(drip(client, GET))
    refused = await client.ended()
    assert refused.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"Server: easel\r\n" in refused
    await until(lambda: len(quick.pool) == 0)
    dripping.cancel()


async def drip(client: Client, data: bytes) -> None:
    for byte in data * 10:
        client.send(bytes([byte]).replace(b"\n", b""))
        await asyncio.sleep(0.02)


async def test_a_connection_may_be_silent_between_two_requests_for_longer_than_within_a_head() -> None:
    async with site(replace(QUICK, idle_s=0.6)) as here:
        loop, client = asyncio.get_running_loop(), await here.client(GET)
        await client.answer()
        answered = loop.time()
        assert await client.ended() == b""
        assert loop.time() - answered > 0.5


async def test_a_body_may_come_more_slowly_than_a_head(quick: Site) -> None:
    """Ours: a body has a deadline of its own, which its route sets."""
    client = await quick.client(b"POST /body HTTP/1.1\r\n" + HEAD + b"Content-Length: 30\r\n\r\n")
    for _ in range(30):
        await asyncio.sleep(0.02)
        client.send(b"x")
    assert (await client.answer()).endswith(b"30")


async def test_a_body_right_behind_the_last_byte_of_a_head_is_no_part_of_it(quick: Site) -> None:
    """Bug: where the blank line came in two pieces, the body beside the second one was counted as a head: 431."""
    head = b"POST /body HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n"
    for cut in (1, 2, 3):
        client = await quick.client(head[:-cut])
        await until(lambda: any(each.head_bytes for each in quick.pool.open))
        client.send(head[-cut:] + b"x" * 100_000)
        assert (await client.answer()).endswith(b"100000")


async def test_the_rest_of_a_body_that_nobody_reads_is_no_head(quick: Site) -> None:
    """Ours: a client that is told 401 while it sends goes on with the same connection."""
    client = await quick.client(b"POST /refuses HTTP/1.1\r\n" + HEAD + b"Content-Length: 900000\r\n\r\n")
    assert (await client.answer()).endswith(b"now")
    for _ in range(9):
        client.send(b"x" * 100_000)
        await asyncio.sleep(0.03)
    client.send(GET)
    assert (await client.answer()).endswith(b"now")


@pytest.mark.parametrize("piece", [300_000, 10_000], ids=["at once", "in pieces"])
async def test_a_head_that_is_too_large_is_refused_before_it_is_held(quick: Site, piece: int) -> None:
    """Bug: 200 heads that never ended held 360 MB."""
    head = b"GET /now HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (number, b"y" * 8000) for number in range(9))
    client = await quick.client()
    for start in range(0, len(head), piece):
        client.send(head[start : start + piece])
        await asyncio.sleep(0)
    assert (await client.ended()).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


async def test_a_head_with_the_cookies_of_a_browser_is_read(quick: Site) -> None:
    cookies = b"".join(b"Cookie: %b\r\n" % (b"y" * 8000) for _ in range(MAX_HEAD_BYTES // 8000 - 1))
    client = await quick.client(b"GET /now HTTP/1.1\r\n" + HEAD + cookies + b"\r\n")
    assert (await client.answer()).endswith(b"now")


@pytest.mark.parametrize("keeps", [b"", b"Connection: close\r\n"], ids=["stays", "ends"])
async def test_a_client_that_does_not_read_is_disconnected(keeps: bytes) -> None:
    """Bug: a connection that was to be closed waited for ever for its client to read the rest of the answer."""
    async with site(replace(QUICK, idle_s=0.1)) as here:
        await here.client(b"GET /long HTTP/1.1\r\n" + HEAD + keeps + b"\r\n", receives=4096)
        await until(lambda: len(here.pool) == 1)
        await until(lambda: len(here.pool) == 0)


async def test_the_last_bytes_of_a_connection_that_ends_have_a_deadline(quick: Site) -> None:
    """Ours: a client that takes a little now and then would keep it for hours."""
    client = await quick.client(b"GET /long HTTP/1.1\r\n" + HEAD + b"\r\n", receives=4096)
    await until(lambda: len(quick.pool) == 1)
    (connection,) = quick.pool.open
    await client.reader.readuntil(b"\r\n\r\n")
    connection.force_close()
    assert await taken_slowly(client) < len(LONG)
    assert len(quick.pool) == 0


async def test_a_client_that_reads_slowly_gets_the_whole_answer() -> None:
    async with site(replace(QUICK, unread_s=0.8)) as here:  # more than a busy machine makes a reader wait
        client = await here.client(b"GET /long HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n", receives=65536)
        await client.reader.readuntil(b"\r\n\r\n")
        assert await taken_slowly(client) == len(LONG)


async def taken_slowly(client: Client) -> int:
    """How many bytes of the body there were, for a client that takes a second for them."""
    taken = 0
    with contextlib.suppress(ConnectionError):
        while piece := await client.reader.read(65_536):
            taken += len(piece)
            await asyncio.sleep(0.005)
    return taken


async def test_one_more_connection_closes_the_one_that_has_waited_longest() -> None:
    """Bug: 300 idle connections left no descriptor, and nobody was answered."""
    async with site(Bounds(most=3)) as here:
        await here.held(1)
        first, second = await here.client(GET), await here.client(GET)
        await asyncio.gather(first.answer(), second.answer())
        third = await here.client(GET)
        assert (await third.answer()).endswith(b"now")
        assert await first.ended() == b""
        second.send(GET)
        assert (await second.answer()).endswith(b"now")
        assert len(here.pool) == 3


async def test_where_every_connection_is_in_use_one_more_is_refused_and_told_when_to_come_again() -> None:
    async with site(Bounds(most=2)) as here:
        await here.held(2)
        refused = await (await here.client()).ended()
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"Retry-After: 5\r\n" in refused
        assert b"EASEL_CONNECTIONS" in refused
        assert len(here.pool) == 2
        here.go_on.set()
        assert (await (await here.client(GET)).answer()).endswith(b"now")


async def test_one_address_cannot_take_all_connections() -> None:
    async with site(Bounds(most=10, per_address=2)) as here:
        await here.held(2)
        refused = await (await here.client()).ended()
        assert refused.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert b"Retry-After: 5\r\n" in refused


async def test_an_address_with_waiting_connections_gives_up_one_of_its_own() -> None:
    async with site(Bounds(most=10, per_address=2)) as here:
        await here.held(1)
        waiting = await here.client(GET)
        await waiting.answer()
        assert (await (await here.client(GET)).answer()).endswith(b"now")
        assert await waiting.ended() == b""


async def test_a_proxy_by_which_everybody_comes_is_not_bounded_by_its_address() -> None:
    async with site(Bounds(most=4, per_address=1, exempt=(ip_network("127.0.0.1"),))) as here:
        await here.held(3)
        assert (await (await here.client(GET)).answer()).endswith(b"now")


async def test_a_connection_that_is_lost_while_its_request_is_handled_counts_no_more() -> None:
    """Ours: also where the handler goes on, and has its answer later."""
    async with site(Bounds(most=1)) as here:
        client = await here.client(b"GET /stubborn HTTP/1.1\r\n" + HEAD + b"\r\n")
        await until(lambda: here.at_work == 1)
        client.writer.transport.abort()
        await here.ended.wait()
        await until(lambda: len(here.pool) == 0)
        await here.held(1)
        assert b" 503 " in await (await here.client()).ended()


CLOSE = HEAD + b"Connection: close\r\n"
REFUSED = [
    pytest.param(b"NONSENSE\r\n\r\n", 400, id="no request"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50, 400, id="TLS"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2"),
    pytest.param(b"GET /now HTTP/1.1\r\nBad Field\r\n\r\n", 400, id="a bad field"),
    pytest.param(b"GET /now HTTP/1.1\r\n" + b"X: 1\r\n" * (MAX_FIELDS + 1) + b"\r\n", 400, id="too many fields"),
    pytest.param(b"POST /body HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nz\r\n", 400, id="no chunk"),
    pytest.param(b"GET /nothing HTTP/1.1\r\n" + CLOSE + b"Accept: text/html\r\n\r\n", 404, id="no such path"),
    pytest.param(b"PUT /now HTTP/1.1\r\n" + CLOSE + b"\r\n", 405, id="no such method"),
    pytest.param(b"GET /now HTTP/1.1\r\n" + CLOSE + b"Expect: x\r\n\r\n", 417, id="an unknown expectation"),
    pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n", 431, id="a long request line"),
    pytest.param(b"GET /now HTTP/1.1\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431, id="a long field"),
    pytest.param(b"GET /fails HTTP/1.1\r\n" + CLOSE + b"Accept: text/html\r\n\r\n", 500, id="a mistake of ours"),
]


@pytest.mark.parametrize(("sent", "status"), REFUSED)
async def test_a_refusal_shows_nothing_of_the_library(quick: Site, sent: bytes, status: int) -> None:
    """Bug: requests that could not be read were answered with the versions of Python and aiohttp."""
    refused = await (await quick.client(sent)).ended()
    assert b" %d " % status in refused.splitlines()[0]
    assert re.search(rb"(?i)\r\ncontent-type: application/json", refused)
    assert re.search(rb"(?i)aiohttp|python/|<html|traceback|nonsense", refused) is None
    assert re.findall(rb"(?i)\r\nserver: (.*)\r\n", refused) == [b"easel"]


async def test_requests_that_cannot_be_read_are_not_logged(quick: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Ours: a stranger would fill the log."""
    caplog.set_level(logging.INFO)
    for _ in range(3):
        await (await quick.client(b"NONSENSE\r\n\r\n")).ended()
    assert caplog.records == []


async def test_refused_connections_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async with site(Bounds(most=1)) as here:
        await here.held(1)
        for _ in range(5):
            assert b"503" in await (await here.client()).ended()
    assert len([each for each in caplog.records if "refused" in each.message]) == 1
