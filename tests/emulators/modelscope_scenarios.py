"""Scenarios of the ModelScope emulator: the answer to a submission, each poll, and the twist.

Words and shapes are those that the service was seen to send; the texts of refusals are its own, those of failed tasks
are invented.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final


class Trouble(Enum):
    """In the place of an answer."""

    DROPPED = auto()
    HTML = auto()
    SILENT = auto()


class Twist(Enum):
    """A deviation in the download of the picture."""

    NONE = auto()
    DOWNLOAD_FAILS_ONCE = auto()
    DOWNLOAD_IS_HTML = auto()
    DOWNLOAD_IS_GONE = auto()
    DOWNLOAD_IS_LARGE = auto()


class TaskId(Enum):
    """The forms in which ids were seen, and one that has to be escaped."""

    DECIMAL = auto()
    NUMBER = auto()
    UUID = auto()
    WITH_SLASH = auto()


@dataclass(frozen=True)
class Standing:
    """HTTP 200: how a task stands. `pictures` is the field that holds them, `more` whatever else is said."""

    word: str
    pictures: str = ""
    more: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Any other status."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Standing | Refusal | Trouble

SUCCEED: Final = Standing("SUCCEED", "output_images", {"time_taken": 18812.86})
RUNNING: Final = (Standing("PENDING"), Standing("PROCESSING"), Standing("PROCESSING"))
USUAL: Final[tuple[Answer, ...]] = (*RUNNING, SUCCEED)


@dataclass(frozen=True)
class Scenario:
    """`submitted` is the answer to the submission, if it is not a task id; of `polls` the last is given for good.

    `once`: only the first submission with a prompt is answered so, later ones go well.
    """

    about: str
    polls: tuple[Answer, ...] = USUAL
    submitted: Answer | None = None
    id_form: TaskId = TaskId.DECIMAL
    twist: Twist = Twist.NONE
    once: bool = False


def refusing(about: str, status: int, body: Mapping[str, object], **headers: str) -> Scenario:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Scenario(about, submitted=Refusal(status, body, named))


def failing(about: str, word: str, more: Mapping[str, object]) -> Scenario:
    return Scenario(about, polls=(Standing("PENDING"), Standing(word, more=more)))


def polled(about: str, *answers: Answer) -> Scenario:
    return Scenario(about, polls=(Standing("PENDING"), *answers))


def said(message: str, **more: object) -> dict[str, object]:
    """Images and tasks say `errors`."""
    return {"errors": {"message": message, **more}}


def coded(code: str) -> dict[str, object]:
    """A gateway before the service says `error`, with a code."""
    return {"error": {"code": code, "message": "Request rate increased too quickly.", "type": code}}


BAD_TOKEN: Final = "Authentication failed, please make sure that a valid ModelScope token is supplied."
NOT_ASYNC: Final = "submit image generation task error"
QUOTA: Final = "You have exceeded today's quota for model Qwen/Qwen-Image, please try again tomorrow"
REAL_NAME: Final = (
    "To use API-Inference, please make sure your associated Aliyun account is real name verified. "
    "Bind it at https://modelscope.cn/my/settings/account?token=abc"
)
BUSY: Final = "Server is busy, please try again later"
CHECK: Final = "content check did not pass"

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "ok": Scenario("the usual way"),
    "numeric-id": Scenario("the task id is a number", id_form=TaskId.NUMBER),
    "uuid-id": Scenario("the task id is a UUID", id_form=TaskId.UUID),
    "slash-id": Scenario("the task id holds a slash and a question mark", id_form=TaskId.WITH_SLASH),
    "immediate": Scenario("the picture comes at once", submitted=Standing("", "images")),
    "immediate-succeed": Scenario("the same, in the shape of a task", submitted=Standing("SUCCEED", "output_images")),
    "immediate-failed": Scenario("fails at once", submitted=Standing("FAILED", more=said(CHECK, code=400))),
    "odd-status": polled("words that nobody knows", Standing("QUEUED"), Standing("WARMING <b>UP</b>"), SUCCEED),
    "succeeded-word": polled("SUCCEEDED", Standing("SUCCEEDED", "output_images")),
    "success-word": polled("SUCCESS, pictures as objects", Standing("SUCCESS", "images")),
    "failed": failing("refused by the content check", "FAILED", said(CHECK, code=400)),
    "failed-text": failing("the reason is a text", "FAILED", {"errors": CHECK}),
    "failed-message": failing("the reason stands in message", "FAILED", {"message": CHECK}),
    "failed-error-message": failing("the reason stands in error_message", "FAILED", {"error_message": CHECK}),
    "failed-error": failing("the reason stands in error", "FAILED", {"error": CHECK}),
    "failed-silent": failing("no reason", "FAILED", {}),
    "failed-busy": failing("too busy in the middle of it", "FAILED", said(BUSY)),
    "fail-word": failing("FAIL", "FAIL", {}),
    "timeout-word": failing("TIMEOUT", "TIMEOUT", {}),
    "canceled-word": failing("CANCELED", "CANCELED", {}),
    "succeed-empty": polled("succeeds with an empty list", Standing("SUCCEED", more={"output_images": []})),
    "succeed-missing": polled("succeeds without a list", Standing("SUCCEED")),
    "error-quota": refusing("the day's quota of the model", 429, said(QUOTA)),
    "error-used-up": refusing(
        "a 429 without words, no call left", 429, said(""), modelscope_ratelimit_model_requests_remaining="0"
    ),
    "error-quota-code": refusing("quota by its code", 429, coded("insufficient_quota")),
    "error-balance": refusing("a retired model", 429, said("insufficient balance (1008)")),
    "error-burst": refusing("too many at once", 429, coded("limit_burst_rate"), Retry_After="3"),
    "error-burst-once": Scenario(
        "too many at once, the first time", submitted=Refusal(429, coded("limit_requests")), once=True
    ),
    "error-busy": refusing("overload", 503, said(BUSY)),
    "refused-once": Scenario(
        "refused by the content check, the first time", submitted=Refusal(400, said(CHECK)), once=True
    ),
    "error-500-once": Scenario("fails the first time", submitted=Refusal(500, said("internal error")), once=True),
    "error-submit": refusing("parameters not accepted", 400, said(NOT_ASYNC)),
    "error-model": refusing("model not served", 400, said("Model id : X/Y , has no provider supported")),
    "error-bind": refusing("no Alibaba Cloud account", 401, said("Please bind your Alibaba Cloud account before use.")),
    "error-real-name": refusing("account without a verified name", 403, said(REAL_NAME)),
    "submit-dropped": Scenario("the connection breaks after the task was made", submitted=Trouble.DROPPED),
    "submit-dropped-once": Scenario("the same, the first time", submitted=Trouble.DROPPED, once=True),
    "submit-html": Scenario("a page in the place of the task", submitted=Trouble.HTML),
    "submit-silent": Scenario("no answer; `disconnected` is set when the client leaves", submitted=Trouble.SILENT),
    "submit-nothing": Scenario("an answer without a task", submitted=Standing("")),
    "poll-500": polled("HTTP 500 on one poll", Refusal(500, said("internal error")), SUCCEED),
    "poll-429": polled("two polls too many", Refusal(429, said(QUOTA), {"Retry-After": "7"}),
                       Refusal(429, coded("limit_requests")), SUCCEED),
    "poll-dropped": polled("the connection breaks on two polls", Trouble.DROPPED, Trouble.DROPPED, SUCCEED),
    "poll-html": polled("a page in the place of the status", Trouble.HTML, SUCCEED),
    "poll-401": polled("the token is no longer accepted", Refusal(401, said(BAD_TOKEN))),
    "poll-403": polled("the account is closed", Refusal(403, said("no access"))),
    "poll-404": polled("the task is not known any more", Refusal(404, {})),
    "poll-400": polled("a poll that is not understood", Refusal(400, said("bad task id"))),
    "never": Scenario("never ends", polls=RUNNING),
    "slow": Scenario("goes on until `go_on` or for the set seconds, then succeeds"),
    "download-flaky": Scenario("the first download fails", twist=Twist.DOWNLOAD_FAILS_ONCE),
    "download-html": Scenario("a login page instead of a picture", twist=Twist.DOWNLOAD_IS_HTML),
    "large": Scenario("over 3 MB of a picture", twist=Twist.DOWNLOAD_IS_LARGE),
    "download-gone": Scenario("the picture is gone", twist=Twist.DOWNLOAD_IS_GONE),
}  # fmt: skip
