"""Server-sent events as bytes (WHATWG HTML, Server-sent events, Parsing an event stream)."""

from typing import Final

KEEP_ALIVE: Final = b": still here\n\n"
"""A comment. Clients ignore it; it keeps proxies and clients from taking a silent stream for a dead one."""


def frame(message: bytes) -> bytes:
    """One event that carries a JSON-RPC message. JSON from our encoder holds no line break."""
    return b"event: message\ndata: " + message + b"\n\n"
