"""Tests of service/upstreams/fetch.py."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from service.upstreams.fetch import FetchError, RetryPolicy, Trouble, Trusted, fetch, read_url
from tests.emulators import pictures
from tests.emulators.loopback import serving

PICTURE = pictures.png(1, (8, 8))
SIGNED = "/image/1111?Expires=1&KeyName=k&Signature=a%2Bb%2F%3D%20c"
LIMIT = 100_000

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Host:
    """A server with one answer for every path. `seen` are the requests, path and query byte for byte."""

    url: str
    seen: list[tuple[str, str | None, str]] = field(default_factory=list)

    def trusted(self, key: str = "secret-key") -> Trusted:
        return Trusted(base=URL(self.url) / "v1", key=key)


@asynccontextmanager
async def host(answer: Answer) -> AsyncIterator[Host]:
    running = Host("")

    async def record(request: web.Request) -> web.StreamResponse:
        running.seen.append((request.raw_path, request.headers.get("Authorization"), request.headers["Host"]))
        return await answer(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", record)
    async with serving(app) as url:
        running.url = url
        yield running


async def picture(_: web.Request) -> web.Response:
    return web.Response(body=PICTURE, content_type="application/octet-stream")


async def get(url: str, trusted: Trusted | None, *, max_bytes: int = LIMIT, tries: int = 1) -> bytes:
    async with aiohttp.ClientSession() as session:
        retry = RetryPolicy(pauses_s=[0.0] * (tries - 1))
        return await fetch(session, url, max_bytes=max_bytes, trusted=trusted, retry=retry)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/x", "file:///etc/passwd", "data:image/png;base64,AAAA", "/x", "http://", "http://user:pw@h/x",
        "http://user@h/x", "http://h:99999/x", "http://[::1/x", "",
    ],
)  # fmt: skip
def test_what_is_no_plain_http_url_is_refused(url: str) -> None:
    """Ours: other schemes read files and reach other services."""
    with pytest.raises(FetchError):
        read_url(url)


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "localhost.", "127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1"),
        *("[::ffff:127.0.0.1]", "[::1]", "[::]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1%25eth0]", "0"),
        *("127。0。0。1", "①②⑦.0.0.1", "１２７.0.0.1"),
    ],
)
async def test_a_private_address_is_refused_however_it_is_written(name: str) -> None:
    """Ours: SSRF; nothing is asked of the host."""
    async with host(picture) as server:
        port = URL(server.url).port
        with pytest.raises(FetchError, match="private network|name is not known"):
            await get(f"http://{name}:{port}/x", None)
        assert server.seen == []


async def test_a_caller_who_names_a_private_address_hears_nothing_of_the_service() -> None:
    """Bug: it was refused as not the host of the image service, though it may well be that host."""
    with pytest.raises(FetchError) as caught:
        await get("http://127.0.0.1:9/x", None)
    assert str(caught.value) == "Could not download the picture from 127.0.0.1: it is on a private network."


async def test_the_host_of_the_service_may_be_private_on_any_port() -> None:
    """Ours: a self-hosted Flow2API with its picture host beside it is the normal case."""
    async with host(picture) as api, host(picture) as beside:
        assert await get(f"{beside.url}/x", api.trusted()) == PICTURE


async def test_another_private_host_is_refused_though_a_service_is_trusted() -> None:
    """Ours: an upstream must not reach around on our network."""
    async with host(picture) as api, host(picture) as other:
        with pytest.raises(FetchError, match="private network"):
            await get(f"http://127.0.0.2:{URL(other.url).port}/x", api.trusted())


async def test_the_url_is_sent_byte_for_byte_to_the_named_host() -> None:
    """Bug: a signed query that was decoded and encoded again is refused by Google's storage."""
    async with host(picture) as server:
        port = URL(server.url).port
        trusted = Trusted(base=URL(f"http://localhost:{port}"), key="")
        assert await get(f"http://localhost:{port}{SIGNED}", trusted) == PICTURE
    assert server.seen == [(SIGNED, None, f"localhost:{port}")]


async def test_the_key_goes_to_the_exact_origin_only() -> None:
    """Spec RFC 6454, origin: scheme, host and port."""
    async with host(picture) as api, host(picture) as beside:
        await get(f"{api.url}/x.jpg", api.trusted())
        await get(f"{beside.url}/x.jpg", api.trusted())
    assert [key for _, key, _ in api.seen + beside.seen] == ["Bearer secret-key", None]


async def test_a_redirect_to_another_origin_loses_the_key_and_keeps_its_query() -> None:
    """Ours: whoever redirects may be anybody."""
    async with host(picture) as beside:

        async def away(_: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": beside.url + SIGNED})

        async with host(away) as api:
            assert await get(f"{api.url}/x", api.trusted()) == PICTURE
            assert [key for _, key, _ in api.seen] == ["Bearer secret-key"]
    assert [(target, key) for target, key, _ in beside.seen] == [(SIGNED, None)]


@pytest.mark.parametrize("location", ["http://127.0.0.2/x", "file:///etc/passwd", "http://169.254.169.254/latest"])
async def test_each_redirect_is_checked_again(location: str) -> None:
    """Ours: a public URL that redirects inside is the usual way round a check."""

    async def away(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": location})

    async with host(away) as api:
        with pytest.raises(FetchError, match="private network|only http"):
            await get(f"{api.url}/x", api.trusted())


@pytest.mark.parametrize("port", [25, 22, 6379, 2375, 9200, 11211])
async def test_a_port_of_another_protocol_is_not_asked_not_even_on_the_host_of_the_service(port: int) -> None:
    """Ours: a picture that lies on the port of a mail server or a database is an order to it."""
    async with host(picture) as api:
        with pytest.raises(FetchError, match=f"port {port} is none of a web server") as raised:
            await get(f"http://127.0.0.1:{port}/x", api.trusted(), tries=3)
        assert raised.value.trouble is Trouble.PORT

        async def away(_: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{port}/x"})

        async with host(away) as redirecting:
            with pytest.raises(FetchError, match="none of a web server"):
                await get(f"{redirecting.url}/x", redirecting.trusted())


async def test_the_service_itself_may_have_any_port() -> None:
    """Ours: whoever runs the server chose it."""
    with pytest.raises(FetchError, match="does not accept connections"):
        await get("http://127.0.0.1:99/x", Trusted(base=URL("http://127.0.0.1:99/v1"), key="k"))


async def test_redirects_end() -> None:
    """Ours: five are plenty."""

    async def around(_: web.Request) -> web.Response:
        return web.Response(status=301, headers={"Location": "/again"})

    async with host(around) as api:
        with pytest.raises(FetchError, match="redirects"):
            await get(f"{api.url}/x", api.trusted())
        assert len(api.seen) == 6


@pytest.mark.parametrize("chunked", [True, False])
async def test_more_bytes_than_the_cap_are_not_read(chunked: bool) -> None:
    """Ours: with a length that says so, and without one."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if not chunked:
            response.content_length = 10_000_000
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 100_000)
        return response

    async with host(endless) as api:
        with pytest.raises(FetchError, match="larger than 0.1 MB"):
            await get(f"{api.url}/x", api.trusted(), tries=3)
        assert len(api.seen) == 1


@pytest.mark.parametrize("content_type", ["text/html", "image/png"])
async def test_a_web_page_is_no_picture(content_type: str) -> None:
    """Ours: HTML with 200 is a login or proxy page."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=b"\n<!DOCTYPE html><title>Sign in</title>", content_type=content_type)

    async with host(page) as api:
        with pytest.raises(FetchError, match="web page") as raised:
            await get(f"{api.url}/x", api.trusted())
        assert raised.value.trouble is Trouble.OTHER


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/json", "binary/octet-stream"])
async def test_a_picture_is_one_by_its_bytes(content_type: str) -> None:
    """Ours: relays serve pictures as text/html; a page is one by its bytes, too."""

    async def mislabelled(_: web.Request) -> web.Response:
        return web.Response(body=PICTURE, content_type=content_type)

    async with host(mislabelled) as api:
        assert await get(f"{api.url}/x", api.trusted()) == PICTURE


async def test_a_download_that_trickles_is_given_up() -> None:
    """Ours: each byte is a sign of life, so the whole has a deadline too."""

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.01)

    async with host(trickle) as api, aiohttp.ClientSession() as session:
        retry = RetryPolicy(total_s=0.1, pauses_s=())
        with pytest.raises(FetchError, match="took too long"):
            await fetch(session, f"{api.url}/x", max_bytes=LIMIT, trusted=api.trusted(), retry=retry)


async def test_redirects_and_further_tries_end_in_the_same_time() -> None:
    """Bug: each try had the whole time anew. What one call costs is bounded once, and for all of it."""
    asked: list[str] = []

    async def onward(request: web.Request) -> web.Response:
        asked.append(request.path)
        if len(asked) % 3 == 0:
            return web.Response(status=503)
        await asyncio.sleep(0.04)
        return web.Response(status=302, headers={"Location": "/onward"})

    async with host(onward) as api, aiohttp.ClientSession() as session:
        retry = RetryPolicy(total_s=0.3, pauses_s=[0.01] * 1000)
        with pytest.raises(FetchError, match="took too long"):
            await fetch(session, f"{api.url}/x", max_bytes=LIMIT, trusted=api.trusted(), retry=retry)
    assert 3 < len(asked) < 20


@pytest.mark.parametrize(("status", "asked"), [(503, 3), (500, 3), (404, 1), (403, 1)])
async def test_what_may_pass_is_tried_again_and_the_rest_is_not(status: int, asked: int) -> None:
    """Ours: a picture is paid for, another download is not."""

    async def failing(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with host(failing) as api:
        with pytest.raises(FetchError, match=f"HTTP {status}"):
            await get(f"{api.url}/x", api.trusted(), tries=3)
        assert len(api.seen) == asked


async def test_a_broken_download_is_tried_again() -> None:
    """Ours: the second try gives the whole picture, never half of one."""
    tries = 0

    async def breaking(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        if tries > 1:
            return await picture(request)
        response = web.StreamResponse()
        response.content_length = len(PICTURE)
        await response.prepare(request)
        await response.write(PICTURE[:10])
        assert request.transport is not None
        request.transport.close()
        return response

    async with host(breaking) as api:
        assert await get(f"{api.url}/x", api.trusted(), tries=2) == PICTURE


async def test_an_error_names_the_host_and_never_the_query(unused_tcp_port: int) -> None:
    """Ours: a signed query is a secret."""
    url = f"http://127.0.0.1:{unused_tcp_port}{SIGNED}"
    with pytest.raises(FetchError) as raised:
        await get(url, Trusted(base=URL(url).origin(), key="secret-key"))
    assert "127.0.0.1" in str(raised.value)
    assert "Signature" not in str(raised.value)
    assert raised.value.kind == "download"


async def test_a_name_that_is_unknown_is_an_error_that_says_so() -> None:
    """Spec RFC 6761: `.invalid` never resolves."""
    with pytest.raises(FetchError, match="name is not known"):
        await get("https://nowhere.invalid/x", None)
