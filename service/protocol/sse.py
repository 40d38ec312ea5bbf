"""Server-sent events as bytes (WHATWG HTML, Server-sent events, Parsing an event stream)."""

from typing import Final

KEEP_ALIVE: Final = b": still here\n\n"
"""A comment. Clients ignore it; it keeps proxies and clients from taking a silent stream for a dead one."""

RETRY_MS: Final = 500
"""How long a client whose connection was ended waits before it comes again."""


def frame(message: bytes, event_id: str | None = None) -> bytes:
    """One event that carries a JSON-RPC message. JSON from our encoder holds no line break."""
    head = b"" if event_id is None else f"id: {event_id}\n".encode()
    return head + b"event: message\ndata: " + message + b"\n\n"


def priming(event_id: str) -> bytes:
    """The first event of a stream that can be resumed: an id, no data (spec 2025-11-25, Transports; SEP-1699).

    The empty `data` line is needed: an event without any is not dispatched, and its id not remembered.
    """
    return f"id: {event_id}\nretry: {RETRY_MS}\ndata:\n\n".encode()
