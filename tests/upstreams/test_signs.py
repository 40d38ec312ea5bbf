"""Tests of service/upstreams/signs.py, through `upstream_error`, which finds the words."""

import pytest

from service.upstreams.errors import upstream_error
from service.upstreams.kinds import Kind
from tests.upstreams.refusal_messages import MESSAGES
from tests.upstreams.refusals import REFUSALS, Refusal, error


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
        *((name, Kind.FORBIDDEN) for name in (
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
            200, flow2api("当前有符合档位的账号，但图片生成功能已全部禁用。", 503), Kind.ACCOUNT, id="switched-off"
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
        pytest.param(504, {"error": {"message": "late"}}, Kind.LOST, id="504-of-the-service"),
        pytest.param(418, "", Kind.BAD_REQUEST, id="other-4xx"),
        pytest.param(555, "", Kind.TRANSIENT, id="other-5xx"),
        pytest.param(200, {"error": {}}, Kind.TRANSIENT, id="empty-error"),
    ],
)
def test_words_come_before_the_status(status: int, answer: object, kind: Kind) -> None:
    """Ours: Flow2API sends all as 500, relays as whatever they like."""
    assert upstream_error(status, answer).kind == kind


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_each_reported_refusal_has_its_kind(refusal: Refusal) -> None:
    """Ours: the person and the model read the cause, and the one who can mend it, whatever the service and language."""
    assert upstream_error(refusal.status, refusal.body, refusal.headers).kind == refusal.kind


@pytest.mark.parametrize(
    ("kind", "status", "message"), [(kind, *each) for kind, messages in MESSAGES.items() for each in messages]
)
def test_the_words_alone_tell_the_kind(kind: Kind, status: int, message: str) -> None:
    """Ours: relays hand on the sentence and lose the code."""
    assert upstream_error(status, error(message)).kind == kind


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_only_a_smaller_size_that_helps_is_advised(refusal: Refusal) -> None:
    """Bug: a used-up balance, a guard and a wrong address were all answered with "Choose a smaller size"."""
    assert "smaller size" not in str(upstream_error(refusal.status, refusal.body, refusal.headers))


def test_a_long_error_is_looked_at_in_part() -> None:
    """Ours: nothing holds the event loop, and a service that echoes a prompt does not choose the kind by it."""
    message = "Something is wrong. " * 100 + "insufficient balance"
    assert upstream_error(400, {"error": {"message": message}}).kind == Kind.BAD_REQUEST


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Kind.QUOTA, "Số dư tài khoản không đủ"),
        (Kind.QUOTA, "Yetersiz bakiye"),
        (Kind.QUOTA, "Niewystarczające środki na koncie"),
        (Kind.QUOTA, "الرصيد غير كافٍ"),
        (Kind.QUOTA, "Saldo tidak mencukupi"),
        (Kind.QUOTA, "Недостатньо коштів на рахунку"),
        (Kind.QUOTA, "Credito insufficiente"),
        (Kind.MODEL, "指定されたモデルが見つかりません"),
        (Kind.MODEL, "Модель не найдена"),
        (Kind.MODEL, "Modelo no encontrado"),
        (Kind.POLICY, "부적절한 콘텐츠가 감지되었습니다"),
        (Kind.POLICY, "El contenido infringe nuestras políticas de contenido"),
        (Kind.POLICY, "input new_sensitive"),
        (Kind.POLICY, "Prompt is blocked"),
        (Kind.RATE, "リクエストが多すぎます"),
    ],
)
def test_refusals_in_other_languages_have_their_kind(kind: Kind, message: str) -> None:
    """Ours: relays of many countries translate what services say."""
    assert upstream_error(403, {"error": {"message": message}}).kind == kind
