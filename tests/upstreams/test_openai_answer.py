"""Tests of service/upstreams/openai_answer.py."""

import base64
import json

import pytest

from service.upstreams.image_sources import Inline, Link, Raw, Source
from service.upstreams.kinds import Kind
from service.upstreams.openai_answer import ImagesAnswer
from tests.emulators.pictures import png

DIGITS = base64.b64encode(bytes(range(200))).decode()
OTHER = base64.b64encode(bytes(200)).decode()
URL = "https://img.example/1.png?sig=a%2Bb"


def event(value: object, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(value)}\n\n".encode()


def partial(index: int) -> bytes:
    value = {"type": "image_edit.partial_image", "b64_json": OTHER, "partial_image_index": index}
    return event(value, "image_edit.partial_image")


def read(stream: bytes, *, step: int = 65536, expected: int = 1) -> tuple[ImagesAnswer, list[int]]:
    answer = ImagesAnswer(expected)
    seen = [each for at in range(0, len(stream), step) for each in answer.feed(stream[at : at + step])]
    return answer, [*seen, *answer.end()]


COMPLETED = {"type": "image_generation.completed", "b64_json": DIGITS}


@pytest.mark.parametrize("step", [1, 7, 65536])
@pytest.mark.parametrize(
    ("stream", "partials", "pictures"),
    [
        pytest.param(
            partial(0) + partial(1) + event(COMPLETED, "image_generation.completed"),
            [0, 1],
            [Inline(DIGITS)],
            id="as-documented",
        ),
        pytest.param(event(COMPLETED), [], [Inline(DIGITS)], id="no-event-line"),
        pytest.param(
            event({"b64_json": OTHER, "partial_image_index": 0}) + event({"b64_json": DIGITS}),
            [0],
            [Inline(DIGITS)],
            id="neither-name-nor-type",
        ),
        pytest.param(
            event({"b64_json": OTHER}, "image_generation.partial_image")
            + event({"b64_json": DIGITS}, "image_generation.completed"),
            [0],
            [Inline(DIGITS)],
            id="name-only",
        ),
        pytest.param(event({"type": "image_generation.completed", "url": URL}), [], [Link(URL)], id="url"),
        pytest.param(
            event({"type": "image_generation.completed", "url": f"data:image/png;base64,{DIGITS}"}),
            [],
            [Inline(DIGITS)],
            id="data-uri-as-url",
        ),
        pytest.param(
            json.dumps({"data": [{"b64_json": DIGITS}, {"url": URL}]}).encode(),
            [],
            [Inline(DIGITS), Link(URL)],
            id="one-body",
        ),
        pytest.param(
            json.dumps({"data": [{"b64_json": DIGITS}]}, indent=1).encode(), [], [Inline(DIGITS)], id="pretty"
        ),
        pytest.param(json.dumps({"data": [{"b64_json": "", "url": URL}]}).encode(), [], [Link(URL)], id="empty-b64"),
        pytest.param(
            json.dumps({"data": [{"url": URL, "b64_json": DIGITS}]}).encode(), [], [Inline(DIGITS)], id="both"
        ),
    ],
)
def test_the_picture_is_found_and_a_partial_one_is_none(
    stream: bytes, step: int, partials: list[int], pictures: list[Source]
) -> None:
    """Spec OpenAI API reference, Image streaming, and what relays make of it; cut anywhere."""
    answer, seen = read(stream, step=step)
    assert (seen, answer.pictures()) == (partials, pictures)


def test_it_is_done_with_as_many_pictures_as_were_asked_for() -> None:
    """Ours: a relay may leave the connection open."""
    stream = event(COMPLETED)
    assert read(stream)[0].is_complete
    answer, _ = read(stream, expected=2)
    assert (answer.is_complete, answer.is_finished) == (False, True)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(
            event({"type": "error", "error": {"message": "x", "code": "moderation_blocked"}}, "error"), id="event"
        ),
        pytest.param(event({"error": {"message": "x", "code": "moderation_blocked"}}), id="key"),
        pytest.param(event({"type": "error", "message": "x", "code": "moderation_blocked"}), id="flat"),
        pytest.param(json.dumps({"code": "moderation_blocked", "msg": "x"}).encode(), id="msg"),
    ],
)
def test_an_error_within_the_answer_is_an_error(stream: bytes) -> None:
    """Bug: neuron-ai #541 read one in the middle of a stream as an empty result."""
    answer, _ = read(partial(0) + stream if stream.startswith((b"data", b"event")) else stream)
    assert answer.without_picture().kind == Kind.POLICY


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        pytest.param(partial(0), Kind.LOST, id="partial-alone"),
        pytest.param(b"", Kind.LOST, id="nothing"),
        pytest.param(b'{"data": [{"b64_json": "iVBORw', Kind.LOST, id="half-a-body"),
        pytest.param(b'{"data": []}', Kind.NO_IMAGE, id="empty-list"),
        pytest.param(event({"type": "image_generation.completed"}), Kind.NO_IMAGE, id="completed-without"),
        pytest.param(b"no model for you", Kind.NO_IMAGE, id="words"),
    ],
)
def test_an_answer_without_a_picture_says_why(stream: bytes, kind: Kind) -> None:
    """Spec OpenAI API reference: without `completed` there is no picture, though it may have been charged."""
    answer, _ = read(stream)
    assert answer.pictures() == []
    assert answer.without_picture().kind == kind


EMPTY = {"message": "", "type": "", "param": "", "code": None}


@pytest.mark.parametrize("step", [1, 65536])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps({"data": [{"url": URL}], "error": EMPTY}).encode(), id="empty-error"),
        pytest.param(json.dumps({"data": [{"url": URL}], "error": {"message": "late"}}).encode(), id="error-beside"),
        pytest.param(
            json.dumps({"data": [{"url": URL}], "errors": [{}], "detail": "null"}).encode(), id="other-errors"
        ),
        pytest.param(json.dumps({"images": [{"url": URL}], "timings": {"inference": 1.2}}).encode(), id="siliconflow"),
        pytest.param(json.dumps({"code": 0, "msg": "ok", "data": {"images": [URL]}}).encode(), id="nested-images"),
        pytest.param(json.dumps([{"url": URL}]).encode(), id="list"),
        pytest.param(b"\xef\xbb\xbf" + json.dumps({"data": [{"url": URL}]}).encode(), id="byte-order-mark"),
        pytest.param(b"\xef\xbb\xbf" + event({"type": "image_generation.completed", "url": URL}), id="mark-and-stream"),
        pytest.param(URL.encode(), id="url-alone"),
        pytest.param(f"![picture]({URL})".encode(), id="markdown"),
    ],
)
def test_a_paid_picture_is_found_in_any_form(body: bytes, step: int) -> None:
    """Bug: BerriAI/litellm #18407 (empty errors), SiliconFlow (`images`): thrown away, and asked for again."""
    assert read(body, step=step)[0].pictures() == [Link(URL)]


@pytest.mark.parametrize("step", [1, 65536])
def test_a_picture_may_be_the_whole_answer(step: int) -> None:
    picture = png(1, (8, 8))
    assert read(picture, step=step)[0].pictures() == [Raw(picture)]


def test_half_of_a_picture_is_none() -> None:
    answer = ImagesAnswer(1)
    answer.feed(png(1, (8, 8))[:40])
    answer.cut()
    assert answer.pictures() == []


def test_a_task_in_place_of_a_picture_is_named() -> None:
    """Spec APIMart: it answers the ordinary request so. Calling again would pay again."""
    answer, _ = read(json.dumps({"code": 200, "data": [{"status": "submitted", "task_id": "t-7"}]}).encode())
    error = answer.without_picture()
    assert (error.kind, error.task, error.may_be_charged, error.retries) == (Kind.ACCEPTED, "t-7", True, 0)


def test_the_error_in_the_place_of_a_picture_is_told() -> None:
    """Spec Volcengine Ark: each picture of the list may have an `error` instead."""
    answer, _ = read(json.dumps({"data": [{"error": {"code": "X", "message": "sensitive content"}}]}).encode())
    assert answer.without_picture().kind == Kind.POLICY
