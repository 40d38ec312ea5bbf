"""Scenarios of the Flow2API emulator: the texts on the way, the end, and the twist.

The texts are those of the server, each with its own commas (src/services/generation_handler.py), and so are the
failures.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, Protocol

from tests.emulators import pictures

TMP: Final = "/tmp/"


class Twist(Enum):
    """A deviation from the protocol."""

    NONE = auto()
    SILENT = auto()
    DROPPED = auto()
    NO_ANSWER = auto()
    NO_ANSWER_ONCE = auto()
    NEVER_DONE = auto()
    JSON_FOR_STREAM = auto()
    HTML_502 = auto()
    DOWNLOAD_FAILS_ONCE = auto()
    DOWNLOAD_IS_HTML = auto()


@dataclass(frozen=True)
class Drawing:
    """One picture, drawn when it is asked for. Each number has a colour of its own."""

    number: int
    twist: Twist
    size: tuple[int, int]

    def png(self) -> bytes:
        return pictures.png(self.number, self.size)

    def jpeg(self) -> bytes:
        return pictures.jpeg(self.number, self.size)


class PictureHost(Protocol):
    """The way in which the server hands a drawing over."""

    @property
    def url(self) -> str: ...

    def store(self, drawing: Drawing, name: str) -> str: ...

    def sign(self, drawing: Drawing) -> str: ...


@dataclass(frozen=True)
class Failure:
    """An error of the generation handler. `{model}` in the message is the model asked for."""

    message: str
    status: int
    at_once: bool = False
    bare: bool = False

    def body(self) -> dict[str, object]:
        if self.bare:
            return {"error": self.message}
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind, "code": "generation_failed", "status_code": self.status}
        return {"error": error}

    def about(self, model: str) -> "Failure":
        return replace(self, message=self.message.replace("{model}", model))


@dataclass(frozen=True)
class Scenario:
    """`{size}` in a line is 2K or 4K. The outcome is a failure, or what makes the content from a drawing."""

    about: str
    lines: tuple[str, ...]
    outcome: Failure | Callable[[PictureHost, Drawing], str]
    twist: Twist = Twist.NONE


def markdown(target: str) -> str:
    return f"![Generated Image]({target})"


def name_of(drawing: Drawing) -> str:
    """The server names a file after the MD5 of its source."""
    return hashlib.md5(f"source {drawing.number}".encode(), usedforsecurity=False).hexdigest()


def signed_url(host: PictureHost, drawing: Drawing) -> str:
    return markdown(host.sign(drawing))


def stored_1k(host: PictureHost, drawing: Drawing) -> str:
    return markdown(host.url + host.store(drawing, f"{name_of(drawing)}.png"))


def stored_large(host: PictureHost, drawing: Drawing) -> str:
    return markdown(host.url + host.store(drawing, f"{name_of(drawing)}_2K.jpg"))


def relative(host: PictureHost, drawing: Drawing) -> str:
    return markdown(host.store(drawing, f"{name_of(drawing)}_2K.jpg"))


def wrong_base(host: PictureHost, drawing: Drawing) -> str:
    return markdown("http://0.0.0.0:8000" + host.store(drawing, f"{name_of(drawing)}_2K.jpg"))


def expired(host: PictureHost, drawing: Drawing) -> str:
    return markdown(f"{host.url}{TMP}{name_of(drawing)}.jpg")


def inline(_: PictureHost, __: Drawing) -> str:
    return markdown(f"data:image/jpeg;base64,{base64.b64encode(pictures.large_jpeg()).decode()}")


def bare_url(host: PictureHost, drawing: Drawing) -> str:
    return host.sign(drawing)


def availability(_: PictureHost, __: Drawing) -> str:
    return "所有Token可用，请使用流式模式生成图片"


START: Final = ("✨ 图片生成任务已启动", "初始化生成环境...", "正在进行打码验证并提交图片生成请求...")
CACHE_OFF: Final = (*START, "缓存已关闭,正在返回官方图片链接...")
CACHE_ON: Final = (*START, "正在缓存 1K 图片文件...", "✅ 1K 图片缓存成功,准备返回缓存地址...")
UPSCALING: Final = (*START, "正在放大图片到 {size}...")
LARGE: Final = (*UPSCALING, "✅ 图片已放大到 {size}", "缓存 {size} 图片中...", "✅ {size} 图片缓存成功")
NOT_STORED: Final = (*UPSCALING, "✅ 图片已放大到 {size}", "⚠️ 缓存失败: 磁盘已满，返回内联图片...")
NOT_UPSCALED: Final = (
    *UPSCALING,
    "⚠️ 放大遇到超时，正在重试 (2/3)...",
    "⚠️ 放大失败: 超时，返回原图...",
    *CACHE_OFF[-1:],
)


def failing(about: str, message: str, status: int = 500) -> Scenario:
    return Scenario(about, (*START, f"错误: {message}"), Failure(message, status))


REFUSED: Final = "Request contains an invalid argument."
GOOGLE: Final = "生成失败: Flow API request failed: PUBLIC_ERROR_"
NO_TOKEN: Final = "没有可用的Token进行图片生成。所有账号均已禁用或冷却中"
NO_RECAPTCHA: Final = "生成失败: Failed to obtain reCAPTCHA token"

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "ok-1k-google-url": Scenario("signed URL without extension on the picture host", CACHE_OFF, signed_url),
    "ok-1k-cache": Scenario("URL below /tmp", CACHE_ON, stored_1k),
    "ok-2k-cache": Scenario("enlarged, URL below /tmp", LARGE, stored_large),
    "ok-inline-data-uri": Scenario("over 4 MB of data URI in one line", NOT_STORED, inline),
    "ok-bare-url": Scenario("a signed URL and nothing else", CACHE_OFF, bare_url),
    "upscale-fallback": Scenario("enlarging failed, the 1K original is returned", NOT_UPSCALED, signed_url),
    "refs": Scenario("texts on reference pictures, as any prompt with some", CACHE_OFF, signed_url),
    "error-policy": failing("refused by the content policy", f"{GOOGLE}UNSAFE_GENERATION: {REFUSED}"),
    "error-reference": failing("a reference refused", f"{GOOGLE}MINOR_UPLOAD: {REFUSED}"),
    "error-captcha": failing("held up by a captcha", f"{GOOGLE}UNUSUAL_ACTIVITY: reCAPTCHA evaluation failed"),
    "error-captcha-service": failing("no captcha token to be had", NO_RECAPTCHA),
    "error-quota": failing("quota used up", f"{GOOGLE}USER_QUOTA_REACHED: Resource has been exhausted."),
    "error-rate": failing("too many requests", f"{GOOGLE}USER_REQUESTS_THROTTLED: slow down"),
    "error-unclear": failing("something went wrong", f"{GOOGLE}SOMETHING_WENT_WRONG: Internal error"),
    "error-no-token": failing("no account free", NO_TOKEN, 503),
    "error-tier": failing("account too small for the size", "当前模型需要 Ult 账号: {model}", 403),
    "error-unknown-model": Scenario("no such model", (), Failure("不支持的模型: {model}", 400, at_once=True)),
    "error-empty": Scenario("Google gave nothing", START, Failure("生成结果为空", 502)),
    "error-string": Scenario("the error is a plain text", START, Failure("generation_failed", 500, bare=True)),
    "error-html": Scenario("a proxy's page instead of an answer", (), signed_url, Twist.HTML_502),
    "legacy-nonstream-text": Scenario("an old server's sentence instead of a picture", START, availability),
    "json-for-stream": Scenario("one JSON body although a stream was asked for", (), signed_url, Twist.JSON_FOR_STREAM),
    "relative-url": Scenario("a path below /tmp without a host", LARGE, relative),
    "wrong-base-url": Scenario("URL below /tmp on 0.0.0.0", LARGE, wrong_base),
    "tmp-expired": Scenario("URL below /tmp that is gone", CACHE_ON, expired),
    "download-flaky": Scenario("the first download fails", CACHE_OFF, signed_url, Twist.DOWNLOAD_FAILS_ONCE),
    "download-html": Scenario("a login page instead of a picture", CACHE_OFF, signed_url, Twist.DOWNLOAD_IS_HTML),
    "slow": Scenario("silence until `go_on` or for the set seconds, then a picture", START, signed_url, Twist.SILENT),
    "detect-disconnect": Scenario(
        "the same; `disconnected` is set when the client leaves", START, signed_url, Twist.SILENT
    ),
    "drop-mid-stream": Scenario("drawn, but the stream breaks before the picture", START, signed_url, Twist.DROPPED),
    "submit-dropped": Scenario("drawn, but the connection breaks before any answer", (), signed_url, Twist.NO_ANSWER),
    "submit-dropped-once": Scenario("the same, the first time", CACHE_OFF, signed_url, Twist.NO_ANSWER_ONCE),
    "never-done": Scenario("no [DONE]", CACHE_OFF, signed_url, Twist.NEVER_DONE),
}

UNKNOWN_MODEL: Final = SCENARIOS["error-unknown-model"]
