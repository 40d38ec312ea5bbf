"""The answer with a large picture in memory, by real sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from service.storage.disk import DiskFiles
from service.storage.files import OpenRange
from service.web.images import add_routes

Client = TestClient[web.Request, web.Application]


class OpenedOnce(DiskFiles):
    """Opens each file once: the next answers come from memory, or not at all."""

    def __init__(self, folder: Path, scratch: Path, key: bytes, *, on_share: bool = False) -> None:
        super().__init__(folder, scratch, key, on_share=on_share)
        self._opened: set[str] = set()

    async def open_range(self, name: str, span: range) -> OpenRange | None:
        if name in self._opened:
            return None
        self._opened.add(name)
        return await super().open_range(name, span)


@pytest.fixture
async def files(tmp_path: Path) -> DiskFiles:
    (tmp_path / "scratch").mkdir()
    return await OpenedOnce.open(tmp_path / "files", tmp_path / "scratch", b"k" * 32)


@pytest.fixture
async def client(files: DiskFiles, aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> Client:
    app = web.Application()
    add_routes(app, files, hot_bytes=100_000_000)
    return await aiohttp_client(app)


async def test_slow_readers_get_large_pictures_whole(files: DiskFiles, client: Client) -> None:
    """Ours: a piece is written when the one before was taken, and answers to several do not mix."""
    pictures = [bytes([each]) * 6_000_000 for each in range(3)]
    names = [await files.keep("local", data, "image/png") for data in pictures]

    async def read(name: str) -> bytes:
        reader, writer = await asyncio.open_connection(client.host, client.port, limit=1_000)
        writer.write(f"GET /mcp-cache/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = bytearray()
        while piece := await reader.read(50_000):
            answer += piece
            await asyncio.sleep(0)
        writer.close()
        return bytes(answer.partition(b"\r\n\r\n")[2])

    for _ in range(3):
        assert await asyncio.gather(*map(read, names)) == pictures


async def test_who_leaves_in_the_middle_is_no_error(
    files: DiskFiles, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: people close tabs."""
    name = await files.keep("local", bytes(7_000_000), "image/png")
    for _ in range(4):
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(f"GET /mcp-cache/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.readexactly(1000)
        writer.transport.abort()
    async with client.get(f"/mcp-cache/{name}") as answer:
        assert len(await answer.read()) == 7_000_000
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
