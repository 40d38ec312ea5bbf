"""Schemas as they are listed: taken by the model APIs and grammar converters that refuse more."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from service.tools.listing import KEPT, plain
from tests.conftest import Serve
from tests.wire import WireClient, wire_client

ALL = {"FLOW2API_API_KEY": "x", "OPENAI_API_KEY": "y", "MODELSCOPE_API_KEY": "z", "EASEL_IMAGE_DIR": "."}
USUAL = {"FLOW2API_API_KEY": "x", "OPENAI_API_KEY": "y"}
LARGEST = 9_000
"""Bytes of the list for a client that makes no use of output schemas."""

SHOWN = 150
"""Characters of a description that Qwen shows to its model."""


async def tools_of(client: WireClient) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = (await client.modern("tools/list")).result["tools"]
    return tools


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema, and each schema inside."""
    yield schema
    for each in schema.get("properties", {}).values():
        yield from nodes(each)
    if "items" in schema:
        yield from nodes(schema["items"])


async def test_each_property_has_one_type_and_no_keyword_that_is_refused(serve: Serve) -> None:
    """Bug: a union of types made every message to Gemini fail, a pattern every request to llama.cpp."""
    async with serve(**ALL) as easel, wire_client(easel.mcp_url) as client:
        tools = await tools_of(client)
    schemas = [tool[kind] for tool in tools for kind in ("inputSchema", "outputSchema") if kind in tool]
    assert len(tools) == 5
    for node in (node for schema in schemas for node in nodes(schema)):
        assert isinstance(node["type"], str)
        assert set(node) <= set(KEPT)
        assert (node["type"] == "array") is ("items" in node)
        assert "enum" not in node or node["type"] == "string"
        assert all(isinstance(each, str) for each in node.get("enum", ()))


async def test_every_property_is_described(serve: Serve) -> None:
    async with serve(**ALL) as easel, wire_client(easel.mcp_url) as client:
        tools = await tools_of(client)
    for tool in tools:
        for each in tool["inputSchema"]["properties"].values():
            assert each["description"]


async def test_an_input_has_no_object_without_members(serve: Serve) -> None:
    """Ours: Gemini and OpenAI's strict mode refuse one; its JSON comes as text."""
    async with serve(**ALL) as easel, wire_client(easel.mcp_url) as client:
        tools = await tools_of(client)
    inner = [
        each for tool in tools for node in nodes(tool["inputSchema"]) for each in node.get("properties", {}).values()
    ]
    assert {each["type"] for each in inner} == {"string", "integer", "number", "boolean", "array"}


async def test_the_list_is_small_for_a_client_that_shows_no_output(serve: Serve) -> None:
    """Ours: it stands before every message of a chat, and is paid for each time."""
    async with serve(**USUAL) as easel, wire_client(f"{easel.mcp_url}?client=text") as client:
        tools = await tools_of(client)
    assert not any("outputSchema" in tool for tool in tools)
    assert len(orjson.dumps(tools)) <= LARGEST


async def test_the_first_sentence_of_a_description_carries_it(serve: Serve) -> None:
    async with serve(**ALL) as easel, wire_client(easel.mcp_url) as client:
        for tool in await tools_of(client):
            first = re.split(r"(?<=[.;]) ", tool["description"])[0]
            assert len(tool["description"].partition(". ")[0]) <= SHOWN
            assert len(first) > 40


@pytest.mark.parametrize(
    ("schema", "listed"),
    [
        pytest.param({"type": ["string", "array"], "items": {"type": "string"}}, "array", id="one or several"),
        pytest.param({"type": ["string", "null"]}, "string", id="perhaps none"),
        pytest.param({"type": "string", "pattern": "\\S", "maxLength": 32000}, "string", id="a text"),
    ],
)
def test_of_several_types_one_is_listed(schema: dict[str, Any], listed: str) -> None:
    shown = plain(schema)
    assert shown["type"] == listed
    assert set(shown) <= {"type", "items"}


def test_a_default_is_said_in_words() -> None:
    """Ours: OpenAI's strict mode refuses the keyword."""
    assert plain({"type": "integer", "default": 5, "description": "How many."}) == {
        "type": "integer",
        "description": "How many. 5 when left out.",
    }


def test_a_bound_beyond_all_use_is_not_listed() -> None:
    assert plain({"type": "integer", "minimum": 1, "maximum": 2**53 - 1}) == {"type": "integer", "minimum": 1}


def test_a_property_without_effect_is_taken_and_not_listed() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "deprecated": True}}}
    assert list(plain(schema)["properties"]) == ["a"]
