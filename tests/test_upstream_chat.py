"""Tests of service/upstream_chat.py."""

import base64
import json
import random
from collections.abc import Sequence

import pytest

from service.upstream_chat import ChatAnswer
from service.upstream_chat_places import Inline, Link
from service.upstream_errors import Kind, UpstreamError

PICTURE = random.Random(2).randbytes(200_000)  # noqa: S311 - data, not a secret
URL = "https://img.example/o/1.png?s=%2B"
MARKDOWN = f"![a]({URL})"


def sse(*events: object) -> bytes:
    """A stream of these events, with [DONE]."""
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def delta(finish: str | None = None, **fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def read(stream: bytes, step: int = 65536) -> tuple[ChatAnswer, list[str]]:
    """The answer of a stream that comes in pieces of this many bytes, and its thoughts."""
    answer = ChatAnswer()
    thoughts = [thought for at in range(0, len(stream), step) for thought in answer.feed(stream[at : at + step])]
    return answer, [*thoughts, *answer.end()]


async def decoded(answer: ChatAnswer) -> list[bytes]:
    return [await answer.lifted.decode(each.digits) for each in answer.pictures() if isinstance(each, Inline)]


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
    ],
)
def test_the_picture_is_found_wherever_it_is(stream: bytes, step: int) -> None:
    """Spec upstreams.md 3.1 and 3.2, cut anywhere."""
    assert read(stream, step)[0].pictures() == [Link(URL)]


@pytest.mark.parametrize("size", [64, 5000, 300_000])
async def test_a_data_uri_split_over_many_deltas_is_one_picture(size: int) -> None:
    """Spec upstreams.md 3.1: data URIs get split over many chunks."""
    content = f"![image](data:image/png;base64,{base64.b64encode(PICTURE).decode()})"
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    assert await decoded(read(sse(*(delta(content=piece) for piece in pieces)))[0]) == [PICTURE]


async def test_b64_json_without_a_prefix_is_a_picture() -> None:
    """Spec upstreams.md 3.1, F7."""
    body = {"data": [{"b64_json": base64.b64encode(PICTURE).decode()}]}
    assert await decoded(read(json.dumps(body).encode())[0]) == [PICTURE]


def test_thoughts_are_handed_on_and_searched_for_nothing() -> None:
    """Spec upstreams.md 3.1: do not mistake a URL in the thoughts for the result."""
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
        pytest.param({"detail": "Invalid API key"}, Kind.TRANSIENT, id="detail"),
        pytest.param({"code": 1, "msg": "server busy"}, Kind.UNAVAILABLE, id="msg"),
        pytest.param(
            {"choices": [{"delta": {}, "error": {"code": 429, "message": "slow"}}]}, Kind.RATE, id="in-choice"
        ),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_an_error_inside_http_200_is_an_error(event: object, kind: Kind, streamed: bool) -> None:
    """Spec upstreams.md 2.7, 3.4: failures come inside HTTP 200, as an event or as the body."""
    stream = sse(delta(reasoning_content="错误"), event) if streamed else json.dumps(event).encode()
    with pytest.raises(UpstreamError) as raised:
        read(stream)
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("events", "kind", "words"),
    [
        pytest.param([delta("stop", content="所有Token可用")], Kind.NO_IMAGE, "所有Token可用", id="text"),
        pytest.param([delta("content_filter")], Kind.POLICY, "content_filter", id="filter"),
        pytest.param([delta("stop", refusal="I will not.")], Kind.POLICY, "I will not.", id="refusal"),
        pytest.param([], Kind.NO_IMAGE, "nothing at all", id="done-before-anything"),
    ],
)
def test_an_answer_without_a_picture_says_why(events: Sequence[object], kind: Kind, words: str) -> None:
    """Spec upstreams.md 3.5."""
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
    """Spec upstreams.md 3.2: connection closed after the image arrived."""
    answer = ChatAnswer()
    assert list(answer.feed(sse(delta(content=MARKDOWN))[:-14] + b"data: {")) == []
    answer.cut()
    assert answer.pictures() == [Link(URL)]


def test_endless_text_is_refused() -> None:
    """Ours: memory and the search are bounded, whatever an upstream sends."""
    stream = sse(*[delta(content="word " * 10_000)] * 10)
    with pytest.raises(ValueError, match="larger than"):
        read(stream)
