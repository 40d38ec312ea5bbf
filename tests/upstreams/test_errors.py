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


def flow2api(message: str, status: int = 500) -> object:
    return {"error": {"message": message, "type": "server_error", "code": "generation_failed", "status_code": status}}


def reason(name: str) -> object:
    return flow2api(f"生成失败: Flow API request failed: PUBLIC_ERROR_{name}: Request contains an invalid argument.")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, Kind.POLICY) for name in (
            "UNSAFE_GENERATION", "PROMINENT_PEOPLE_FILTER_FAILED", "VIOLENCE_FILTER", "DANGER_FILTER", "SEXUAL",
            "MINOR", "IMAGE_OUTPUT_IP_FILTER", "REPUTATIONAL", "VERTEX_SAFETY_FILTER_TRIGGERED",
        )),
        *((name, Kind.REFERENCE) for name in (
            "UNSAFE_IMAGE_UPLOAD", "MINOR_UPLOAD", "MINOR_HARM_UPLOAD", "SEXUAL_UPLOAD", "PROMINENT_PEOPLE_UPLOAD",
            "PHOTOREAL_UPLOAD", "PHOTOREAL_INPUT_IMAGE", "PROMINENT_PEOPLE_INPUT_IMAGE", "MINOR_INPUT_IMAGE",
            "IP_INPUT_IMAGE",
        )),
        *((name, Kind.BAD_REQUEST) for name in (
            "UNKNOWN_IMAGE_FILE_FORMAT", "IMAGE_TOO_LARGE", "IMAGE_TOO_SMALL", "NON_ENGLISH_PROMPT",
            "VERTEX_UNSUPPORTED_INPUT",
        )),
        *((name, Kind.QUOTA) for name in (
            "USER_QUOTA_REACHED", "PER_MODEL_DAILY_QUOTA_REACHED", "PER_MODEL_DAILY_QUOTA_REACHED_UPGRADEABLE",
            "WORKSPACE_ACCOUNT_QUOTA_REACHED", "VERTEX_QUOTA_EXHAUSTED",
        )),
        *((name, Kind.RATE) for name in (
            "USER_REQUESTS_THROTTLED", "HIGH_TRAFFIC", "MODEL_DISABLED_DUE_TO_TRAFFIC", "MODEL_OVERLOADED",
            "GENERATION_ALREADY_IN_PROGRESS", "CONCURRENT_LIMIT_REACHED", "VERTEX_SERVICE_UNAVAILABLE",
        )),
        *((name, Kind.CAPTCHA) for name in ("UNUSUAL_ACTIVITY", "UNUSUAL_ACTIVITY_TOO_MUCH_TRAFFIC")),
        *((name, Kind.TIER) for name in (
            "MODEL_ACCESS_DENIED", "USER_REGION_DISALLOWED", "USER_MINOR", "APP_UNAVAILABLE",
        )),
        *((name, Kind.TRANSIENT) for name in ("SOMETHING_WENT_WRONG", "UNSPECIFIED")),
    ],
)  # fmt: skip
def test_every_reason_of_google_has_its_kind(name: str, kind: Kind) -> None:
    """Spec Flow2API, generation_handler.py: all come as 500, with the reason in the text."""
    assert upstream_error(200, reason(name)).kind == kind


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        pytest.param(200, flow2api("不支持的模型: x", 400), Kind.MODEL, id="model"),
        pytest.param(200, flow2api("当前模型需要 Ult 账号: x", 403), Kind.TIER, id="tier"),
        pytest.param(200, flow2api("当前模型需要 Ult 账号，但没有可用的 Ult 账号: x", 503), Kind.TIER, id="tier-503"),
        pytest.param(
            200, flow2api("当前有符合档位的账号，但图片生成功能已全部禁用。", 503), Kind.TIER, id="switched-off"
        ),
        pytest.param(200, flow2api("没有可用的Token进行图片生成。", 503), Kind.UNAVAILABLE, id="no-token"),
        pytest.param(200, flow2api("Token AT无效或刷新失败", 503), Kind.UNAVAILABLE, id="login"),
        pytest.param(200, flow2api("生成结果为空", 502), Kind.TRANSIENT, id="empty"),
        pytest.param(200, flow2api("生成失败: reCAPTCHA evaluation failed"), Kind.CAPTCHA, id="captcha"),
        pytest.param(200, flow2api("生成失败: Image launch queue wait timeout"), Kind.UNAVAILABLE, id="queue"),
        pytest.param(200, flow2api("HTTP Error 500: Internal error encountered."), Kind.TRANSIENT, id="unclear"),
        pytest.param(
            200, flow2api("HTTP Error 400: Request contains an invalid argument."), Kind.BAD_REQUEST, id="400"
        ),
        pytest.param(200, flow2api("HTTP 429: RESOURCE_EXHAUSTED quota"), Kind.QUOTA, id="quota"),
        pytest.param(429, {"error": {"message": "RESOURCE_EXHAUSTED (e.g. check quota)."}}, Kind.RATE, id="rate"),
        pytest.param(429, {"error": {"message": "x", "code": "insufficient_quota"}}, Kind.QUOTA, id="openai-quota"),
        pytest.param(400, {"error": {"message": "x", "code": "moderation_blocked"}}, Kind.POLICY, id="moderation"),
        pytest.param(
            403,
            {"error": {"message": "x", "code": 403, "metadata": {"reasons": ["violence"], "flagged_input": "y"}}},
            Kind.POLICY,
            id="openrouter",
        ),
        pytest.param(401, {"detail": "Invalid API key"}, Kind.AUTH, id="key"),
        pytest.param(403, {"detail": "Not authenticated"}, Kind.AUTH, id="old-key"),
        pytest.param(404, {"detail": "Not Found"}, Kind.ADDRESS, id="wrong-path"),
        pytest.param(404, {"error": {"message": "no such model", "code": "model_not_found"}}, Kind.MODEL, id="404"),
        pytest.param(
            401, {"errors": {"message": "Please bind your Alibaba Cloud account before use."}}, Kind.ACCOUNT, id="bind"
        ),
        pytest.param(
            403, {"errors": {"message": "make sure your account is real name verified"}}, Kind.ACCOUNT, id="real-name"
        ),
        pytest.param(400, {"errors": {"message": "this cannot be verified"}}, Kind.BAD_REQUEST, id="verified-in-a-400"),
        pytest.param(400, {"errors": {"message": "DataInspectionFailed"}}, Kind.POLICY, id="inspection"),
        pytest.param(302, "", Kind.ADDRESS, id="redirect"),
        pytest.param(502, "<h1>Bad Gateway</h1>", Kind.TRANSIENT, id="proxy"),
        pytest.param(504, "<h1>Gateway Time-out</h1>", Kind.LOST, id="proxy-gave-up"),
        pytest.param(524, "", Kind.LOST, id="cloudflare-gave-up"),
        pytest.param(504, {"error": {"message": "deadline"}}, Kind.TRANSIENT, id="504-of-the-service"),
        pytest.param(418, "", Kind.BAD_REQUEST, id="other-4xx"),
        pytest.param(599, "", Kind.TRANSIENT, id="other-5xx"),
        pytest.param(200, {"error": {}}, Kind.TRANSIENT, id="empty-error"),
    ],
)
def test_words_come_before_the_status(status: int, answer: object, kind: Kind) -> None:
    """Ours: Flow2API sends all as 500, relays as whatever they like."""
    assert upstream_error(status, answer).kind == kind


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
    assert "may have charged for it" in str(late)


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
