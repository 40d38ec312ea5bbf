"""JSON-RPC 2.0: bytes to messages and back, with MCP's stricter rules for ids and params.

Spec 2026-07-28, Messages: an id is a string or an integer and never null; params are an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from service.protocol.errors import INVALID_REQUEST, PARSE_ERROR, RpcError

RequestId: TypeAlias = str | int
Result: TypeAlias = dict[str, Any]


class Request(NamedTuple):
    """A message with an id, which gets a response. A tuple is made in a third of the time of a frozen dataclass."""

    id: RequestId
    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A message without an id, which gets no response."""

    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Response:
    """A client's response to a request of ours: `answer` is its `result` or, when `failed`, its `error`."""

    id: RequestId | None
    answer: Any
    failed: bool


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """A body that is no message: its error, and its id where one can be read.

    `silent`: it has a method and no id, so that no client waits for a response (JSON-RPC 2.0, Notification).
    """

    id: RequestId | None
    error: RpcError
    silent: bool = False


Message: TypeAlias = Request | Notification | Response | Malformed


LONGEST_ID: Final = 1000
"""Characters. An id and a progress token come back with every message of their call."""

MAX_BATCH: Final = 50
"""Messages of one batch. The revision that had batches sets no bound, and each may be a picture."""

MAX_DEPTH: Final = 100
"""Objects and lists within each other. The encoder gives up at 254, and code that walks a message may recurse."""


def parse(body: bytes) -> Message | list[Message]:
    """Return one message, or the list of a batch. Never raises: an unreadable message is `Malformed`."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        return Malformed(id=None, error=RpcError(PARSE_ERROR, f"The body is not JSON: {problem}"))
    # With at most MAX_DEPTH brackets in all, the nesting cannot be deeper; only a body with more is measured.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _is_too_deep(value):
        id_ = value.get("id") if isinstance(value, dict) else None
        message = f"The body has more than {MAX_DEPTH} objects and lists within each other."
        return malformed(id_ if is_request_id(id_) else None, message)
    if not isinstance(value, list):
        return read(value)
    if not 1 <= len(value) <= MAX_BATCH:
        return malformed(None, f"A batch holds 1 to {MAX_BATCH} messages; this one holds {len(value)}.")
    return [read(each) for each in value]


def read(value: object) -> Message:
    """Return the message of parsed JSON."""
    if not isinstance(value, dict):
        return malformed(None, "The body is not an object; send one JSON-RPC message.")
    id_, has_id = value.get("id"), "id" in value
    readable = id_ if is_request_id(id_) else None
    silent = "method" in value and not has_id
    if value.get("jsonrpc") != "2.0":
        return malformed(readable, 'The member "jsonrpc" must be "2.0".', silent=silent)
    if "method" not in value:
        return _read_response(value, readable)
    method, params = value["method"], value.get("params")
    if params is None:  # some libraries write every member that they leave out as null
        params = {}
    if not isinstance(method, str):
        return malformed(readable, 'The member "method" must be a string.', silent=silent)
    if not isinstance(params, dict):
        return malformed(readable, 'The member "params" must be an object, or be left out.', silent=silent)
    if not has_id:
        return Notification(method=method, params=params)
    if readable is None:
        return malformed(None, 'The member "id" must be an integer or a short string; leave it out for a notification.')
    return Request(id=readable, method=method, params=params)


def is_request_id(value: object) -> bool:
    """Return whether `value` may be an id. JSON's true and false are integers to Python, and are not ids."""
    if isinstance(value, str):
        return len(value) <= LONGEST_ID
    return isinstance(value, int) and not isinstance(value, bool)


def request_message(id_: RequestId, method: str, params: Mapping[str, Any]) -> bytes:
    """Encode a request of ours."""
    return orjson.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})


def result_message(id_: RequestId, result: Mapping[str, Any]) -> bytes:
    """Encode a result."""
    return orjson.dumps({"jsonrpc": "2.0", "id": id_, "result": result})


def encoded_message(id_: RequestId, result: bytes) -> bytes:
    """Return the message of a result that is encoded already."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (orjson.dumps(id_), result)


def error_message(id_: RequestId | None, error: RpcError) -> bytes:
    """Encode an error. Without a readable id it has none: JSON-RPC's `"id": null` is not in MCP's schema."""
    message: dict[str, Any] = {"jsonrpc": "2.0"}
    if id_ is not None:
        message["id"] = id_
    return orjson.dumps(message | {"error": error.body()})


def notification_message(method: str, params: Mapping[str, Any]) -> bytes:
    """Encode a notification."""
    return orjson.dumps({"jsonrpc": "2.0", "method": method, "params": params})


def _read_response(value: Mapping[str, Any], id_: RequestId | None) -> Message:
    if ("result" in value) == ("error" in value):
        return malformed(id_, 'A message has a "method", or else exactly one of "result" and "error".')
    failed = "error" in value
    return Response(id=id_, answer=value["error" if failed else "result"], failed=failed)


def _is_too_deep(value: object) -> bool:
    """Return whether the nesting is deeper than `MAX_DEPTH`; by levels, since recursion would meet its own limit."""
    level, depth = [value], 0
    while level:
        depth += 1
        containers = [each for each in level if isinstance(each, dict | list)]
        level = [inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)]
        if depth > MAX_DEPTH and containers:
            return True
    return False


def malformed(id_: RequestId | None, message: str, *, silent: bool = False) -> Malformed:
    """Return the `Malformed` of an invalid message."""
    return Malformed(id=id_, error=RpcError(INVALID_REQUEST, message), silent=silent)
