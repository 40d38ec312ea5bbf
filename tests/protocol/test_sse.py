"""Server-sent events as bytes."""

from service.protocol.jsonrpc import notification_message
from service.protocol.sse import KEEP_ALIVE, frame


def test_a_message_is_one_event() -> None:
    message = notification_message("n", {"text": "a\nb"})
    assert frame(message) == b"event: message\ndata: " + message + b"\n\n"


def test_the_keep_alive_is_a_comment() -> None:
    """WHATWG HTML, Server-sent events: a line that starts with a colon is ignored."""
    assert KEEP_ALIVE.startswith(b":")
    assert KEEP_ALIVE.endswith(b"\n\n")
