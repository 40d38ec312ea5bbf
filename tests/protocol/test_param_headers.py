"""Arguments that go into headers as well: found in a schema, and compared with what was sent."""

from typing import Any

import pytest

from service.protocol.errors import HEADER_MISMATCH, RpcError
from service.protocol.headers import Headers
from service.protocol.param_headers import check_param_headers, find_param_headers

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
WANTED = find_param_headers(SCHEMA)


def check(arguments: dict[str, Any], *pairs: tuple[str, str]) -> None:
    check_param_headers(Headers(pairs), WANTED, arguments)


def test_annotated_properties_are_found_wherever_properties_lead() -> None:
    """Spec 2026-07-28, Custom Headers from Tool Parameters: nested objects are permitted."""
    assert WANTED == {
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


def test_a_header_of_an_argument_sent_twice_is_refused() -> None:
    """Ours: who reads the first and who reads the last of two would disagree."""
    with pytest.raises(RpcError, match="more than once"):
        check({"region": "eu"}, ("Mcp-Param-Region", "us"), ("mcp-param-region", "eu"))
