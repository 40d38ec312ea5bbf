"""Header values: their Base64 form, and agreement with the body."""

import base64

import pytest

from service.protocol.errors import HEADER_MISMATCH, RpcError
from service.protocol.headers import NAMED_BY, Headers, check_routing, decode_value
from service.protocol.jsonrpc import Request

CALL = Request(id=1, method="tools/call", params={"name": "generate"})


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        pytest.param("us-west1", "us-west1", id="plain"),
        pytest.param("=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界", id="beyond ASCII"),
        pytest.param("=?base64?IHBhZGRlZCA=?=", " padded ", id="outer spaces"),
        pytest.param("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?=", id="looks like the form itself"),
        pytest.param("=?base64??=", "", id="nothing"),
        pytest.param("SGVsbG8=", "SGVsbG8=", id="Base64 without the markers is a literal"),
        pytest.param("=?base64?SGVsbG8=", "=?base64?SGVsbG8=", id="no end marker: a literal"),
        pytest.param("=?base64?=", "=?base64?=", id="markers that share a character: a literal"),
        pytest.param("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?=", id="markers are case-sensitive"),
    ],
)
def test_a_value_is_decoded(sent: str, text: str) -> None:
    """Spec 2026-07-28, Value Encoding."""
    assert decode_value("Mcp-Name", sent) == text


@pytest.mark.parametrize(
    "sent",
    ["=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?SGVsbG9=?=", "=?base64?/w==?=", "=?base64?é?="],
    ids=["no padding", "illegal characters", "bits after the last character", "no UTF-8", "no ASCII"],
)
def test_a_value_that_is_not_canonical_base64_is_refused(sent: str) -> None:
    """Spec 2026-07-28, Server Validation: a header value that contains invalid characters."""
    with pytest.raises(RpcError) as refused:
        decode_value("Mcp-Name", sent)
    assert refused.value.code == HEADER_MISMATCH


@pytest.mark.parametrize("name", ["Mcp-Method", "mcp-method", "Mcp-Protocol-Version", "Mcp-Name", "Mcp-Session-Id"])
def test_a_routing_header_sent_twice_is_refused(name: str) -> None:
    """Ours: who reads the first and who reads the last of two would disagree, even when the two are equal."""
    with pytest.raises(RpcError) as refused:
        Headers([("Mcp-Method", "ping"), ("MCP-PROTOCOL-VERSION", "x"), ("mcp-name", "n"), ("MCP-Session-ID", "s"),
                 (name, "ping")])  # fmt: skip
    assert refused.value.code == HEADER_MISMATCH


def test_a_header_of_an_argument_sent_twice_is_refused() -> None:
    """Ours: as with the headers that route, since a router may go by it."""
    with pytest.raises(RpcError) as refused:
        Headers([("Mcp-Param-Region", "eu"), ("mcp-param-region", "eu")])
    assert refused.value.code == HEADER_MISMATCH


def test_another_header_may_repeat() -> None:
    assert Headers([("Accept", "a"), ("accept", "b")]).get("ACCEPT") == "b"


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("MCP-METHOD", "tools/call"), ("mcp-name", "generate")], id="any case of the name"),
        pytest.param([("Mcp-Method", "tools/call"), ("Mcp-Name", "=?base64?Z2VuZXJhdGU=?=")], id="Base64"),
    ],
)
def test_headers_that_say_what_the_body_says_pass(pairs: list[tuple[str, str]]) -> None:
    check_routing(Headers(pairs), CALL)


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("Mcp-Name", "generate")], id="no method"),
        pytest.param([("Mcp-Method", "TOOLS/CALL"), ("Mcp-Name", "generate")], id="method in capitals"),
        pytest.param([("Mcp-Method", "tools/list"), ("Mcp-Name", "generate")], id="another method"),
        pytest.param([("Mcp-Method", "tools/call")], id="no name"),
        pytest.param([("Mcp-Method", "tools/call"), ("Mcp-Name", "history")], id="another name"),
    ],
)
def test_headers_that_differ_are_refused_and_told_what_the_body_says(pairs: list[tuple[str, str]]) -> None:
    """Spec 2026-07-28, Server Validation: -32020."""
    with pytest.raises(RpcError, match="body says") as refused:
        check_routing(Headers(pairs), CALL)
    assert refused.value.code == HEADER_MISMATCH


def test_a_method_without_a_target_needs_no_name() -> None:
    check_routing(Headers([("Mcp-Method", "tools/list")]), Request(id=1, method="tools/list", params={}))


def test_a_target_that_is_no_text_is_left_to_the_method() -> None:
    """Ours: a call without a name is -32602 of `tools/call`, which says what is missing."""
    check_routing(Headers([("Mcp-Method", "tools/call")]), Request(id=1, method="tools/call", params={"name": 5}))


@pytest.mark.parametrize(("method", "param"), sorted(NAMED_BY.items()))
def test_every_method_with_a_target_has_it_compared(method: str, param: str) -> None:
    """Spec 2026-07-28, Standard Request Headers; SEP-2663, Routing Headers."""
    request = Request(id=1, method=method, params={param: "das Ziel ü"})
    encoded = f"=?base64?{base64.b64encode('das Ziel ü'.encode()).decode()}?="
    check_routing(Headers([("Mcp-Method", method), ("Mcp-Name", encoded)]), request)
    for wrong in ("das Ziel u", encoded.upper()):
        with pytest.raises(RpcError) as refused:
            check_routing(Headers([("Mcp-Method", method), ("Mcp-Name", wrong)]), request)
        assert refused.value.code == HEADER_MISMATCH
