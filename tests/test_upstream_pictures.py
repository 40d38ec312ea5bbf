"""Tests of service/upstream_pictures.py."""

import base64
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from service.fetch import Trusted
from service.settings import Waits
from service.upstream_base64 import Lifted
from service.upstream_chat_places import Inline, Link, Source
from service.upstream_errors import UpstreamError
from service.upstream_pictures import MOST, PictureReader
from tests.emulators import pictures
from tests.emulators.loopback import serving

INLINE = [Inline(base64.b64encode(pictures.png(number, (8, 8))).decode()) for number in range(MOST + 4)]
LIMIT = 10_000


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """A service that has `/1.png`, and a page everywhere below `/pages`."""

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=pictures.png(1, (8, 8)), content_type="image/png")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!DOCTYPE html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/1.png", picture)
    app.router.add_get("/tmp/1.png", picture)
    app.router.add_get("/pages/{name}", page)
    async with serving(app) as url:
        yield url


async def read(host: str, *sources: Source, note: str = "", limit: int = LIMIT) -> list[tuple[bytes, str]]:
    async with aiohttp.ClientSession() as session:
        trusted = Trusted(base=URL(host) / "v1", key="k")
        reader = PictureReader(session=session, trusted=trusted, max_file_bytes=limit, waits=Waits(download_s=5))
        return [(each.data, each.note) for each in await reader.read(sources, Lifted(), note)]


async def test_pictures_come_in_order_and_each_once(host: str) -> None:
    """Ours: a service may give the same picture inline and by its URL."""
    found = await read(host, INLINE[2], INLINE[1], Link(f"{host}/1.png"), note="said")
    assert found == [(pictures.png(2, (8, 8)), "said"), (pictures.png(1, (8, 8)), "said")]


@pytest.mark.parametrize("lost", [Link("/gone.png"), Inline("A" * 81), Link("file:///etc/passwd")])
async def test_one_that_cannot_be_had_leaves_the_others(host: str, lost: Source) -> None:
    """Ours: they are paid for; the person is told."""
    ((data, note),) = await read(host, lost, INLINE[1])
    assert data == pictures.png(1, (8, 8))
    assert note.startswith("1 more could not be had.")


@pytest.mark.parametrize("lost", [Link("/gone.png"), Inline("A" * 81), Link("/pages/1.png")])
async def test_when_none_is_left_it_is_a_failed_download(host: str, lost: Source) -> None:
    """Ours: it is not made again by itself."""
    with pytest.raises(UpstreamError) as raised:
        await read(host, lost)
    assert (raised.value.kind, raised.value.retries) == ("download", 0)


async def test_a_page_behind_a_mere_guess_is_no_failure(host: str) -> None:
    """Ours: a refusal may name the rules it follows."""
    assert await read(host, Link("/pages/rules", guessed=True)) == []
    assert len(await read(host, Link("/pages/rules", guessed=True), INLINE[1])) == 1


async def test_a_stored_picture_is_found_on_the_services_own_origin(host: str) -> None:
    """Bug: flow2api #103 named hosts that nobody can reach."""
    assert len(await read(host, Link("http://0.0.0.0:1/tmp/1.png"))) == 1


async def test_size_and_number_are_bounded(host: str) -> None:
    """Ours: for what is inline as for what is downloaded."""
    assert len(await read(host, *INLINE)) == MOST
    for source in (INLINE[1], Link("/1.png")):
        with pytest.raises(UpstreamError, match="larger than 10 bytes"):
            await read(host, source, limit=10)
