"""Wrong tokens and the addresses they come from, over real sockets and, for the tables, request by request."""

import asyncio
import ipaddress
import logging
from collections.abc import Sequence

import pytest

from service.web.failed_tries import BURST, MOST_ADDRESSES, PAUSE_S, FailedTries, client_address
from tests.conftest import Serve
from tests.wire import ANNA, TWO_TOKENS, Heard, modern_headers, modern_params, request, wire_client

HELLO = request("server/discover", modern_params())
LINES = "service.web.failed_tries"


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
