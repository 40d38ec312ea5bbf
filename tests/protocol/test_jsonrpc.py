"""Bytes to messages: what is taken, what is refused, and with which id."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.protocol.errors import INVALID_REQUEST, PARSE_ERROR, RpcError
from service.protocol.jsonrpc import (
    Malformed,
    Notification,
    Request,
    Response,
    error_message,
    notification_message,
    parse,
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
        pytest.param({"id": 4, "method": "ping", "params": None}, 4, id="null params"),
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


@pytest.mark.parametrize(("body", "word"), [(b"[]", "batch"), (b"7", "object"), (b"null", "object")])
def test_a_batch_or_a_bare_value_is_told_what_to_send(body: bytes, word: str) -> None:
    message = parse(body)
    assert isinstance(message, Malformed)
    assert word in message.error.message


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_bytes_make_the_parser_raise(body: bytes) -> None:
    parse(body)


def test_messages_are_encoded_on_one_line() -> None:
    """Conformance 5.1: readers of a JSON answer take it line by line."""
    messages = [
        result_message(1, {"text": "a\nb"}),
        error_message("x", RpcError(-32600, "a\nb")),
        notification_message("n", {"text": "\u2028\n"}),
    ]
    assert all(b"\n" not in message for message in messages)


def test_an_error_without_a_readable_id_has_none() -> None:
    """Spec 2026-07-28, Error Responses: the id is left out where it could not be read."""
    assert "id" not in json.loads(error_message(None, RpcError(-32700, "no")))
