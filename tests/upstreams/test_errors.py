"""Tests of service/upstreams/errors.py."""

import json

import aiohttp
import pytest
from aiohttp import web

from service.upstreams.errors import UpstreamError, reaching, read_error, upstream_error
from service.upstreams.kinds import Kind
from tests.emulators.loopback import serving
from tests.paths import RECORDINGS

FLOW2API = RECORDINGS / "flow2api"


@pytest.mark.parametrize(
    ("name", "kind"), [("noprompt", Kind.BAD_REQUEST), ("badkey", Kind.AUTH), ("nonstream_quota", Kind.QUOTA)]
)
def test_recorded_answers_have_their_kind(name: str, kind: Kind) -> None:
    """Ours: what a real server said, byte for byte."""
    status = int((FLOW2API / f"{name}.headers").read_text().split()[1])
    assert upstream_error(status, (FLOW2API / f"{name}.body").read_bytes()).kind == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Retry-After": "7"}, 7, id="seconds"),
        pytest.param({"Retry-After": "86400"}, 60, id="capped"),
        pytest.param({"Retry-After": "1", "retry-after-ms": "700"}, 0.7, id="milliseconds"),
        pytest.param(
            {"Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 9, id="date"
        ),
        pytest.param({"Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT"}, 2, id="date-without-a-clock"),
        pytest.param({"Retry-After": "soon"}, 2, id="nonsense"),
        pytest.param({}, 2, id="none"),
    ],
)
def test_retry_after_is_honoured_up_to_a_cap(headers: dict[str, str], seconds: float) -> None:
    """Spec RFC 9110, 10.2.3; without it the table's own delay."""
    assert upstream_error(429, {}, headers).retry_after_s == seconds


@pytest.mark.parametrize(
    ("error", "paid", "kind"),
    [
        pytest.param(TimeoutError(), True, Kind.LOST, id="timeout"),
        pytest.param(aiohttp.SocketTimeoutError(), True, Kind.LOST, id="read-timeout"),
        pytest.param(aiohttp.ClientPayloadError(), True, Kind.LOST, id="dropped"),
        pytest.param(aiohttp.ServerDisconnectedError(), True, Kind.LOST, id="disconnected"),
        pytest.param(json.JSONDecodeError("x", "y", 0), True, Kind.LOST, id="unreadable"),
        pytest.param(aiohttp.ConnectionTimeoutError(), True, Kind.UNREACHABLE, id="connect-timeout"),
        pytest.param(aiohttp.InvalidURL("h ttp"), True, Kind.ADDRESS, id="bad-url"),
        pytest.param(TimeoutError(), False, Kind.TRANSIENT, id="poll"),
    ],
)
def test_reaching_tells_what_may_have_been_charged(error: Exception, paid: bool, kind: Kind) -> None:
    """Ours: a connect failure is free to retry, a lost answer is not."""
    with pytest.raises(UpstreamError) as raised, reaching("flow2api", paid=paid):
        raise error
    assert raised.value.kind == kind
    assert raised.value.may_be_charged is (kind == Kind.LOST)


def test_what_fails_after_the_service_took_it_in_may_be_charged_and_is_never_tried_again() -> None:
    """Ours: whatever the kind, whose rule is for what usually fails before anything is drawn."""
    early, late = upstream_error(503, {}), upstream_error(503, {}, taken_in=True)
    assert (early.kind, early.retries, early.may_be_charged) == (Kind.UNAVAILABLE, 2, False)
    assert (late.kind, late.retries, late.may_be_charged) == (Kind.UNAVAILABLE, 0, True)
    assert "charged" not in str(early)
    assert "may have been charged" in str(late)


def test_a_request_that_is_too_large_says_what_to_leave_out() -> None:
    """Bug: a proxy's page alone names nothing that could be corrected."""
    error = upstream_error(413, "<h1>413 Request Entity Too Large</h1>")
    assert error.kind == Kind.BAD_REQUEST
    assert "fewer or smaller reference pictures" in str(error)


async def test_nobody_listening_is_unreachable_and_says_no_address(unused_tcp_port: int) -> None:
    """Ours: messages of aiohttp hold host and port."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(UpstreamError) as raised, reaching("flow2api"):
            await session.get(f"http://127.0.0.1:{unused_tcp_port}/")
    assert (raised.value.kind, raised.value.retries) == (Kind.UNREACHABLE, 2)
    assert str(unused_tcp_port) not in str(raised.value)


async def test_an_echo_of_megabytes_is_read_in_part() -> None:
    """Spec Flow2API, routes.py: an error may hold the whole reference."""

    async def echo(_: web.Request) -> web.Response:
        return web.json_response({"detail": "Unsupported image URI: x" + "A" * 10_000_000}, status=400)

    app = web.Application()
    app.router.add_get("/", echo)
    async with serving(app) as url, aiohttp.ClientSession() as session, session.get(url) as response:
        error = await read_error(response)
    assert error.kind == Kind.BAD_REQUEST
    assert len(str(error)) < 500
