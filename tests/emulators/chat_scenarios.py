"""Scenarios of the emulator of a chat-completions gateway: the place of the picture, and the way it is sent.

Each is something that a gateway or a relay was seen to do: OpenRouter, new-api, LiteLLM, grok2api, sub2api and others.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol

Json = dict[str, object]


class PictureSource(Protocol):
    """Draws a new picture each time: by its URL, or as base64."""

    def url(self) -> str: ...

    def lost_url(self) -> str: ...

    def page_url(self) -> str: ...

    def digits(self) -> str: ...

    def draft(self) -> str: ...


class Wire(Enum):
    """The way in which the bytes are sent, if it is a special one."""

    PLAIN = auto()
    COMMENTS = auto()
    CRLF = auto()
    NO_SPACE = auto()
    MANY_DATA_LINES = auto()
    NO_BLANK_LINES = auto()
    PRETTY = auto()
    BYTE_BY_BYTE = auto()
    WHOLE_MESSAGE = auto()
    JSON = auto()
    JSON_AS_STREAM = auto()
    HALF_A_BODY = auto()
    NO_DONE = auto()
    DONE_FIRST = auto()
    NO_ANSWER = auto()
    DROPPED_AFTER = auto()
    DROPPED_WITHIN = auto()
    STAYS_OPEN = auto()
    HANGS = auto()
    TRICKLES = auto()
    ENDLESS = auto()


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer: messages for a stream, which are joined where it is one body, or a whole body of another shape."""

    messages: tuple[Json, ...] = ()
    body: Json | None = None
    finish: Json = field(default_factory=lambda: {"finish_reason": "stop"})
    before: tuple[Json, ...] = ()
    """Chunks of the stream before the first message."""
    status: int = 200
    page: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    about: str
    say: Callable[[PictureSource], Said]
    wire: Wire = Wire.PLAIN


def message(**fields: object) -> Callable[[PictureSource], Said]:
    """The same message always."""
    return lambda _: Said(messages=(fields,))


def text(make: Callable[[PictureSource], str]) -> Callable[[PictureSource], Said]:
    return lambda source: Said(messages=({"content": make(source)},))


def fields(make: Callable[[PictureSource], Json]) -> Callable[[PictureSource], Said]:
    return lambda source: Said(messages=({"content": "", **make(source)},))


def whole(make: Callable[[PictureSource], Json], status: int = 200, **headers: str) -> Callable[[PictureSource], Said]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda source: Said(body=make(source), status=status, headers=named)


def failing(error: object, status: int = 200, **headers: str) -> Callable[[PictureSource], Said]:
    return whole(lambda _: {"error": error}, status, **headers)


def ending(finish: Json, **said: object) -> Callable[[PictureSource], Said]:
    return lambda _: Said(messages=({"content": "", **said},), finish=finish)


def page(status: int, words: str) -> Callable[[PictureSource], Said]:
    return lambda _: Said(status=status, page=f"<!DOCTYPE html><html><title>{words}</title><h1>{words}</h1></html>")


def uri(source: PictureSource) -> str:
    return f"data:image/png;base64,{source.digits()}"


def part(url: object) -> Json:
    return {"type": "image_url", "image_url": url}


def in_pieces(source: PictureSource) -> Said:
    words = f"![image]({uri(source)})"
    step = -(-len(words) // 100)
    return Said(messages=tuple({"content": words[at : at + step]} for at in range(0, len(words), step)))


def in_lines(source: PictureSource) -> str:
    lines = base64.encodebytes(base64.b64decode(source.digits())).decode()
    return f"![image](data:image/png;base64,{lines.rstrip()})"


def url_safe(source: PictureSource) -> str:
    digits = source.digits().translate(str.maketrans("+/", "-_")).rstrip("=")
    return f"![](data:image/png;base64,{digits})"


def half(source: PictureSource) -> str:
    digits = source.digits()
    return digits[: len(digits) * 3 // 16 * 4]


def gemini(parts: list[Json], **candidate: object) -> Json:
    content = {"role": "model", "parts": parts}
    return {"candidates": [{"content": content, "finishReason": "STOP", **candidate}], "modelVersion": "demo"}


def preview_and_final(source: PictureSource) -> Said:
    draft = {**part({"url": f"data:image/png;base64,{source.draft()}"}), "index": 0}
    final = {**part({"url": uri(source)}), "index": 0}
    return Said(messages=({"content": "", "images": [draft]}, {"content": "", "images": [final]}))


def repeated(source: PictureSource) -> Said:
    picture = uri(source)
    again: Json = {"content": f"![]({picture})", "images": [picture]}
    return Said(messages=({"content": "", "images": [picture]}, again))


def thinking(source: PictureSource) -> Said:
    draft = f"data:image/png;base64,{source.draft()}"
    return Said(
        messages=(
            {"reasoning": f"A sketch: ![x]({draft})"},
            {"reasoning_content": "进度 40%\n"},
            {"content": f"<think>Maybe ![y]({draft})</think>"},
            {"content": f"![z]({uri(source)})"},
        )
    )


EMPTY_CHUNKS: Final[tuple[Json, ...]] = ({"choices": []}, {"choices": None}, {"id": "x", "usage": {"total_tokens": 3}})
MODERATED: Final[Json] = {
    "code": 403,
    "message": "Your chosen model requires moderation and your input was flagged",
    "metadata": {"reasons": ["violence"], "flagged_input": "a fight...", "provider_name": "Demo"},
}
NO_CHANNEL: Final[Json] = {
    "message": "no available channel for model x (request id: 2026)",
    "type": "new_api_error",
    "code": "model_not_found",
}
NOT_A_PICTURE: Final = base64.b64encode(b"An error occurred, please try again later. " * 3).decode()
LONG_WORDS: Final[Json] = {"content": "word " * 4000}
REFUSED: Final = "I cannot draw that. See https://policies.example/rules/picture.png for why."

PICTURES: Final[Mapping[str, Scenario]] = {
    "f1": Scenario("markdown with a URL, prose around", text(lambda d: f"Done: ![a cat]({d.url()}) Enjoy!")),
    "f2": Scenario("markdown with a data URI", text(lambda d: f"![image]({uri(d)})")),
    "f3-url": Scenario("a bare URL", text(lambda d: d.url())),
    "f3-data": Scenario("a bare data URI", text(uri)),
    "f4": Scenario(
        "a list of parts", fields(lambda d: {"content": [{"type": "text", "text": "ok"}, part({"url": d.url()})]})
    ),
    "f4-string": Scenario("parts with a plain text as image_url", fields(lambda d: {"content": [part(d.url())]})),
    "f4-output-text": Scenario(
        "parts of output_text", fields(lambda d: {"content": [{"type": "output_text", "text": f"![]({d.url()})"}]})
    ),
    "f5": Scenario("images, as OpenRouter", fields(lambda d: {"images": [{**part({"url": uri(d)}), "index": 0}]})),
    "f5-strings": Scenario("images as texts", fields(lambda d: {"images": [uri(d)]})),
    "f5-b64": Scenario("images with b64_json", fields(lambda d: {"images": [{"b64_json": d.digits()}]})),
    "f5-object": Scenario("one object as images", fields(lambda d: {"images": {"url": uri(d)}})),
    "f5-camel": Scenario("imageUrl", fields(lambda d: {"images": [{"imageUrl": {"url": uri(d)}}]})),
    "f6": Scenario("image, as LiteLLM before 1.77", fields(lambda d: {"image": {"url": uri(d), "detail": "auto"}})),
    "f6-list": Scenario("image as a list with data", fields(lambda d: {"image": [{"data": d.digits()}]})),
    "f7-url": Scenario("an Images answer", whole(lambda d: {"created": 1, "data": [{"url": d.url()}]})),
    "f7-b64": Scenario("an Images answer in base64", whole(lambda d: {"data": [{"b64_json": d.digits()}]})),
    "f8": Scenario("a message inside a chunk", text(lambda d: f"![x]({d.url()})"), Wire.WHOLE_MESSAGE),
    "f9": Scenario("one body though a stream was asked for", text(lambda d: f"![x]({d.url()})"), Wire.JSON),
    "f9-as-stream": Scenario("one body called a stream", text(lambda d: f"![x]({d.url()})"), Wire.JSON_AS_STREAM),
    "f9-pretty": Scenario("one body over many lines", text(lambda d: f"![x]({d.url()})"), Wire.PRETTY),
    "f10": Scenario(
        "Gemini's own answer",
        whole(lambda d: gemini([{"text": "Here."}, {"inlineData": {"mimeType": "image/png", "data": d.digits()}}])),
    ),
    "f10-snake": Scenario(
        "the same with inline_data, and a draft among the thoughts",
        whole(lambda d: gemini([
            {"thought": True, "inline_data": {"mime_type": "image/png", "data": d.draft()}},
            {"inline_data": {"mime_type": "image/png", "data": d.digits()}},
        ])),
    ),
    "f11": Scenario("a URL at the top", whole(lambda d: {"url": d.url(), "model": "demo"})),
    "f11-image-url": Scenario("image_url at the top", whole(lambda d: {"image_url": d.url()})),
    "comments": Scenario("comments between events", text(lambda d: f"![x]({d.url()})"), Wire.COMMENTS),
    "crlf": Scenario("CRLF", text(lambda d: f"![x]({d.url()})"), Wire.CRLF),
    "no-space": Scenario("data: without a space", text(lambda d: f"![x]({d.url()})"), Wire.NO_SPACE),
    "many-data-lines": Scenario("an event over many lines", text(lambda d: f"![]({uri(d)})"), Wire.MANY_DATA_LINES),
    "no-blank-lines": Scenario("no blank lines", text(lambda d: f"![]({uri(d)})"), Wire.NO_BLANK_LINES),
    "byte-by-byte": Scenario("cut within UTF-8", text(lambda d: f"好 ![图片]({d.url()}) 了"), Wire.BYTE_BY_BYTE),
    "no-choices": Scenario(
        "choices empty, null and missing",
        lambda d: Said(messages=({"content": f"![]({d.url()})"},), before=EMPTY_CHUNKS),
    ),
    "no-done": Scenario("no [DONE], no finish_reason", lambda d: Said(
        messages=({"content": f"![]({d.url()})"},), finish={"finish_reason": None}), Wire.NO_DONE),
    "split-100": Scenario("a data URI over 100 chunks", in_pieces),
    "base64-lines": Scenario("base64 in lines", text(in_lines)),
    "url-safe": Scenario("URL-safe base64 without padding", text(url_safe)),
    "double-prefix": Scenario("the prefix twice", text(lambda d: f"![](data:image/jpeg;base64,{uri(d)})")),
    "html-img": Scenario("an <img>", text(lambda d: f'<p>Here:</p><img alt="" src="{d.url()}" width="512"/>')),
    "thinking": Scenario("drafts among the thoughts", thinking),
    "preview-final": Scenario("a preview and the final version", preview_and_final),
    "repeated": Scenario("the same picture in both chunks", repeated),
    "dropped-after": Scenario("it breaks after the picture", text(lambda d: f"![]({d.url()})\n"), Wire.DROPPED_AFTER),
    "stays-open": Scenario("it never hangs up, no [DONE]", text(lambda d: f"![]({d.url()})"), Wire.STAYS_OPEN),
    "filtered-but-there": Scenario("content_filter, and a picture", lambda d: Said(
        messages=({"content": f"![image]({uri(d)})"},), finish={"finish_reason": "content_filter"})),
}  # fmt: skip
"""Scenarios that end with one picture."""

OTHERS: Final[Mapping[str, Scenario]] = {
    "two": Scenario("two pictures", text(lambda d: f"![1]({d.url()})\n![2]({d.url()})")),
    "two-fields": Scenario("two pictures in fields", fields(lambda d: {"images": [
        {**part({"url": uri(d)}), "index": 0}, {**part({"url": uri(d)}), "index": 1}]})),
    "one-lost": Scenario("two pictures, one is gone", text(lambda d: f"![1]({d.lost_url()})\n![2]({d.url()})")),
    "lost": Scenario("a URL that is gone", text(lambda d: f"![1]({d.lost_url()})")),
    "page": Scenario("a URL that leads to a page", text(lambda d: f"![1]({d.page_url()})")),
    "guess": Scenario("a refusal with a link on its own line", text(lambda d: f"No. More:\n{d.page_url()}\n")),
    "refusal": Scenario("a refusal in words", message(content="I cannot draw that.")),
    "refusal-url": Scenario("a refusal with a URL", ending({"finish_reason": "content_filter"}, content=REFUSED)),
    "refusal-field": Scenario("a refusal in its field", ending({"finish_reason": "stop"}, refusal=REFUSED)),
    "content-filter": Scenario("content_filter", ending({"finish_reason": "content_filter"})),
    "native-safety": Scenario(
        "a finish reason lost", ending({"finish_reason": "stop", "native_finish_reason": "IMAGE_SAFETY"})
    ),
    "empty": Scenario("nothing", ending({"finish_reason": "stop", "native_finish_reason": "STOP"})),
    "empty-choices": Scenario("choices: []", whole(lambda _: {"choices": []})),
    "empty-data": Scenario("data: []", whole(lambda _: {"data": []})),
    "think-only": Scenario("a picture in thoughts only", text(lambda d: f"<think>![]({d.url()})</think>Sorry.")),
    "gemini-blocked": Scenario("blockReason", whole(lambda _: {"promptFeedback": {"blockReason": "SAFETY"}})),
    "gemini-safety": Scenario("finishReason IMAGE_SAFETY", whole(lambda _: {"candidates": [
        {"finishReason": "IMAGE_SAFETY", "finishMessage": "Unable to show the generated image."}]})),
    "gemini-no-image": Scenario("NO_IMAGE", whole(lambda _: {"candidates": [{"finishReason": "NO_IMAGE"}]})),
    "done-first": Scenario("[DONE] before anything", text(lambda d: d.url()), Wire.DONE_FIRST),
    "error-body": Scenario("an error inside HTTP 200", failing({"message": "boom", "code": 502})),
    "error-finish": Scenario("finish_reason error", lambda _: Said(
        messages=({"content": "Half a"},), finish={"finish_reason": "error", "native_finish_reason": "OTHER"})),
    "error-both": Scenario("finish_reason error, and the error", lambda _: Said(body={
        "error": {"code": 429, "message": "Rate limited"}, "choices": [{"finish_reason": "error", "delta": {}}]})),
    "moderated": Scenario("OpenRouter's moderation", failing(MODERATED, 403)),
    "moderated-200": Scenario("the same inside HTTP 200", failing(MODERATED)),
    "no-credits": Scenario("OpenRouter without credits", failing({"code": 402, "message": "No credits"}, 402)),
    "no-provider": Scenario("no provider", failing({"code": 503, "message": "No provider"}, 503, Retry_After="9")),
    "new-api": Scenario("new-api without a channel", failing(NO_CHANNEL, 503)),
    "code-msg": Scenario("code and msg", whole(lambda _: {"code": 500, "msg": "server busy", "data": None})),
    "message": Scenario("message alone", whole(lambda _: {"message": "Invalid token"}, 401)),
    "string": Scenario("an error that is a text", failing("generation_failed")),
    "html-502": Scenario("a proxy's page", page(502, "Bad Gateway")),
    "html-524": Scenario("a proxy gave up", page(524, "A timeout occurred")),
    "html-200": Scenario("a login page", page(200, "Sign in")),
    "submit-dropped": Scenario("drawn, but it breaks before any answer", text(lambda d: d.url()), Wire.NO_ANSWER),
    "dropped": Scenario("it breaks before the picture", message(content="One moment."), Wire.DROPPED_WITHIN),
    "dropped-within": Scenario("it breaks within the picture", text(lambda d: f"![]({uri(d)})"), Wire.DROPPED_WITHIN),
    "truncated-json": Scenario("half a body", text(lambda d: f"![]({uri(d)})"), Wire.HALF_A_BODY),
    "bad-base64": Scenario("base64 that is none", fields(lambda _: {"images": [{"b64_json": "A" * 81}]})),
    "cut-picture": Scenario("a picture cut short", fields(lambda d: {"images": [{"b64_json": half(d)}]})),
    "no-picture": Scenario("a text called a picture", fields(lambda _: {"images": [{"b64_json": NOT_A_PICTURE}]})),
    "hangs": Scenario("silence without end", message(content="One moment."), Wire.HANGS),
    "trickles": Scenario("a byte now and then, without end", message(content="One moment."), Wire.TRICKLES),
    "endless": Scenario("over 100 MB of base64", message(content=""), Wire.ENDLESS),
    "endless-words": Scenario("words without end", lambda _: Said(messages=(dict(LONG_WORDS),) * 50)),
}  # fmt: skip

SCENARIOS: Final[Mapping[str, Scenario]] = {**PICTURES, **OTHERS}
