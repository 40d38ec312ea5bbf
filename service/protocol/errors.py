"""Errors of the protocol: the codes, the exception that carries one, and each code's HTTP status per era."""

import math
from collections.abc import Mapping
from typing import Any, Final

from service.bounds.limits import LimitError
from service.protocol.client import Era

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
LIMIT_EXCEEDED: Final = -32005
"""A limit of this server. MCP has no code for it; this one has that meaning in EIP-1474, and is free in JSON-RPC."""


class RpcError(Exception):
    """A JSON-RPC error for a wrong request: its code, a message that says what would be right, and `data`.

    `status` is the HTTP status where it differs from the table below.
    """

    def __init__(
        self, code: int, message: str, data: Mapping[str, Any] | None = None, *, status: int | None = None
    ) -> None:
        """Take the members of the error and, where it differs, the HTTP status."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.status = status

    def body(self) -> dict[str, Any]:
        """Return the `error` member. An absent `data` is left out: the schema of 2026-07-28 has no null there."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = dict(self.data)
        return error


def check_text(name: str, text: str) -> None:
    """Raise -32602, which names the text, for one that holds NUL: programs that end texts there would see another."""
    if "\0" in text:
        raise RpcError(INVALID_PARAMS, f"{name} holds a NUL character (U+0000), which no text has; leave it out.")


def retry_after(error: RpcError | None) -> int | None:
    """Return the seconds after which the request of an error is worth another try; None where it is not."""
    return None if error is None or error.code != LIMIT_EXCEEDED or error.data is None else error.data["retryAfter"]


def limit_exceeded(refusal: LimitError) -> RpcError:
    """Return the error of a request that a limit refused; `data.retryAfter` is in whole seconds."""
    return RpcError(LIMIT_EXCEEDED, str(refusal), {"retryAfter": math.ceil(refusal.retry_after_s)})


STATUS: Final[Mapping[Era, Mapping[int, int]]] = {
    # Spec 2026-07-28, Streamable HTTP: 404 for an unknown method, 400 for a wrong request. No status
    # is given for -32603; 200 lets every client read the error instead of reporting a broken transport.
    Era.MODERN: {
        PARSE_ERROR: 400,
        INVALID_REQUEST: 400,
        METHOD_NOT_FOUND: 404,
        INVALID_PARAMS: 400,
        INTERNAL_ERROR: 200,
        HEADER_MISMATCH: 400,
        MISSING_CAPABILITY: 400,
        UNSUPPORTED_VERSION: 400,
        LIMIT_EXCEEDED: 429,
    },
    # Spec 2025-11-25: an error is a response like any other; only a body that is no JSON-RPC message is refused.
    Era.LEGACY: {
        PARSE_ERROR: 400,
        INVALID_REQUEST: 400,
        METHOD_NOT_FOUND: 200,
        INVALID_PARAMS: 200,
        INTERNAL_ERROR: 200,
        HEADER_MISMATCH: 400,
        MISSING_CAPABILITY: 200,
        UNSUPPORTED_VERSION: 400,
        LIMIT_EXCEEDED: 200,
    },
}
"""The HTTP status of each code, in each era."""


def status_of(era: Era, error: RpcError) -> int:
    """Return the HTTP status of an error that is the whole HTTP answer; 200 for a code that is not ours."""
    return error.status or STATUS[era].get(error.code, 200)
