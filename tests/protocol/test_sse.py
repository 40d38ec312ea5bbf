"""Server-sent events as bytes."""

from service.protocol.jsonrpc import notification_message
from service.protocol.sse import KEEP_ALIVE, frame, priming


def test_a_message_is_one_event() -> None:
    message = notification_message("n", {"text": "a\nb"})
    assert frame(message) == b"event: message\ndata: " + message + b"\n\n"


def test_the_keep_alive_is_a_comment() -> None:
    """WHATWG HTML, Server-sent events: a line that starts with a colon is ignored."""
    assert KEEP_ALIVE.startswith(b":")
    assert KEEP_ALIVE.endswith(b"\n\n")


def test_an_event_that_can_be_resumed_from_has_an_id() -> None:
    assert frame(b"{}", "s-1") == b"id: s-1\nevent: message\ndata: {}\n\n"


def test_the_first_event_of_a_stream_has_an_id_no_data_and_the_time_to_come_again() -> None:
    """Spec 2025-11-25, Transports (SEP-1699): an event without any data line is not dispatched, and its id is lost."""
    assert priming("s-0") == b"id: s-0\nretry: 500\ndata:\n\n"
