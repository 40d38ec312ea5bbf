"""Tests of service/upstreams/chat.py."""

import base64
import json
import random
from collections.abc import Sequence

import pytest

from service.upstreams.chat import ChatAnswer
from service.upstreams.errors import UpstreamError
from service.upstreams.image_sources import Inline, Link
from service.upstreams.kinds import Kind

PICTURE = random.Random(2).randbytes(200_000)  # noqa: S311 - data, not a secret
URL = "https://img.example/o/1.png?s=%2B"
MARKDOWN = f"![a]({URL})"


def sse(*events: object) -> bytes:
    """A stream of these events, with [DONE]."""
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def delta(finish: str | None = None, **fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def gemini(*parts: object, finish: str = "STOP") -> dict[str, object]:
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": finish}]}


def indexed(index: int, url: str) -> dict[str, object]:
    return delta(images=[{"type": "image_url", "image_url": {"url": url}, "index": index}])


def read(stream: bytes, step: int = 65536, model: str = "") -> tuple[ChatAnswer, list[str]]:
    """The answer of a stream that comes in pieces of this many bytes, and its thoughts."""
    answer = ChatAnswer(model)
    thoughts = [thought for at in range(0, len(stream), step) for thought in answer.feed(stream[at : at + step])]
    return answer, [*thoughts, *answer.end()]


async def decoded(answer: ChatAnswer) -> list[bytes]:
    return [await answer.extracted.decode(each.digits) for each in answer.pictures() if isinstance(each, Inline)]


@pytest.mark.parametrize("step", [1, 13, 65536])
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(sse(delta(content=MARKDOWN)), id="F1"),
        pytest.param(sse(delta(content="![a]("), delta(content=URL[:9]), delta(content=URL[9:] + ")")), id="F1-split"),
        pytest.param(sse(delta(content=[{"type": "image_url", "image_url": {"url": URL}}])), id="F4"),
        pytest.param(sse(delta(content=[{"type": "output_text", "text": MARKDOWN}])), id="F4-text-part"),
        pytest.param(sse(delta(content="", images=[{"image_url": {"url": URL}}])), id="F5"),
        pytest.param(sse(delta(image={"url": URL})), id="F6"),
        pytest.param(json.dumps({"created": 1, "data": [{"url": URL}]}).encode(), id="F7"),
        pytest.param(sse({"choices": [{"delta": None, "message": {"content": MARKDOWN}}]}), id="F8"),
        pytest.param(json.dumps({"choices": [{"message": {"content": MARKDOWN}}]}).encode(), id="F9-json"),
        pytest.param(json.dumps({"choices": [{"message": {"content": MARKDOWN}}]}, indent=1).encode(), id="F9-pretty"),
        pytest.param(sse({"choices": []}, {"choices": None}, {"usage": {}}, delta(content=MARKDOWN)), id="no-choices"),
        pytest.param(sse(delta(content=MARKDOWN)).replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(sse(delta(content=MARKDOWN)).replace(b"data: ", b"data:"), id="no-space"),
        pytest.param(
            sse(delta(role="assistant"), delta(content=MARKDOWN)).replace(b"\n\n", b"\n"), id="no-blank-lines"
        ),
        pytest.param(sse(delta(content=MARKDOWN)).removesuffix(b"data: [DONE]\n\n"), id="no-done"),
        pytest.param(b"data:\n\ndata: ping\n\n" + sse(delta(content=MARKDOWN)), id="no-json"),
        pytest.param(b": PROCESSING\n\n" + sse(delta(content=MARKDOWN)), id="comment"),
        pytest.param(sse(delta(images=[URL]), delta("stop", images=[URL])), id="the-same-twice"),
        pytest.param(sse(delta(content=[{"type": "image_url", "image_url": URL}])), id="F4-string"),
        pytest.param(sse(delta(images=URL)), id="F5-one-string"),
        pytest.param(sse(gemini({"fileData": {"mimeType": "image/png", "fileUri": URL}})), id="F10"),
        pytest.param(json.dumps({"url": URL}).encode(), id="F11"),
        pytest.param(b"\xef\xbb\xbf" + json.dumps({"url": URL}).encode(), id="byte-order-mark"),
        pytest.param(b"\xef\xbb\xbf" + sse(delta(content=MARKDOWN)), id="byte-order-mark-before-a-stream"),
        pytest.param(json.dumps([{"url": URL}]).encode(), id="list"),
        pytest.param(json.dumps({"message": {"role": "assistant", "images": [URL]}}).encode(), id="ollama"),
        pytest.param(
            json.dumps({"content": [{"type": "image", "source": {"type": "url", "url": URL}}]}).encode(), id="anthropic"
        ),
        pytest.param(b"data: \xef\xbb\xbf" + json.dumps({"url": URL}).encode() + b"\n\n", id="mark-in-an-event"),
        pytest.param(json.dumps({"code": 0, "data": {"images": [{"url": URL}]}}).encode(), id="images"),
        pytest.param(
            json.dumps({"url": URL, "error": {"message": "", "type": "", "code": None}}).encode(), id="empty-error"
        ),
        pytest.param(sse(delta(content=MARKDOWN), {"error": {"message": "no credits", "code": 402}}), id="error-after"),
        pytest.param(sse({"error": {"message": "retrying"}}, delta(content=MARKDOWN)), id="error-before"),
        pytest.param(sse({"choices": [{"delta": {"content": MARKDOWN}, "error": {"code": 500}}]}), id="error-beside"),
        pytest.param(sse({"choices": [{"delta": {"content": MARKDOWN}, "finish_reason": "error"}]}), id="finish-error"),
        pytest.param(json.dumps({"code": 0, "msg": "ok", "data": {"url": URL}}).encode(), id="F11-wrapped"),
        pytest.param(sse(delta(content=f"<thinking>![]({URL}x)</thinking>{MARKDOWN}")), id="thinking"),
    ],
)
def test_the_picture_is_found_wherever_it_is(stream: bytes, step: int) -> None:
    """Ours: every place and every framing that gateways were seen to use, cut anywhere."""
    assert read(stream, step)[0].pictures() == [Link(URL)]


@pytest.mark.parametrize("size", [64, 5000, 300_000])
async def test_a_data_uri_split_over_many_deltas_is_one_picture(size: int) -> None:
    """Bug: data URIs get split over many chunks."""
    content = f"![image](data:image/png;base64,{base64.b64encode(PICTURE).decode()})"
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    assert await decoded(read(sse(*(delta(content=piece) for piece in pieces)))[0]) == [PICTURE]


@pytest.mark.parametrize("lines", [1, 40])
async def test_a_data_uri_in_lines_over_many_deltas_is_one_picture(lines: int) -> None:
    """Ours: MIME encoders break lines, and however many there are, they are not text."""
    encoded = base64.encodebytes(PICTURE * 3).decode().splitlines(keepends=True)
    pieces = ["".join(encoded[at : at + lines]) for at in range(0, len(encoded), lines)]
    stream = sse(
        delta(content="![](data:image/png;base64,"), *(delta(content=each) for each in pieces), delta(content=")")
    )
    assert await decoded(read(stream)[0]) == [PICTURE * 3]


async def test_b64_json_without_a_prefix_is_a_picture() -> None:
    """Spec OpenAI API reference, Images: `b64_json`; grok2api sent it from the chat route."""
    body = {"data": [{"b64_json": base64.b64encode(PICTURE).decode()}]}
    assert await decoded(read(json.dumps(body).encode())[0]) == [PICTURE]


def test_pictures_of_different_indexes_or_choices_are_different() -> None:
    """Ours: two pictures are two, whatever their order."""
    other = URL.replace("1.png", "2.png")
    assert read(sse(indexed(0, URL), indexed(1, other)))[0].pictures() == [Link(URL), Link(other)]
    choices = [{"index": n, "delta": {"images": [{"url": url, "index": 0}]}} for n, url in enumerate((URL, other))]
    assert read(sse({"choices": choices}))[0].pictures() == [Link(URL), Link(other)]


def test_pictures_streamed_under_one_index_are_all_kept_the_last_one_first() -> None:
    """Bug: CLIProxyAPI counts within one event, so the first of two was lost. A thinking model streams drafts first."""
    other = URL.replace("1.png", "2.png")
    assert read(sse(indexed(0, other), indexed(0, URL)))[0].pictures() == [Link(URL), Link(other)]


def test_groks_picture_replaces_its_preview() -> None:
    """Spec grok2api: the preview and the picture come under one index."""
    stream = sse(indexed(0, "https://img.example/draft.png"), indexed(0, URL))
    assert read(stream, model="grok-imagine")[0].pictures() == [Link(URL)]


def test_a_task_in_place_of_a_picture_is_named() -> None:
    """Spec APIMart: it answers the ordinary request so. Calling again would pay again."""
    error = read(json.dumps({"code": 200, "data": [{"status": "submitted", "task_id": "t-7"}]}).encode())[
        0
    ].without_picture()
    assert (error.kind, error.task, error.may_be_charged) == (Kind.ACCEPTED, "t-7", True)
    assert "t-7" in str(error)


def test_a_draft_among_geminis_thoughts_is_no_picture() -> None:
    """Spec Gemini API, Part: `thought` marks what belongs to the thinking."""
    picture = {"inlineData": {"mimeType": "image/png", "data": "A" * 80}}
    answer, thoughts = read(sse(gemini({"text": "hm", "thought": True}, {**picture, "thought": True})))
    assert (answer.pictures(), thoughts) == ([], ["hm"])
    assert read(sse(gemini(picture)))[0].pictures() == [Inline("A" * 80)]


def test_a_url_in_a_refusal_is_not_the_result() -> None:
    """Ours: not even one that ends in .png; but a picture that is shown is one, whatever the reason says."""
    url = "https://policies.example/rules.png"
    assert read(sse(delta("content_filter", content=f"No, see {url}")))[0].pictures() == []
    assert read(sse(delta("stop", content=url, refusal="No.")))[0].pictures() == []
    assert read(sse(delta("content_filter", content=MARKDOWN)))[0].pictures() == [Link(URL)]


def test_thoughts_are_handed_on_and_searched_for_nothing() -> None:
    """Ours: do not mistake a URL in the thoughts for the result."""
    stream = sse(delta(reasoning_content=f"初始化 {MARKDOWN}"), delta(content=f"<think>{MARKDOWN}</think>sorry"))
    answer, thoughts = read(stream, 1)
    assert thoughts == [f"初始化 {MARKDOWN}"]
    assert answer.pictures() == []


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        pytest.param(
            {"error": {"message": "PUBLIC_ERROR_UNSAFE_GENERATION", "status_code": 500}}, Kind.POLICY, id="object"
        ),
        pytest.param({"error": "generation_failed"}, Kind.TRANSIENT, id="string"),
        pytest.param({"error": {"code": 402, "message": "no credits"}}, Kind.QUOTA, id="integer-code"),
        pytest.param({"detail": "Invalid API key"}, Kind.AUTH, id="detail"),
        pytest.param({"code": 1, "msg": "server busy"}, Kind.UNAVAILABLE, id="msg"),
        pytest.param(
            {"choices": [{"delta": {}, "error": {"code": 429, "message": "slow"}}]}, Kind.RATE, id="in-choice"
        ),
        pytest.param({"choices": [{"finish_reason": "error"}]}, Kind.TRANSIENT, id="finish-reason"),
        pytest.param(
            {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"], "flagged_input": "y"}}},
            Kind.POLICY,
            id="openrouter-moderation",
        ),
        pytest.param({"code": 500, "msg": "server busy", "data": []}, Kind.UNAVAILABLE, id="msg-and-empty-data"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_an_error_inside_http_200_is_an_error(event: object, kind: Kind, streamed: bool) -> None:
    """Spec Flow2API, generation_handler.py; OpenRouter, Errors: an event or the body says so, never the status."""
    stream = sse(delta(reasoning_content="错误"), event) if streamed else json.dumps(event).encode()
    assert read(stream)[0].without_picture().kind == kind


@pytest.mark.parametrize(
    ("events", "kind", "words"),
    [
        pytest.param([delta("stop", content="所有Token可用")], Kind.NO_IMAGE, "所有Token可用", id="text"),
        pytest.param([delta("content_filter")], Kind.POLICY, "content_filter", id="filter"),
        pytest.param([delta("stop", refusal="I will not.")], Kind.POLICY, "I will not.", id="refusal"),
        pytest.param([], Kind.NO_IMAGE, "nothing at all", id="done-before-anything"),
        pytest.param([{"choices": []}], Kind.NO_IMAGE, "nothing at all", id="no-choices"),
        pytest.param(
            [{"choices": [{"delta": {}, "finish_reason": "stop", "native_finish_reason": "IMAGE_SAFETY"}]}],
            Kind.POLICY,
            "native_finish_reason IMAGE_SAFETY",
            id="native",
        ),
        pytest.param(
            [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "candidates": None}],
            Kind.POLICY,
            "blockReason PROHIBITED_CONTENT",
            id="blocked",
        ),
        pytest.param([gemini(finish="NO_IMAGE")], Kind.NO_IMAGE, "finishReason NO_IMAGE", id="no-image"),
        pytest.param([{"candidates": ["strange"]}], Kind.NO_IMAGE, "nothing at all", id="strange"),
    ],
)
def test_an_answer_without_a_picture_says_why(events: Sequence[object], kind: Kind, words: str) -> None:
    """Bug: LiteLLM #20357, sub2api #4798, Bifrost #2367: HTTP 200, and nothing to see."""
    error = read(sse(*events))[0].without_picture()
    assert (error.kind, error.retries) == (kind, 0)
    assert words in str(error)


def test_an_answer_that_cannot_be_read_may_have_been_charged() -> None:
    """Ours: half a body of JSON may have held the picture."""
    answer, _ = read(b'{"choices": [{"message": {"content": "![a](https')
    assert (answer.pictures(), answer.without_picture().kind) == ([], Kind.LOST)


def test_a_page_of_html_means_a_wrong_address() -> None:
    """Ours: a base URL that leads to a web page is for the operator to correct."""
    with pytest.raises(UpstreamError) as raised:
        read(b"<!doctype html>\n<title>Login</title><p>Sign in</p>")
    assert raised.value.kind == Kind.ADDRESS


def test_a_whole_picture_survives_a_broken_connection() -> None:
    """Ours: the picture is paid for."""
    answer = ChatAnswer()
    assert answer.feed(sse(delta(content=MARKDOWN))[:-14] + b"data: {") == []
    answer.cut()
    assert answer.pictures() == [Link(URL)]


def test_endless_text_is_refused() -> None:
    """Ours: memory and the search are bounded, whatever an upstream sends."""
    stream = sse(*[delta(content="word " * 10_000)] * 10)
    with pytest.raises(ValueError, match="larger than"):
        read(stream)
