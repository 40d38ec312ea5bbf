"""Tests of service/upstreams/openai_answer.py."""

import base64
import json

import pytest

from service.upstreams.image_sources import Inline, Link, Source
from service.upstreams.kinds import Kind
from service.upstreams.openai_answer import ImagesAnswer

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
