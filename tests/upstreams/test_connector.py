"""Tests of service/upstreams/connector.py."""

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from service import app
from service.bounds.bodies import read_limited
from service.bounds.byte_budget import HELD_BACK_BYTES
from service.hosts import Proxies
from service.settings import Settings
from service.upstreams.connector import (
    SMALL_PIECE,
    Connector,
    Resolver,
    addresses_of,
    client_session,
    is_local_name,
    read_on,
)
from service.upstreams.fetch import fetch
from tests.emulators.loopback import serving


@contextlib.contextmanager
def dead_name_server() -> Iterator[int]:
    """The port of a name server that receives questions and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield server.getsockname()[1]


@pytest.fixture
def dead_port() -> Iterator[int]:
    with dead_name_server() as port:
        yield port


@contextlib.asynccontextmanager
async def session_with(resolver: Resolver | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=Connector(resolver)) as session:
        yield session


def asking(port: int) -> Resolver:
    """A resolver whose only name server is the one at this port."""
    return Resolver(nameservers=["127.0.0.1"], udp_port=port, tcp_port=port)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("flow2api", True),
        ("localhost", True),
        ("localhost.", True),
        ("printer.local", True),
        ("Printer.LOCAL.", True),
        ("img.example", False),
        ("local.example", False),
        ("127.0.0.1", False),
        ("::1", False),
    ],
)
def test_names_without_a_dot_and_below_local_are_of_the_local_network(host: str, local: bool) -> None:
    """Spec RFC 6762, 3, and RFC 4795: name servers of the internet do not know them."""
    assert is_local_name(host) is local


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
async def test_the_hosts_file_and_addresses_are_read(host: str) -> None:
    async with session_with() as session:
        assert {"127.0.0.1", "::1"} & set(await addresses_of(session, host))


async def test_an_unknown_name_is_an_error() -> None:
    """Spec RFC 6761: `.invalid` never resolves."""
    async with session_with() as session:
        with pytest.raises(OSError, match="name"):
            await addresses_of(session, "nowhere.invalid")


async def test_a_session_connects_by_name(unused_tcp_port: int) -> None:
    """Ours: the connector and the guarded download share one resolver."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", unused_tcp_port), session_with() as session:
        async with session.get(f"http://localhost:{unused_tcp_port}/") as response:
            assert response.status == 204


async def test_a_lookup_ends_with_its_call(dead_port: int) -> None:
    """Ours: nothing waits for a dead name server after the caller has left."""
    async with session_with(asking(dead_port)) as session:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await addresses_of(session, "img.example")


async def test_pictures_come_at_once_while_a_name_server_is_silent(
    dead_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bug: lookups took the threads that files are read in: eight of them held up everybody's pictures for 7.5 s."""
    answered = threading.Event()
    real = socket.getaddrinfo

    def silent(host: Any, *rest: Any, **named: Any) -> Any:
        if "silent" not in str(host):
            return real(host, *rest, **named)
        answered.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    settings = Settings.from_env({"EASEL_PORT": "0", "EASEL_DATA_DIR": str(tmp_path), "EASEL_LOG": "error"})
    async with (
        app.running(settings) as service,
        aiohttp.ClientSession() as client,
        session_with(asking(dead_port)) as session,
    ):
        downloads = [
            asyncio.create_task(fetch(session, f"http://silent-{n}.example/a.png", max_bytes=9)) for n in range(40)
        ]
        try:
            async with asyncio.timeout(60), client.get(f"{service.pictures_url}{'0' * 32}.png") as response:
                assert response.status == 404
        finally:
            answered.set()
            for download in downloads:
                download.cancel()
            ended = await asyncio.gather(*downloads, return_exceptions=True)
    assert {type(each) for each in ended} == {asyncio.CancelledError}


@pytest.mark.skipif(sys.platform == "win32", reason="its loop reads whole buffers")
async def test_an_answer_that_waits_for_room_takes_little_memory_and_comes_whole_then() -> None:
    """Bug: of each of 500 answers that waited, 256 KiB were in memory, whatever buffer they were to have."""
    body = bytes(1024) * 2048

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    server = web.Application()
    server.router.add_get("/", answer)
    async with serving(server) as url, client_session(Proxies(), "test") as session:
        for _ in range(2):  # the second one by the same connection
            async with session.get(url, read_bufsize=HELD_BACK_BYTES) as response:
                while response.content.total_bytes <= SMALL_PIECE:  # noqa: ASYNC110 - aiohttp tells of no bytes
                    await asyncio.sleep(0)
                assert response.content.total_bytes <= 2 * SMALL_PIECE
                read_on(response)
                assert await read_limited(response.content, len(body)) == body
