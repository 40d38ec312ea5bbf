"""Tests of service/upstreams/fetch.py."""

import ast
import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from service.upstreams.fetch import (
    IPV4,
    IPV6,
    OTHER_PROTOCOLS,
    Block,
    FetchError,
    RetryPolicy,
    Trouble,
    Trusted,
    fetch,
    is_public,
    is_web_port,
    numeric_address,
    read_url,
)
from tests.emulators import pictures
from tests.emulators.loopback import serving
from tests.paths import SERVICE

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


def edges(block: Block) -> tuple[list[str], list[str]]:
    """The first, middle and last address of a block, and the two neighbours outside of it."""
    network = ipaddress.ip_network(block.network)
    first, last = network[0], network[-1]
    before = [str(first - 1)] if int(first) else []
    after = [str(last + 1)] if int(last) + 1 < 2**first.max_prefixlen else []
    return [str(first), str(network[network.num_addresses // 2]), str(last)], before + after


def by_network(block: Block) -> str:
    return block.network


@pytest.mark.parametrize("block", [*IPV4, *IPV6], ids=by_network)
def test_no_address_of_a_block_is_public(block: Block) -> None:
    """Spec RFC 6890, and the registries of IANA that it began."""
    inside, _ = edges(block)
    assert [address for address in inside if is_public(address)] == []


@pytest.mark.parametrize("block", [*IPV4, *IPV6], ids=by_network)
def test_a_block_ends_where_it_ends(block: Block) -> None:
    """Ours: a row with a wrong prefix closes hosts that are public, and each row shuts out what no other does."""
    _, outside = edges(block)
    others = [ipaddress.ip_network(each.network) for each in (*IPV4, *IPV6) if each is not block]
    for address in outside:
        parsed = ipaddress.ip_address(address)
        elsewhere = any(parsed in other for other in others if other.version == parsed.version)
        assert is_public(address) is not (elsewhere or (parsed.version == 6 and not 0x2 <= int(parsed) >> 124 <= 0x3))
    network = ipaddress.ip_network(block.network)
    assert not [each for each in others if each.version == network.version and each.overlaps(network)]


IANA_IPV6 = (
    "::1/128 ::/128 ::ffff:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128 "
    "2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 "
    "2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 "
    "ff00::/8 fec0::/10 ::/96 ::ffff:0:0:0/96 200::/7 4000::/3 6000::/3 8000::/3 a000::/3 c000::/3 e000::/4"
)
"""The registry of special purposes, then multicast, site-local, two old forms of embedding, blocks not given out."""


@pytest.mark.parametrize("network", IANA_IPV6.split())
def test_no_special_block_of_ipv6_is_public(network: str) -> None:
    """Spec iana.org/assignments/iana-ipv6-special-registry. Mapped addresses are those of IPv4: see below."""
    block = ipaddress.IPv6Network(network)
    addresses = {str(each) for each in (block[0], block[-1])}
    assert [each for each in addresses if is_public(each)] == []


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::8a"]
)
def test_the_internet_is_public(address: str) -> None:
    assert is_public(address)


INNER = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0")


def embedded(form: str, inner: str) -> str:
    """An address of IPv6 that carries one of IPv4."""
    four = ipaddress.IPv4Address(inner)
    high, low = f"{int(four) >> 16:x}", f"{int(four) & 0xFFFF:x}"
    return form.format(inner=inner, high=high, low=low)


UNWRAPPED = {"mapped": "::ffff:{inner}", "mapped in hex": "::ffff:{high}:{low}", "NAT64": "64:ff9b::{inner}"}
NEVER_PUBLIC = {
    "IPv4-compatible": "::{inner}",
    "translated": "::ffff:0:{inner}",
    "local NAT64": "64:ff9b:1::{inner}",
    "6to4": "2002:{high}:{low}::1",
    "Teredo server": "2001:0:{high}:{low}::1",
    "Teredo client": "2001:0:808:808:0:0:{high}:{low}",
    "ISATAP": "2606:4700::5efe:{inner}",
    "ISATAP, global": "2606:4700::200:5efe:{inner}",
    "mapped within a zone": "::ffff:{inner}%eth0",
}


@pytest.mark.parametrize("form", UNWRAPPED.values(), ids=UNWRAPPED.keys())
def test_a_form_that_the_network_unwraps_is_what_is_inside(form: str) -> None:
    """Spec RFC 4291, 2.5.5.2, and RFC 6052, 2.1."""
    assert is_public(embedded(form, "8.8.8.8"))
    assert [inner for inner in INNER if is_public(embedded(form, inner))] == []


@pytest.mark.parametrize("form", NEVER_PUBLIC.values(), ids=NEVER_PUBLIC.keys())
def test_a_form_that_tunnels_elsewhere_is_never_public(form: str) -> None:
    """Spec RFC 4291, 2.5.5.1; RFC 2765; RFC 8215; RFC 3056; RFC 4380; RFC 5214."""
    assert [inner for inner in (*INNER, "8.8.8.8") if is_public(embedded(form, inner))] == []


@pytest.mark.parametrize("address", ["", "x", "8.8.8", "8.8.8.8.8", "08.8.8.8", "8.8.8.8%eth0", "fe80::1%eth0", "::g"])
def test_what_is_no_plain_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("10.0x1", "10.0.0.1"),
        ("0", "0.0.0.0"),
        ("8.8.8.8", "8.8.8.8"),
        ("example.com", ""),
        ("1.2.3.4.example.com", ""),
        ("256.1.1.1", ""),
        ("", ""),
    ],
)
def test_a_number_is_read_as_the_system_would(host: str, address: str) -> None:
    """Spec getaddrinfo(3), inet_aton(3): decimal, octal and hexadecimal, in one to four parts."""
    assert numeric_address(host) == address


def test_the_table_of_the_standard_library_is_not_used() -> None:
    """Ours: what it calls private or global changed within Python 3.11, so that a guard would depend on the release."""
    judging = {
        name
        for kind in (ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network)
        for name in dir(kind)
        if name.startswith("is_") or name in {"ipv4_mapped", "sixtofour", "teredo"}
    }
    used = {
        f"{path.name}: {node.attr}"
        for path in sorted((SERVICE / "upstreams").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in judging
    }
    assert "is_global" in judging
    assert not used


@pytest.mark.parametrize("port", [80, 443, 1024, 3000, 8000, 8080, 8443, 9000, 65535])
def test_pictures_are_fetched_where_web_servers_listen(port: int) -> None:
    assert is_web_port(port)


@pytest.mark.parametrize("port", [None, 0, 1, 21, 22, 25, 53, 111, 389, 445, 465, 993, 1023, *sorted(OTHER_PROTOCOLS)])
def test_no_port_of_another_protocol_is_asked(port: int | None) -> None:
    """Spec WHATWG Fetch, 2.9, bad ports; below 1024 no other port is a web server's."""
    assert not is_web_port(port)
