"""Wrong tokens and the addresses they come from, over real sockets and, for the tables, request by request."""

import asyncio
import io
import ipaddress
import logging
from collections.abc import Sequence

import aiohttp
import pytest

from service.telemetry import COUNTS
from service.web.failed_tries import (
    BURST,
    MOST_ADDRESSES,
    PAUSE_S,
    FailedTries,
    client_address,
)
from tests.conftest import Serve
from tests.emulators.authorization_server import AuthorizationServer
from tests.wire import ACCEPT, ANNA, TWO_TOKENS, Heard, modern_headers, modern_params, request, wire_client

HELLO = request("server/discover", modern_params())
JSON = {"Content-Type": "application/json", "Accept": ACCEPT}
LINES = "service.web.failed_tries"


def counted(status: str) -> float:
    return COUNTS.get_sample_value("easel_refused_requests_total", {"status": status}) or 0.0


async def asked(url: str, token: str | None, **headers: str) -> Heard:
    async with wire_client(url, token) as client:
        return await client.post(HELLO, modern_headers("server/discover") | headers)


async def test_many_wrong_tokens_are_answered_429_and_a_right_one_all_the_same(serve: Serve) -> None:
    """Ours: an office shares an address, and one client with an old token must not lock out the others."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        answers = await asyncio.gather(*(asked(easel.mcp_url, f"wrong-{number}") for number in range(BURST + 5)))
        assert sorted(each.status for each in answers) == [401] * BURST + [429] * 5
        [wait] = {each.headers["Retry-After"] for each in answers if each.status == 429}
        assert 1 <= int(wait) <= 6
        [said] = {each.message["error"]["message"] for each in answers if each.status == 429}
        assert f"try again in {wait} seconds" in said
        assert (await asked(easel.mcp_url, ANNA)).status == 200


async def test_a_request_without_a_token_is_no_wrong_one(serve: Serve) -> None:
    """Ours: a client that looks for the way to sign in begins without a token, and comes back often."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        answers = [await asked(easel.mcp_url, None) for _ in range(BURST + 1)]
    assert {each.status for each in answers} == {401}


async def test_beyond_the_free_tries_the_answer_is_slow(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        await asyncio.gather(*(asked(easel.mcp_url, "wrong") for _ in range(BURST)))
        began = asyncio.get_running_loop().time()
        assert (await asked(easel.mcp_url, "wrong")).status == 429
        assert asyncio.get_running_loop().time() - began >= PAUSE_S


async def test_the_log_has_one_line_a_minute_with_the_address_and_no_token(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS, EASEL_KEY_IN_URL="on") as easel:
        with caplog.at_level(logging.DEBUG):
            for _ in range(3):
                await asked(easel.mcp_url, "wrong-0123456789")
                await asked(easel.mcp_url + "?key=wrong-9876543210", None)
                await asked(easel.mcp_url, None)
    lines = [record.getMessage() for record in caplog.records if record.name == LINES]
    assert lines == [
        "127.0.0.1: a token was refused: The token is not one that this server knows.",
        "127.0.0.1: a request without a token was refused",
    ]
    assert "wrong-" not in caplog.text


async def test_refusals_of_handlers_are_counted_and_logged_once_a_minute_without_the_key(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: an old link and a picture that is too large are seen by whoever runs the service; the path is the key."""
    before = counted("404"), counted("413")
    name = "f" * 64
    async with serve() as easel, aiohttp.ClientSession() as session:
        for _ in range(2):
            for path in (f"/mcp-cache/{name}.png", f"/upload/{name}"):
                async with session.get(easel.origin + path) as answer:
                    assert answer.status == 404
            async with session.post(easel.mcp_url, data=io.BytesIO(b"x" * 5_000_000), headers=JSON) as answer:
                assert answer.status == 413
            async with session.get(f"{easel.origin}/wp-login.php") as answer:
                assert answer.status == 404
    assert [record.getMessage() for record in caplog.records if record.name == LINES] == [
        "127.0.0.1: a picture under /mcp-cache/ was asked for that is not kept (any more)",
        "127.0.0.1: a link under /upload/ was opened that is used up, too old or unknown",
        "127.0.0.1: a message was larger than is taken: pictures go by upload link, not in a call",
    ]
    assert name not in caplog.text
    assert (counted("404"), counted("413")) == (before[0] + 6, before[1] + 2)


async def test_a_scope_that_is_missing_is_logged_with_its_owner(
    serve: Serve, issuer: AuthorizationServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with wire_client(easel.mcp_url, issuer.token(easel.mcp_url, "look")) as client:
            heard = await client.modern("tools/call", {"name": "cache", "arguments": {"action": "clear"}})
    assert heard.status == 403
    [line] = [record.getMessage() for record in caplog.records if record.name == LINES]
    assert line == f"127.0.0.1: an access token of {issuer.url}#anna has not the scope that was needed"


async def test_the_tables_have_a_fixed_size() -> None:
    """Attack: wrong tokens from the many addresses of a botnet, or of one customer's IPv6 network."""
    tries = FailedTries(())
    for number in range(MOST_ADDRESSES + 10):
        assert await tries.count(f"address {number}") == 0
        tries.log("wrong token", f"address {number}", "refused")
    assert len(tries._due) == len(tries._logged) == MOST_ADDRESSES


async def test_pauses_are_few_so_that_they_hold_few_connections() -> None:
    tries = FailedTries((), most_paused=2)
    for _ in range(BURST):
        assert await tries.count("one") == 0
    waiting = [asyncio.ensure_future(tries.count("one")) for _ in range(4)]
    done, paused = await asyncio.wait(waiting, timeout=PAUSE_S / 2)
    assert (len(done), len(paused)) == (2, 2)
    assert all(wait_s > 0 for wait_s in await asyncio.gather(*waiting))


PROXY = "10.0.0.1"
TRUSTED = ("10.0.0.0/8", "2001:db8::1/128")


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        pytest.param("203.0.113.7", [("X-Forwarded-For", "198.51.100.1")], "203.0.113.7", id="no proxy of ours"),
        pytest.param(PROXY, [], PROXY, id="a proxy that says nothing"),
        pytest.param(PROXY, [("X-Forwarded-For", "198.51.100.1")], "198.51.100.1", id="a proxy of ours"),
        pytest.param(PROXY, [("X-Forwarded-For", "8.8.8.8, 198.51.100.1")], "198.51.100.1", id="a client that lies"),
        pytest.param(
            PROXY, [("X-Forwarded-For", "8.8.8.8"), ("X-Forwarded-For", "198.51.100.1, 10.0.0.2")], "198.51.100.1",
            id="two proxies, two lines",
        ),
        pytest.param(PROXY, [("X-Forwarded-For", "10.0.0.3, 10.0.0.2")], "10.0.0.3", id="only proxies"),
        pytest.param(PROXY, [("X-Forwarded-For", "8.8.8.8, unknown")], PROXY, id="unknown"),
        pytest.param(PROXY, [("X-Forwarded-For", "8.8.8.8, ")], PROXY, id="nothing"),
        pytest.param(PROXY, [("X-Forwarded-For", "198.51.100.1:4711")], "198.51.100.1", id="with a port"),
        pytest.param(PROXY, [("X-Forwarded-For", "[2001:db8::9]:4711")], "2001:db8::9", id="IPv6 with a port"),
        pytest.param("2001:db8::1", [("X-Forwarded-For", "2001:db8::9")], "2001:db8::9", id="IPv6 through IPv6"),
        pytest.param("::ffff:10.0.0.1", [("X-Forwarded-For", "198.51.100.1")], "198.51.100.1", id="a mapped proxy"),
        pytest.param(
            PROXY, [("Forwarded", 'for=8.8.8.8, By=10.0.0.9;FOR="[2001:db8::9]:1";proto=https')], "2001:db8::9",
            id="Forwarded",
        ),
        pytest.param(PROXY, [("Forwarded", "for=8.8.8.8, for=_hidden")], PROXY, id="Forwarded, hidden"),
        pytest.param(PROXY, [("Forwarded", "for=8.8.8.8, proto=https")], PROXY, id="Forwarded, without for"),
        pytest.param(
            PROXY, [("Forwarded", "for=8.8.8.8"), ("X-Forwarded-For", "198.51.100.1")], PROXY,
            id="both, one of which the client wrote",
        ),
    ],
)  # fmt: skip
def test_the_address_is_the_rightmost_that_no_proxy_of_ours_has(
    peer: str, headers: Sequence[tuple[str, str]], address: str
) -> None:
    """RFC 7239, 8.1: what stands left of the first untrusted address is what a client wrote."""
    networks = [ipaddress.ip_network(each) for each in TRUSTED]
    written, standard = ([value for key, value in headers if key == name] for name in ("X-Forwarded-For", "Forwarded"))
    assert str(client_address(peer, list(written), list(standard), networks)) == address


async def test_behind_a_trusted_proxy_each_client_is_counted_alone(serve: Serve) -> None:
    """Ours: otherwise one guesser slows everybody behind the proxy; and no client can write itself another address."""
    async with serve(EASEL_TOKENS=TWO_TOKENS, EASEL_TRUSTED_PROXIES="127.0.0.1, ::1") as easel:
        many = [
            asked(easel.mcp_url, "wrong", **{"X-Forwarded-For": f"8.8.8.{n}, 198.51.100.1"}) for n in range(BURST + 1)
        ]
        assert sorted(each.status for each in await asyncio.gather(*many)) == [401] * BURST + [429]
        assert (await asked(easel.mcp_url, "wrong", **{"X-Forwarded-For": "198.51.100.2"})).status == 401


async def test_without_a_trusted_proxy_forwarded_headers_are_no_way_out(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        many = [asked(easel.mcp_url, "wrong", **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(BURST + 1)]
        assert sorted(each.status for each in await asyncio.gather(*many)) == [401] * BURST + [429]
