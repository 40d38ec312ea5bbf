"""Header values: their Base64 form, and agreement with the body."""

import base64
from typing import Any

import pytest

from service.protocol.errors import HEADER_MISMATCH, RpcError
from service.protocol.headers import (
    NAMED_BY,
    Headers,
    check_param_headers,
    check_routing,
    decode_value,
    find_param_headers,
)
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


REGION = {"type": "string", "x-mcp-header": "Region"}


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


SCHEMA = object_of(
    region=REGION,
    limit={"type": "integer", "x-mcp-header": "Limit"},
    dry={"type": "boolean", "x-mcp-header": "Dry"},
    options=object_of(tenant={"type": "string", "x-mcp-header": "Tenant"}),
    prompt={"type": "string"},
)
ANNOTATED = find_param_headers(SCHEMA)


def check(arguments: dict[str, Any], *pairs: tuple[str, str]) -> None:
    check_param_headers(Headers(pairs), ANNOTATED, arguments)


def test_annotated_properties_are_found_wherever_properties_lead() -> None:
    """Spec 2026-07-28, Custom Headers from Tool Parameters: nested objects are permitted."""
    assert ANNOTATED == {
        ("region",): "Mcp-Param-Region",
        ("limit",): "Mcp-Param-Limit",
        ("dry",): "Mcp-Param-Dry",
        ("options", "tenant"): "Mcp-Param-Tenant",
    }


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "object"}, id="no properties"),
        pytest.param({"type": "object", "properties": None}, id="properties that are none"),
        pytest.param(object_of(any=True), id="a property that takes anything"),
        pytest.param({**object_of(), "required": ["a"], "anyOf": [object_of()]}, id="lists of names and of schemas"),
        pytest.param(object_of(**{"x-mcp-header": {"type": "string"}}), id="a property of that name"),
        pytest.param(object_of(a={"type": "object", "default": REGION}), id="an example that looks like a schema"),
    ],
)
def test_a_schema_without_annotations_wants_no_headers(schema: dict[str, Any]) -> None:
    assert find_param_headers(schema) == {}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        pytest.param(object_of(a={"type": "string", "x-mcp-header": ""}), "no HTTP field name", id="empty"),
        pytest.param(object_of(a={"type": "string", "x-mcp-header": "a b"}), "no HTTP field name", id="a space"),
        pytest.param(object_of(a={"type": "string", "x-mcp-header": "a\r\nb"}), "no HTTP field name", id="CR LF"),
        pytest.param(object_of(a={"type": "string", "x-mcp-header": 5}), "no HTTP field name", id="no string"),
        pytest.param(object_of(a={"type": "number", "x-mcp-header": "A"}), "needs one of the types", id="a number"),
        pytest.param(object_of(a={"type": ["string"], "x-mcp-header": "A"}), "needs one of", id="a list of types"),
        pytest.param(object_of(a={"x-mcp-header": "A"}), "needs one of the types", id="no type"),
        pytest.param(
            object_of(a=REGION, b={"type": "string", "x-mcp-header": "REGION"}), "occurs twice", id="twice, in any case"
        ),
        pytest.param({**object_of(), "x-mcp-header": "A"}, "alone lead to", id="at the root"),
        pytest.param(object_of(a={"type": "array", "items": REGION}), "alone lead to", id="in a list"),
        pytest.param(object_of(a={"anyOf": [{"type": "null"}, REGION]}), "alone lead to", id="in a choice"),
        pytest.param({"type": "object", "then": object_of(a=REGION)}, "alone lead to", id="under a condition"),
        pytest.param({"type": "object", "$defs": {"a": REGION}}, "alone lead to", id="in a definition"),
    ],
)
def test_an_annotation_that_clients_would_refuse_stops_the_start(schema: dict[str, Any], problem: str) -> None:
    """Spec 2026-07-28, Schema Extension: clients drop the whole tool, so its author must hear of it first."""
    with pytest.raises(ValueError, match=problem):
        find_param_headers(schema)


@pytest.mark.parametrize(
    ("arguments", "pairs"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"region": None}, [], id="null: no header is expected"),
        pytest.param({"options": "none"}, [], id="no object on the way"),
        pytest.param({"prompt": "a fox"}, [("Mcp-Param-Other", "x")], id="a header of nobody"),
        pytest.param({"region": "eu"}, [("mcp-param-region", "eu")], id="text"),
        pytest.param({"region": "Hello"}, [("Mcp-Param-Region", "=?base64?SGVsbG8=?=")], id="Base64"),
        pytest.param({"region": "SGVsbG8="}, [("Mcp-Param-Region", "SGVsbG8=")], id="looks like Base64"),
        pytest.param({"region": ""}, [("Mcp-Param-Region", "")], id="empty text"),
        pytest.param({"limit": 42}, [("Mcp-Param-Limit", "42")], id="integer"),
        pytest.param({"limit": 42}, [("Mcp-Param-Limit", "42.0")], id="integer as a fraction"),
        pytest.param({"limit": 42.0}, [("Mcp-Param-Limit", "42")], id="fraction that is an integer"),
        pytest.param({"limit": -7}, [("Mcp-Param-Limit", "-7")], id="negative"),
        pytest.param({"limit": 0}, [("Mcp-Param-Limit", "0")], id="zero"),
        pytest.param({"dry": True}, [("Mcp-Param-Dry", "true")], id="true"),
        pytest.param({"dry": False}, [("Mcp-Param-Dry", "false")], id="false"),
        pytest.param({"options": {"tenant": "a"}}, [("Mcp-Param-Tenant", "a")], id="nested"),
    ],
)
def test_a_header_that_says_what_the_body_says_passes(arguments: dict[str, Any], pairs: list[tuple[str, str]]) -> None:
    """Spec 2026-07-28, Value Encoding and Server Validation: integers are compared as numbers."""
    check(arguments, *pairs)


@pytest.mark.parametrize(
    ("arguments", "pairs"),
    [
        pytest.param({"region": "eu"}, [], id="missing"),
        pytest.param({"region": "eu"}, [("Mcp-Param-Region", "us")], id="another text"),
        pytest.param({"region": "eu"}, [("Mcp-Param-Region", "EU")], id="another case"),
        pytest.param({"region": "Hello"}, [("Mcp-Param-Region", "=?base64?SGVsbG8?=")], id="Base64 without padding"),
        pytest.param({"limit": 42}, [("Mcp-Param-Limit", "43")], id="another number"),
        pytest.param({"limit": 42}, [("Mcp-Param-Limit", "42.5")], id="a fraction"),
        pytest.param({"limit": 42}, [("Mcp-Param-Limit", "0x2a")], id="another notation"),
        pytest.param({"limit": 42}, [("Mcp-Param-Limit", "٤٢")], id="other digits"),
        pytest.param({"limit": 42}, [("Mcp-Param-Limit", "")], id="empty"),
        pytest.param({"limit": 42.0}, [("Mcp-Param-Limit", "forty-two")], id="words"),
        pytest.param({"limit": 42.5}, [("Mcp-Param-Limit", "42")], id="an argument that is no integer"),
        pytest.param({"dry": True}, [("Mcp-Param-Dry", "1")], id="one for true"),
        pytest.param({"dry": False}, [("Mcp-Param-Dry", "False")], id="a capital"),
        pytest.param({"options": {"tenant": "a"}}, [], id="nested, missing"),
        pytest.param({}, [("Mcp-Param-Region", "eu")], id="a header without its argument"),
        pytest.param({"region": None}, [("Mcp-Param-Region", "null")], id="a header for null"),
    ],
)
def test_a_header_that_says_anything_else_is_a_mismatch(
    arguments: dict[str, Any], pairs: list[tuple[str, str]]
) -> None:
    """Spec 2026-07-28, Server Validation: who routes by the header must not be told another story than the body's."""
    with pytest.raises(RpcError, match="Mcp-Param-") as refused:
        check(arguments, *pairs)
    assert refused.value.code == HEADER_MISMATCH
