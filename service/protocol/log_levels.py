"""The levels of `notifications/message` (RFC 5424, as MCP names them), and which pass a threshold."""

from typing import Final

from service.protocol.errors import INVALID_PARAMS, RpcError

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""From the least to the most severe."""

LEGACY_DEFAULT: Final = "info"
"""What a legacy client gets that never called `logging/setLevel`: the spec leaves it to the server."""


def read_level(value: object) -> str:
    """A level, or -32602 that lists them."""
    if not isinstance(value, str) or value not in LEVELS:
        raise RpcError(INVALID_PARAMS, f"The level must be one of {', '.join(LEVELS)}.")
    return value


def passes(level: str, threshold: str | None) -> bool:
    """Whether a message of this level is wanted; without a threshold none is (spec 2026-07-28, Logging)."""
    return threshold is not None and LEVELS.index(level) >= LEVELS.index(threshold)
