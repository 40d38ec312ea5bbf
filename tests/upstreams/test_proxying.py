"""Requests by way of a proxy: the way to the image service, and a download that still goes to a checked address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from service.hosts import Proxies
from service.images import ImageRequest, Picture
from service.settings import Endpoint
from service.upstreams.connector import Connector, Resolver, proxying
from service.upstreams.errors import UpstreamError
from service.upstreams.fetch import FetchError, RetryPolicy, fetch
from service.upstreams.openai import OpenAiUpstream
from tests.conftest import Serve
from tests.emulators import openai_images, pictures
from tests.emulators.loopback import serving
from tests.upstreams import made
from tests.wire import wire_client

MODEL = "gpt-image-1.5"
PICTURE = pictures.png(1, (8, 8))
PUBLIC = "93.184.216.34"


class OneAddress(Resolver):
    """A name server that knows one address for every name."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:  # noqa: ARG002
        return [ResolveResult(hostname=host, host=PUBLIC, port=port, family=2, proto=0, flags=0)]


@dataclass
class Proxy:
    """A proxy that opens a tunnel to nowhere: it keeps what it is asked, and what the client begins to say inside."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    inside: bytes = b""
    served: list["asyncio.Task[Any] | None"] = field(default_factory=list)
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served.append(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.decode())
        writer.write(self.answer)
        self.inside = await reader.read(4096)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def proxy(**fields: Any) -> AsyncIterator[Proxy]:
    opened = Proxy(**fields)
    server = await asyncio.start_server(opened.serve, "127.0.0.1", 0)
    opened.port = server.sockets[0].getsockname()[1]
    async with server:
        yield opened
        await asyncio.gather(*filter(None, opened.served))


@asynccontextmanager
async def session(proxies: Proxies) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=Connector(OneAddress()), middlewares=[proxying(proxies)]) as opened:
        yield opened


async def silent(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None: ...


async def drawn(proxies: Proxies, url: str, key: str = "sk-1") -> list[Picture]:
    async with session(proxies) as opened:
        upstream = OpenAiUpstream(opened, Endpoint(url=url, key=key), max_file_bytes=1_000_000)
        return made.drawn(await upstream.generate(ImageRequest(model=MODEL, prompt="a fox"), silent))


async def test_an_image_service_is_asked_by_way_of_its_proxy() -> None:
    """Bug: behind a firewall with a proxy no image service was reached, and nothing spoke of proxies."""
    async with openai_images.running() as emulator:
        url = emulator.url.replace("127.0.0.1", "images.example.test").partition("/v1")[0]
        found = await drawn(Proxies(http=emulator.url.partition("/v1")[0]), url, emulator.key)
    assert len(found) == 1


async def test_the_service_honours_the_environment(serve: Serve) -> None:
    """Ours: as `curl` does. Nothing but the proxy knows the name of the image service."""
    async with openai_images.running() as emulator:
        env = {
            "OPENAI_API_KEY": emulator.key,
            "OPENAI_BASE_URL": "http://images.example.test",
            "HTTP_PROXY": emulator.url.partition("/v1")[0],
        }
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            result = await client.call("generate", {"prompt": "a boat", "model": MODEL})
    assert not result.get("isError"), result


async def test_a_picture_on_the_services_own_host_comes_by_way_of_its_proxy() -> None:
    """Ours: nobody but the proxy knows its name, and the picture is paid for."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"url": "http://images.example.test/files/a.png"}]})

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=PICTURE, content_type="image/png")

    app = web.Application()
    app.router.add_post("/v1/images/generations", answer)
    app.router.add_get("/files/a.png", picture)
    async with serving(app) as url:
        [drawn_picture] = await drawn(Proxies(http=url), "http://images.example.test")
    assert drawn_picture.data == PICTURE


async def test_a_proxy_that_is_not_there_is_named() -> None:
    """Ours: "it does not accept connections" would send people to look at the image service."""
    with pytest.raises(UpstreamError, match="The proxy of HTTP_PROXY or HTTPS_PROXY does not accept connections"):
        await drawn(Proxies(http="http://127.0.0.1:9"), "http://images.example.test")


async def test_a_proxy_that_refuses_the_way_is_named_and_nothing_was_charged() -> None:
    async with proxy(answer=b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as opened:
        with pytest.raises(UpstreamError, match="refused the way there with HTTP 407") as raised:
            await drawn(Proxies(https=opened.url), "https://images.example.test")
    assert not raised.value.may_be_charged


async def test_a_download_is_tunnelled_to_the_address_that_was_checked() -> None:
    """Ours: a proxy that resolved the name again could be led to an address within its own network."""
    async with proxy() as opened, session(Proxies(https=opened.url)) as through:
        with pytest.raises(FetchError):
            await fetch(through, "https://pictures.example.test/a.png", max_bytes=10, retry=RetryPolicy(pauses_s=()))
    assert opened.asked[0].startswith(f"CONNECT {PUBLIC}:443 HTTP/1.1\r\n")
    assert b"pictures.example.test" in opened.inside, "the certificate is that of the name"


class Rebound(Resolver):
    """A name server of somebody who answers with a public address first, and with one of this machine after that."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:  # noqa: ARG002
        self.asked.append(host)
        address = PUBLIC if len(self.asked) == 1 else "127.0.0.1"
        return [ResolveResult(hostname=host, host=address, port=port, family=2, proto=0, flags=0)]


async def test_a_name_is_not_resolved_again_after_its_address_was_checked() -> None:
    """Ours: DNS rebinding. The second answer would be a machine behind the guard."""
    resolver = Rebound()
    async with proxy() as opened:
        middlewares = [proxying(Proxies(https=opened.url))]
        async with aiohttp.ClientSession(connector=Connector(resolver), middlewares=middlewares) as through:
            with pytest.raises(FetchError):
                await fetch(through, "https://pictures.example.test/a.png", max_bytes=9, retry=RetryPolicy(pauses_s=()))
    assert resolver.asked == ["pictures.example.test"]
    assert opened.asked[0].startswith(f"CONNECT {PUBLIC}:443 HTTP/1.1\r\n")


@pytest.mark.parametrize("url", ["https://10.0.0.7/a.png", "https://169.254.169.254/a.png"])
async def test_a_private_address_is_refused_before_the_proxy_is_asked(url: str) -> None:
    """Attack: the proxy may stand in a network whose servers nobody outside may reach."""
    async with proxy() as opened, aiohttp.ClientSession(middlewares=[proxying(Proxies(https=opened.url))]) as through:
        with pytest.raises(FetchError, match="private network"):
            await fetch(through, url, max_bytes=10)
    assert not opened.asked


async def test_an_exception_is_reached_directly() -> None:
    async with proxy() as opened:
        proxies = Proxies(http=opened.url, https=opened.url, exceptions=("example.test",))
        with pytest.raises(UpstreamError):
            async with asyncio.timeout(60):
                await drawn(proxies, "http://127.0.0.1:9")
    assert not opened.asked
