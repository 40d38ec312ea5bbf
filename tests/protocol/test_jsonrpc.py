"""Bytes to messages: what is taken, what is refused, and with which id."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.protocol.errors import INVALID_REQUEST, PARSE_ERROR, RpcError
from service.protocol.jsonrpc import (
    MAX_BATCH,
    MAX_DEPTH,
    Malformed,
    Notification,
    Request,
    Response,
    error_message,
    notification_message,
    parse,
    read,
    request_message,
    result_message,
)


def parsed(**members: Any) -> object:
    return parse(json.dumps({"jsonrpc": "2.0", **members}).encode())


@pytest.mark.parametrize("id_", [0, 1, -7, "a", "", 2**53])
def test_a_request_keeps_its_id(id_: object) -> None:
    """Bug: `if not id` takes the 0 of the TypeScript SDK's `initialize` for a notification."""
    assert parsed(id=id_, method="ping") == Request(id=id_, method="ping", params={})  # type: ignore[arg-type]  # both kinds


def test_a_message_without_id_is_a_notification() -> None:
    assert parsed(method="notifications/initialized") == Notification(method="notifications/initialized", params={})


@pytest.mark.parametrize(
    ("members", "failed", "answer"),
    [
        pytest.param({"id": 3, "result": {"a": 1}}, False, {"a": 1}, id="result"),
        pytest.param({"id": 3, "error": {"code": 1}}, True, {"code": 1}, id="error"),
    ],
)
def test_a_message_without_method_is_a_response(members: dict[str, Any], failed: bool, answer: object) -> None:
    assert parsed(**members) == Response(id=3, answer=answer, failed=failed)


@pytest.mark.parametrize(
    ("members", "id_"),
    [
        pytest.param({"id": None, "method": "ping"}, None, id="null id"),
        pytest.param({"id": True, "method": "ping"}, None, id="boolean id"),
        pytest.param({"id": 1.5, "method": "ping"}, None, id="fraction as id"),
        pytest.param({"id": {}, "method": "ping"}, None, id="object as id"),
        pytest.param({"id": 4, "method": 5}, 4, id="method is no string"),
        pytest.param({"id": 4, "method": "ping", "params": [1]}, 4, id="positional params"),
        pytest.param({"id": 4}, 4, id="neither method nor answer"),
        pytest.param({"id": 4, "result": {}, "error": {}}, 4, id="both answers"),
        pytest.param({"id": 4, "jsonrpc": "1.0", "method": "ping"}, 4, id="other version"),
    ],
)
def test_what_is_no_message_is_refused_with_its_id(members: dict[str, Any], id_: object) -> None:
    """Spec 2026-07-28, Messages; JSON-RPC 2.0, section 5.1: the id of the request wherever it can be read."""
    message = parsed(**members)
    assert isinstance(message, Malformed)
    assert (message.id, message.error.code) == (id_, INVALID_REQUEST)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"jsonrpc": "2.0", "method": "\\ud800", "id": 1}', b"[" * 5000],
    ids=["empty", "cut", "no UTF-8", "NaN", "lone surrogate", "deep"],
)
def test_what_is_no_json_is_a_parse_error(body: bytes) -> None:
    message = parse(body)
    assert isinstance(message, Malformed)
    assert (message.id, message.error.code) == (None, PARSE_ERROR)


@pytest.mark.parametrize("body", [b"7", b"null", b'"x"', b"true"])
def test_a_bare_value_is_told_what_to_send(body: bytes) -> None:
    message = parse(body)
    assert isinstance(message, Malformed)
    assert "object" in message.error.message


def test_a_message_that_nobody_waits_for_is_told_from_one_that_somebody_does() -> None:
    """JSON-RPC 2.0, Notification: the server MUST NOT reply to one, however wrong it is."""
    wrong: list[dict[str, Any]] = [
        {"jsonrpc": "1.0", "method": "x"},
        {"jsonrpc": "2.0", "method": 5},
        {"jsonrpc": "2.0", "method": "x", "params": []},
    ]
    for members in wrong:
        silent, heard = read(members), read({**members, "id": 1})
        assert isinstance(silent, Malformed)
        assert isinstance(heard, Malformed)
        assert (silent.silent, heard.silent) == (True, False)


def test_a_batch_is_read_item_by_item() -> None:
    """Spec 2025-03-26: a list of messages; whether the revision has them is admission's to say."""
    messages = parse(b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}, 5, {"jsonrpc": "2.0", "id": 2, "result": {}}]')
    assert isinstance(messages, list)
    assert [type(each) for each in messages] == [Request, Malformed, Response]


@pytest.mark.parametrize(("count", "is_batch"), [(0, False), (1, True), (MAX_BATCH, True), (MAX_BATCH + 1, False)])
def test_a_batch_holds_so_many_messages(count: int, is_batch: bool) -> None:
    """JSON-RPC 2.0, section 6: an empty one is none; ours: neither is an endless one."""
    message = parse(json.dumps([{"jsonrpc": "2.0", "method": "x"}] * count).encode())
    assert isinstance(message, list) is is_batch
    if isinstance(message, Malformed):
        assert (message.error.code, str(count) in message.error.message) == (INVALID_REQUEST, True)


def nested(depth: int) -> bytes:
    """A request that is `depth` objects and lists deep."""
    inner = b'{"a":' * ((depth - 2) // 2) + b"[" * ((depth - 1) // 2)
    outer = b"]" * ((depth - 1) // 2) + b"}" * ((depth - 2) // 2)
    return b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"x":' + inner + b"1" + outer + b"}}"


@pytest.mark.parametrize(
    ("depth", "is_taken"), [(3, True), (MAX_DEPTH, True), (MAX_DEPTH + 1, False), (MAX_DEPTH + 2, False), (900, False)]
)
def test_a_message_is_so_deep_and_no_deeper(depth: int, is_taken: bool) -> None:
    """Bug: what the parser took at a depth of 255 the encoder could not write again, and the request was a 500."""
    message = parse(nested(depth))
    assert isinstance(message, Request) is is_taken
    if isinstance(message, Malformed):
        assert (message.id, message.error.code) == (7, INVALID_REQUEST)


def test_a_message_may_be_wide_and_full_of_brackets() -> None:
    """Ours: depth is what is bounded, not how many lists there are, or what a prompt says."""
    assert isinstance(parsed(id=1, method="x", params={"a": [[1]] * 500, "b": "[{" * 500}), Request)


def test_a_batch_that_is_too_deep_is_refused() -> None:
    message = parse(b"[" + nested(MAX_DEPTH) + b"]")
    assert isinstance(message, Malformed)
    assert (message.id, message.error.code) == (None, INVALID_REQUEST)


def test_a_request_of_ours_is_a_request() -> None:
    message = parse(request_message("easel-1", "roots/list", {"a": 1}))
    assert message == Request(id="easel-1", method="roots/list", params={"a": 1})


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_bytes_make_the_parser_raise(body: bytes) -> None:
    parse(body)


def test_messages_are_encoded_on_one_line() -> None:
    """Ours: some readers, the conformance suite among them, take a JSON answer line by line."""
    messages = [
        result_message(1, {"text": "a\nb"}),
        error_message("x", RpcError(-32600, "a\nb")),
        notification_message("n", {"text": "\u2028\n"}),
    ]
    assert all(b"\n" not in message for message in messages)


def test_an_error_without_a_readable_id_has_none() -> None:
    """Spec 2026-07-28, Error Responses: the id is left out where it could not be read."""
    assert "id" not in json.loads(error_message(None, RpcError(-32700, "no")))


def test_null_params_are_left_out_ones() -> None:
    """Bug: some libraries write every member that they leave out as null, and were refused."""
    assert parsed(id=1, method="tools/list", params=None) == Request(id=1, method="tools/list", params={})
