"""Tests of service/upstreams/sse.py."""

import pytest

from service.upstreams.sse import SseReader


def read(stream: bytes, step: int = 65536) -> tuple[list[bytes], list[bytes]]:
    """The events of a stream that comes in pieces of this many bytes, and the other lines."""
    reader = SseReader()
    events = [event for at in range(0, len(stream), step) for event in reader.feed(stream[at : at + step])]
    return [*events, *reader.rest()], reader.other


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: {}\n\ndata: 2\n\n", [b"{}", b"2"], id="plain"),
        pytest.param(b"data:{}\n\n", [b"{}"], id="no-space"),
        pytest.param(b"data: {}\r\n\r\ndata: 2\r\n\r\n", [b"{}", b"2"], id="crlf"),
        pytest.param(b"data: {\ndata: }\n\n", [b"{\n}"], id="several-data-lines"),
        pytest.param(b": OPENROUTER PROCESSING\n\ndata: 1\n\n", [b"1"], id="comment"),
        pytest.param(b"event: message\nid: 7\nretry: 1\ndata: 1\n\n", [b"1"], id="other-fields"),
        pytest.param(b"data: 1", [b"1"], id="no-blank-line-at-the-end"),
        pytest.param("data: 图片\n\n".encode(), ["图片".encode()], id="utf-8"),
        pytest.param(b"\n\n\n", [], id="nothing"),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 65536])
def test_events_are_the_same_however_the_stream_is_cut(stream: bytes, events: list[bytes], step: int) -> None:
    """Spec WHATWG HTML, Server-sent events, and what gateways make of it."""
    assert read(stream, step) == (events, [])


def test_lines_that_are_no_fields_are_kept() -> None:
    """Ours: a body of JSON or HTML under `text/event-stream` still says something."""
    assert read(b'{\n  "error": "no"\n}\n') == ([], [b"{", b'  "error": "no"', b"}"])


def test_a_line_has_no_limit() -> None:
    """Bug: readers by line died at 64 KB (goclaw #1348), 512 KB, 1 MB (ferro-labs #129)."""
    assert read(b"data: " + b"x" * 3_000_000 + b"\n\n", 1000)[0] == [b"x" * 3_000_000]


def test_an_event_has_its_own_name_and_no_other() -> None:
    """Spec WHATWG HTML, Server-sent events: the name is reset with each dispatch, with or without data."""
    reader = SseReader()
    stream = b"event: ping\n\nevent: a\ndata: 1\n\ndata: 2\nevent:b\n\ndata: 3\n\n"
    assert [(reader.name, event) for event in reader.feed(stream)] == [(b"a", b"1"), (b"b", b"2"), (b"", b"3")]
