"""Tests of service/upstreams/pictures.py."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from service.images import Progress, WorkError
from service.settings import Timeouts
from service.upstreams.base64_extractor import ExtractedBase64
from service.upstreams.errors import UpstreamError
from service.upstreams.fetch import Trusted
from service.upstreams.image_sources import Inline, Link, Raw, Source
from service.upstreams.pictures import MOST, PictureReader
from tests.emulators import pictures
from tests.emulators.loopback import serving

INLINE = [Inline(base64.b64encode(pictures.png(number, (8, 8))).decode()) for number in range(MOST + 4)]
LIMIT = 10_000


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """A service that has `/1.png` and some more, a page everywhere below `/pages`, and any status."""

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=pictures.png(1, (8, 8)), content_type="image/png")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!DOCTYPE html>", content_type="text/html")

    async def moved(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/1.png?once=1"})

    async def second(_: web.Request) -> web.Response:
        return web.Response(body=pictures.png(2, (8, 8)), content_type="image/png")

    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    app = web.Application()
    app.router.add_get("/1.png", picture)
    app.router.add_get("/moved", moved)
    app.router.add_get("/tmp/1.png", picture)
    app.router.add_get("/tmp/2.png", second)
    app.router.add_get("/status/{status}", status)
    app.router.add_get("/pages/{name}", page)
    async with serving(app) as url:
        yield url


@asynccontextmanager
async def reader(host: str, limit: int = LIMIT) -> AsyncIterator[PictureReader]:
    async with aiohttp.ClientSession() as session:
        trusted = Trusted(base=URL(host) / "v1", key="k")
        yield PictureReader(
            session=session, trusted=trusted, max_file_bytes=limit, timeouts=Timeouts(download_s=5, appear_s=0.1)
        )


async def read(host: str, *sources: Source, note: str = "", limit: int = LIMIT) -> list[tuple[bytes, str]]:
    async with reader(host, limit) as reading:
        found = await reading.read(sources, ExtractedBase64(), Reports(), note)
        return [(each.data, each.note) for each in found if each.data]


class Reports(Progress):
    """Progress that keeps the links it was told of."""

    def __init__(self) -> None:
        self.links: list[str] = []

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:  # noqa: ARG002 - a Progress
        self.links += links


async def test_the_urls_of_an_answer_are_reported_before_the_first_download(host: str) -> None:
    """Bug: a crash during a download lost what was paid for, since nobody knew its URL any more."""
    reports = Reports()
    lost_on_the_way = f"{host}/pages/1.png"
    async with reader(host) as reading:
        asking = reading.read([Link("/1.png"), INLINE[2], Link(lost_on_the_way)], ExtractedBase64(), reports)
        found = await asking
    assert reports.links == [f"{host}/1.png", lost_on_the_way]
    assert [(bool(each.data), each.source) for each in found] == [
        (True, f"{host}/1.png"), (True, ""), (False, lost_on_the_way),
    ]  # fmt: skip


async def test_pictures_come_in_order_and_each_once(host: str) -> None:
    """Ours: a service may give the same picture inline and by its URL."""
    found = await read(host, INLINE[2], INLINE[1], Link(f"{host}/1.png"), note="said")
    assert found == [(pictures.png(2, (8, 8)), "said"), (pictures.png(1, (8, 8)), "said")]


@pytest.mark.parametrize("lost", [Link("/gone.png"), Inline("A" * 81), Link("file:///etc/passwd")])
async def test_one_that_cannot_be_had_leaves_the_others(host: str, lost: Source) -> None:
    """Ours: they are paid for; the person is told."""
    ((data, note),) = await read(host, lost, INLINE[1])
    assert data == pictures.png(1, (8, 8))
    assert note.startswith("1 more could not be had at first.")


@pytest.mark.parametrize(
    ("lost", "kind"), [(Link("/gone.png"), "download"), (Inline("A" * 81), "lost"), (Link("/pages/1.png"), "download")]
)
async def test_when_none_is_left_it_is_a_failure_that_keeps_the_links(host: str, lost: Source, kind: str) -> None:
    """Ours: it is not made again by itself, and may be there later."""
    with pytest.raises(UpstreamError) as raised:
        await read(host, lost)
    links = (f"{host}{lost.url}",) if isinstance(lost, Link) else ()
    assert (raised.value.kind, raised.value.retries, raised.value.links) == (kind, 0, links)


async def test_the_source_of_a_picture_is_the_url_it_was_given_by(host: str) -> None:
    """Ours: a redirect may be for once. Relative to the service it is whole, so that it can be read on its own."""
    sources: list[Source] = [Link(f"{host}/moved"), Link("/tmp/2.png"), INLINE[3]]
    async with reader(host) as reading:
        found = await reading.read(sources, ExtractedBase64(), Reports())
        assert [each.source for each in found] == [f"{host}/moved", f"{host}/tmp/2.png", ""]
        for each in found[:2]:
            assert await reading.again(each.source) == each.data


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "gone"), (403, "gone"), (404, "gone"), (410, "gone"), (401, "download"), (413, "download")],
)
async def test_again_what_is_gone_is_told_apart_from_what_fails(host: str, status: int, kind: str) -> None:
    """Spec storage services: 400 or 403 for a signature that has expired. Nothing more is charged in any case."""
    async with reader(host) as reading:
        with pytest.raises(WorkError, match=f"HTTP {status}") as raised:
            await reading.again(f"{host}/status/{status}")
    assert (raised.value.kind, raised.value.retries, raised.value.may_be_charged) == (kind, 0, False)


async def test_a_page_behind_a_mere_guess_is_no_failure(host: str) -> None:
    """Ours: a refusal may name the rules it follows."""
    assert await read(host, Link("/pages/rules", guessed=True)) == []
    assert len(await read(host, Link("/pages/rules", guessed=True), INLINE[1])) == 1


@pytest.mark.parametrize("status", [404, 403, 202, 503])
async def test_a_picture_may_appear_a_moment_after_its_url(status: int) -> None:
    """Bug: llmgateway PR #1762, tee-gateway PR #139: 404 just after the picture was made and paid for."""
    tries = 0

    async def late(_: web.Request) -> web.Response:
        nonlocal tries
        tries += 1
        if tries == 1:
            return web.Response(status=status)
        return web.Response(body=pictures.png(1, (8, 8)))

    app = web.Application()
    app.router.add_get("/late.png", late)
    async with serving(app) as url:
        assert len(await read(url, Link("/late.png"))) == 1
    assert tries == 2


@pytest.mark.parametrize(
    "wrong",
    [
        "http://localhost:1/1.png",
        "http://127.0.0.1:1/1.png",
        "http://0.0.0.0:8000/1.png",
        "http://172.17.0.5:8080/1.png",
        "http://192.168.0.9/1.png",
        "http://flow2api:8000/1.png",
        "http://flow2api.local/1.png",
        "http://[::1]:1/1.png",
    ],
)
async def test_a_service_that_names_a_wrong_address_for_itself_is_asked_at_the_right_one(host: str, wrong: str) -> None:
    """Bug: chenyme/grok2api #640, nextcloud/integration_openai #290: loopback, a container, its private address."""
    assert len(await read(host, Link(wrong))) == 1


async def test_a_redirect_to_a_wrong_address_is_mended_too() -> None:
    """Ours: a service that redirects to its storage may know that, too, by an address of its own."""

    async def moved(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://minio:9000/1.png"})

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=pictures.png(1, (8, 8)))

    app = web.Application()
    app.router.add_get("/moved", moved)
    app.router.add_get("/1.png", picture)
    async with serving(app) as url:
        assert len(await read(url, Link("/moved"))) == 1


async def test_a_service_below_a_path_of_its_proxy_is_asked_there_too() -> None:
    """Ours: the service behind `https://relay.example/sub/v1` names `/1.png`, which its proxy has as `/sub/1.png`."""

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=pictures.png(1, (8, 8)))

    app = web.Application()
    app.router.add_get("/sub/1.png", picture)
    async with serving(app) as url, reader(f"{url}/sub") as reading:
        (found,) = await reading.read([Link("/1.png")], ExtractedBase64(), Reports())
        assert found.data == pictures.png(1, (8, 8))


@pytest.mark.parametrize(
    "url",
    [
        "/image_generation_content/0",
        "https://example.com/image.png",
        "https://via.placeholder.com/512",
        "http://googleusercontent.com/image_generation_content/0",
    ],
)
async def test_a_placeholder_is_no_picture_and_no_failure(host: str, url: str) -> None:
    """Bug: Nativu5/Gemini-FastAPI #76: a model that has drawn nothing writes such links, shown or not."""
    assert await read(host, Link(url)) == []
    assert await read(host, Link(url, guessed=True)) == []


async def test_a_guess_that_leads_nowhere_is_no_picture(host: str) -> None:
    """Ours: only the name of a picture file says that there must have been one."""
    assert await read(host, Link("/status/404", guessed=True)) == []
    with pytest.raises(UpstreamError):
        await read(host, Link("/gone.png", guessed=True))


async def test_a_picture_that_is_the_whole_answer_is_taken(host: str) -> None:
    assert await read(host, Raw(pictures.png(1, (8, 8)))) == [(pictures.png(1, (8, 8)), "")]


async def test_a_stored_picture_is_found_on_the_services_own_origin(host: str) -> None:
    """Bug: flow2api #103 named hosts that nobody can reach."""
    assert len(await read(host, Link("http://0.0.0.0:1/tmp/1.png"))) == 1


async def test_a_picture_that_will_never_do_is_not_waited_for(host: str) -> None:
    """Bug: after a picture that was too large, the seconds in which one may still appear were slept through."""
    async with aiohttp.ClientSession() as session:
        patient = Timeouts(download_s=5, appear_s=3600)
        trusted = Trusted(base=URL(host) / "v1", key="k")
        reading = PictureReader(session=session, trusted=trusted, max_file_bytes=10, timeouts=patient)
        async with asyncio.timeout(60):
            with pytest.raises(UpstreamError, match="larger than 1e-05 MB"):
                await reading.read([Link("/1.png")], ExtractedBase64(), Reports())


async def test_size_and_number_are_bounded(host: str) -> None:
    """Ours: for what is inline as for what is downloaded."""
    assert len(await read(host, *INLINE)) == MOST
    for source in (INLINE[1], Link("/1.png")):
        with pytest.raises(UpstreamError, match="larger than 1e-05 MB"):
            await read(host, source, limit=10)
