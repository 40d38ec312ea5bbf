"""Tests of service/upstreams/errors.py."""

import json

import aiohttp
import pytest
from aiohttp import web

from service.settings_table import SETTINGS
from service.upstreams.errors import Service, UpstreamError, asked_wait, read_error, request_to, spoken, upstream_error
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
    ("status", "headers", "kind", "retries", "seconds"),
    [
        pytest.param(429, {"Retry-After": "7"}, Kind.RATE, 3, 7, id="short"),
        pytest.param(429, {}, Kind.RATE, 3, 2, id="the-table's-own"),
        pytest.param(429, {"Retry-After": "3600"}, Kind.LIMIT, 0, 3600, id="an-hour"),
        pytest.param(503, {"Retry-After": "30"}, Kind.UNAVAILABLE, 2, 30, id="busy"),
        pytest.param(503, {"Retry-After": "3600"}, Kind.UNAVAILABLE, 0, 3600, id="down-for-an-hour"),
    ],
)
def test_a_wait_of_seconds_is_waited_for_and_one_of_hours_is_not(
    status: int, headers: dict[str, str], kind: Kind, retries: int, seconds: float
) -> None:
    """Bug: `Retry-After: 3600` was waited for twice, 60 seconds each, and then refused all the same."""
    error = upstream_error(status, {}, headers)
    assert (error.kind, error.retries, error.retry_after_s) == (kind, retries, seconds)
    assert ("It asks to wait 1 hour." in str(error)) is (seconds == 3600)


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
def test_a_request_tells_what_may_have_been_charged(error: Exception, paid: bool, kind: Kind) -> None:
    """Ours: a connect failure is free to retry, a lost answer is not."""
    with pytest.raises(UpstreamError) as raised, request_to(Service(), paid=paid):
        raise error
    assert raised.value.kind == kind
    assert raised.value.may_be_charged is (kind == Kind.LOST)


def test_what_fails_after_the_service_took_it_in_may_be_charged_and_is_never_tried_again() -> None:
    """Ours: whatever the kind, whose rule is for what usually fails before anything is drawn."""
    early, late = upstream_error(503, {}), upstream_error(503, {}, accepted=True)
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
        with pytest.raises(UpstreamError) as raised, request_to(Service()):
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


FLOW2API_SERVICE = Service("Flow2API", "FLOW2API", "han1234")


@pytest.mark.parametrize(
    ("status", "body", "elapsed_s", "kind", "retries"),
    [
        pytest.param(503, {}, 0.1, Kind.UNAVAILABLE, 2, id="busy-at-once"),
        pytest.param(503, {}, 40, Kind.LOST, 0, id="busy-after-a-while"),
        pytest.param(500, {}, 0.1, Kind.TRANSIENT, 0, id="failed-at-once"),
        pytest.param(500, {}, 40, Kind.LOST, 0, id="failed-after-a-while"),
        pytest.param(200, {"error": "generation_failed"}, 40, Kind.LOST, 0, id="event-after-a-while"),
        pytest.param(429, {}, 40, Kind.RATE, 3, id="429-is-a-refusal-whenever"),
        pytest.param(429, {"error": "busy"}, 40, Kind.UNAVAILABLE, 2, id="busy-429-is-one"),
        pytest.param(500, {"error": "没有可用的Token"}, 40, Kind.UNAVAILABLE, 2, id="no-account-was-free"),
        pytest.param(
            500, {"error": "reCAPTCHA evaluation failed"}, 60, Kind.CAPTCHA, 1, id="captchas-come-before-work"
        ),
        pytest.param(400, {"error": "content_policy"}, 40, Kind.POLICY, 0, id="a-refused-result"),
        pytest.param(408, {}, 0.1, Kind.LOST, 0, id="408-is-a-time-out"),
        pytest.param(500, {"error": "connection reset by peer"}, 0.1, Kind.LOST, 0, id="words-of-a-broken-connection"),
    ],
)
def test_a_failure_that_came_after_the_work_may_have_begun_is_lost(
    status: int, body: object, elapsed_s: float, kind: Kind, retries: int
) -> None:
    """Bug: LiteLLM draws, charges and then answers 500; asked again, it charges again."""
    error = upstream_error(status, body).of_request(FLOW2API_SERVICE, elapsed_s)
    assert (error.kind, error.retries) == (kind, retries)
    assert ("may have been charged" in str(error)) is error.may_be_charged is (kind == Kind.LOST)


def test_a_request_measures_its_time_and_names_its_service_once() -> None:
    """Ours: a download or another request around it knows less of the failure, and changes nothing of it."""
    with pytest.raises(UpstreamError, match=r"^OpenAI failed\.\n") as raised, request_to(FLOW2API_SERVICE):
        with request_to(Service("OpenAI", "OPENAI")):
            raise upstream_error(500, {})
    assert raised.value.kind == Kind.TRANSIENT


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Kind.AUTH, ["FLOW2API_API_KEY"]),
        (Kind.ACCOUNT, ["FLOW2API_API_KEY"]),
        (Kind.ADDRESS, ["FLOW2API_BASE_URL"]),
        (Kind.UNREACHABLE, ["FLOW2API_BASE_URL"]),
        (Kind.BLOCKED, ["FLOW2API_BASE_URL"]),
    ],
)
def test_the_setting_that_mends_it_is_named(kind: Kind, settings: list[str]) -> None:
    """Ours: only whoever runs Easel can, and has to know where."""
    words = str(UpstreamError(kind, service=FLOW2API_SERVICE))
    assert [name for name in settings if name in words] == settings
    assert set(settings) < {setting.name for setting in SETTINGS}


def test_the_words_of_the_service_come_last_and_in_quotes() -> None:
    """Ours: people read the last sentence, and a model must be able to tell the service's words from ours."""
    said = "生成失败: Flow API request failed: PUBLIC_ERROR_UNSAFE_GENERATION: Request contains an invalid argument."
    assert str(upstream_error(500, {"error": {"message": said}})).splitlines() == [
        "The image service refused this prompt or its result under its content policy.",
        "Tell the person, and change the prompt before calling again.",
        "It said: “生成失败: Flow API request failed: PUBLIC_ERROR_UNSAFE_GENERATION”",
    ]


def test_the_key_is_never_quoted_whatever_it_looks_like() -> None:
    """Ours: Flow2API's default key is a short word, and a service that refuses a key repeats it."""
    error = upstream_error(401, {"detail": "han1234 is not a key"}).of_request(FLOW2API_SERVICE, 0)
    assert str(error).endswith("“[hidden] is not a key”")
    assert "han1234" not in repr(FLOW2API_SERVICE)


def test_an_error_of_codes_alone_is_quoted_by_them() -> None:
    """Ours: the reason of a refusal is not dropped because it is no sentence."""
    assert "“server_is_on_fire”" in str(upstream_error(500, {"error": {"code": "server_is_on_fire"}}))


def test_a_refusal_without_a_reason_does_not_ask_to_correct_what_it_names() -> None:
    """Bug: an empty 400 was answered with "Correct what it names"."""
    assert "what it names" in str(upstream_error(400, {"error": "size"}))
    assert "what it names" not in str(upstream_error(400, {}))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Retry-After": "7"}, 7, id="seconds"),
        pytest.param({"Retry-After": "86400"}, 86400, id="a-day"),
        pytest.param({"Retry-After": "1", "retry-after-ms": "700"}, 0.7, id="milliseconds"),
        pytest.param(
            {"Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 9, id="date"
        ),
        pytest.param({"Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT"}, None, id="date-without-a-clock"),
        pytest.param({"Retry-After": "soon"}, None, id="nonsense"),
        pytest.param({}, None, id="none"),
    ],
)
def test_the_headers_say_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Spec RFC 9110, 10.2.3. `retry-after-ms` is OpenAI's own."""
    assert asked_wait(headers) == seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached. Please try again in 12s.", 12),
        ("Please try again in 1m30.5s.", 90.5),
        ("Please try again in 7h12m.", 25920),
        ("try again in 3 hours 12 minutes", 11520),
        ("The limit resets in 17 hours and 50 minutes.", 64200),
        ("Please retry after 86400 seconds.", 86400),
        ("Please retry in 34.07s.", 34.07),
        ("{'retryDelay': '34s'}", 34),
        ("{'resets_in_seconds': 18000}", 18000),
        ("Try again in 20 minutes", 20 * 60),
        ("try again in 500ms", 0.5),
        ("wait for 2 days", 2 * 86400),
        ("请在 5 小时后重试", 5 * 3600),
        ("请 30 秒后再试", 30),
        ("请等待 5 分钟", 300),
        ("额度将在2个小时后恢复", 7200),
        ("Please try again later.", None),
        ("It failed after 3 tries in 20 s.", None),
    ],
)
def test_the_words_say_it_where_no_header_does(words: str, seconds: float | None) -> None:
    """Ours: the forms of OpenAI, Azure, Google and of relays; a header is more exact."""
    assert asked_wait({}, words) == seconds
    assert asked_wait({"Retry-After": "3"}, words) == 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (34.07, "35 seconds"),
        (60, "1 minute"),
        (5400, "90 minutes"),
        (3600, "1 hour"),
        (25920, "8 hours"),
        (86400, "1 day"),
        (200_000, "3 days"),
    ],
)
def test_a_wait_is_spoken_in_round_numbers_and_never_too_short(seconds: float, words: str) -> None:
    """Ours: a person who comes back at that time is not sent away again."""
    assert spoken(seconds) == words
