"""Requests that follow one another on one connection, over real ones."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web

from service.logs import FIELDS
from service.telemetry import OF_REQUEST, call_began
from service.web.connections import Bounds, Connections
from service.web.sockets import Listener, listen
from tests.command_process import HANGS_S

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class UnanswerableResponse(web.Response):
    """A response of which the connection cannot learn whether it stays: a mistake of ours."""

    @property
    def keep_alive(self) -> bool:
        raise RuntimeError("a mistake of ours")

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a site that tells what is known in the context of a request."""
    app = web.Application()

    async def context(request: web.Request) -> web.Response:
        known = f"{dict(FIELDS.get())} {OF_REQUEST.get()}"
        call_began("generate", "alice", 7, {})
        return web.Response(text=known)

    async def numbered(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return web.Response(text=request.query["n"])

    async def fails(request: web.Request) -> web.Response:
        return UnanswerableResponse()

    app.router.add_get("/context", context)
    app.router.add_get("/numbered", numbered)
    app.router.add_get("/fails", fails)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    assert runner.server is not None
    (listening,) = listen("127.0.0.1", 0)
    listener = Listener([listening], Connections(Bounds()))
    listener.start(app, runner.server)
    yield listening.getsockname()[1]
    await listener.stop()
    await runner.cleanup()


async def answers(port: int, *requests: Sequence[str]) -> list[str]:
    """The bodies of the answers to requests, each a path and fields, that are sent at once on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number, (path, *fields) in enumerate(requests, start=1):
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *fields, *["Connection: close"] * (number == len(requests))]
        writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(HANGS_S):
        everything = (await reader.read()).decode()
    writer.close()
    return [each.partition("\r\n\r\n")[2] for each in everything.split("HTTP/1.1 ")[1:]]


async def test_a_request_knows_nothing_of_the_call_before_it_on_the_same_connection(port: int) -> None:
    """Ours: a proxy sends requests of several people on one connection, and a log line names the owner of its own."""
    assert await answers(port, ("/context", f"traceparent: {TRACE}"), ("/context",)) == [f"{{}} {TRACE}", "{} "]


async def test_requests_that_are_sent_at_once_are_answered_in_their_order(port: int) -> None:
    """RFC 9112, 9.3.2: a server must answer pipelined requests in the order in which they came."""
    numbers = [str(number) for number in range(100)]  # more than aiohttp parses ahead
    assert await answers(port, *((f"/numbered?n={each}",) for each in numbers)) == numbers


async def test_a_mistake_of_ours_ends_its_connection_and_is_logged(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """Ours: a connection in an unknown state must not be used again, and nobody awaits its task."""
    with caplog.at_level(logging.ERROR, "aiohttp.server"):
        assert await answers(port, ("/fails",), ("/numbered?n=1",)) == []
    assert "a mistake of ours" in caplog.text
