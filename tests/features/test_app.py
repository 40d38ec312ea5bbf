"""The MCP App: who is told of the view, in both eras, and that all others get the bytes that they always got."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from service.features.app import SHOWN_BY, URI_MEMBER
from service.protocol.client import APP_TYPE, APPS
from service.tools.app_view import APP_URI
from tests.app_host import APP_CLIENT
from tests.conftest import Serve
from tests.wire import ANNA, BEN, CAPABILITIES_KEY, TWO_TOKENS, WireClient, wire_client

SHOWS: dict[str, Any] = {APPS: {"mimeTypes": ["text/x-other", APP_TYPE]}}
NOT_SHOWN: list[Any] = [
    {},
    {APPS: {}},
    {APPS: {"mimeTypes": ["text/html"]}},
    {APPS: {"mimeTypes": APP_TYPE}},
    {APPS: []},
]


@pytest_asyncio.fixture(params=["legacy", "modern"])
async def era(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    yield request.param


async def ask(client: WireClient, era: str, extensions: Any, method: str, **params: Any) -> dict[str, Any]:
    """The result of a method for a client with these extensions."""
    if era == "modern":
        return (await client.modern(method, params, **{CAPABILITIES_KEY: {"extensions": extensions}})).result
    await client.open(extensions=extensions)
    return (await client.legacy(method, params)).result


async def test_tools_name_the_view_to_a_client_that_shows_it(client: WireClient, era: str) -> None:
    """Spec SEP-1865, Tool Metadata: `_meta.ui`; the flat member is for hosts that read nothing else."""
    listed = {each["name"]: each for each in (await ask(client, era, SHOWS, "tools/list"))["tools"]}
    for name in SHOWN_BY:
        if name in listed:
            meta = listed[name]["_meta"]
            assert meta["ui"] == {"resourceUri": APP_URI, "visibility": ["model", "app"]}
            assert meta[URI_MEMBER] == APP_URI
    assert listed["history_page"]["_meta"]["ui"]["visibility"] == ["app"]
    assert "_meta" not in listed["cache"]


@pytest.mark.parametrize("extensions", NOT_SHOWN, ids=str)
async def test_all_others_get_what_they_always_got(client: WireClient, era: str, extensions: Any) -> None:
    """Ours: lists, results and refusals have no word of the view, after one who shows it has asked for the same."""
    await ask(client, era, SHOWS, "tools/list")
    tools = await ask(client, era, extensions, "tools/list")
    assert [each["name"] for each in tools["tools"]] == ["generate", "history", "delete", "cache"]
    drawn = await ask(client, era, extensions, "tools/call", name="generate", arguments={"prompt": "a fox"})
    assert drawn["_meta"]["easel/history_id"] == 1
    history = await ask(client, era, extensions, "tools/call", name="history", arguments={})
    resources = await ask(client, era, extensions, "resources/list")
    for said in (tools, drawn, history, resources):
        assert not any(word in json.dumps(said) for word in ("ui://", "easel/view", "history_page"))


async def test_a_tool_of_the_view_is_unknown_to_a_client_without_views(client: WireClient) -> None:
    refused = await client.modern("tools/call", {"name": "history_page", "arguments": {}})
    assert refused.code == -32602
    assert refused.message["error"]["message"].endswith("The tools are: generate, history, delete, cache.")


async def test_the_extension_is_offered_to_whoever_declares_it(client: WireClient) -> None:
    """Spec SEP-1865, Capability Negotiation: in both eras, and beside nothing that others are offered."""
    opened = await client.open(extensions=SHOWS)
    assert opened.result["capabilities"]["extensions"] == {APPS: {}}
    assert "extensions" not in (await client.open()).result["capabilities"]
    discovered = (await client.modern("server/discover", {}, **APP_CLIENT)).result
    assert discovered["capabilities"]["extensions"][APPS] == {}
    assert APPS not in (await client.modern("server/discover")).result["capabilities"]["extensions"]


async def test_the_view_may_load_pictures_of_ours_and_nothing_else(client: WireClient, era: str) -> None:
    """Spec SEP-1865, UI Resource Format: the list and the content say the same; origins have their scheme."""
    [entry] = [
        each for each in (await ask(client, era, SHOWS, "resources/list"))["resources"] if each["uri"] == APP_URI
    ]
    [read] = (await ask(client, era, SHOWS, "resources/read", uri=APP_URI))["contents"]
    origin = client.url.removesuffix("/mcp")
    assert entry["mimeType"] == read["mimeType"] == "text/html;profile=mcp-app"
    assert entry["_meta"] == read["_meta"]
    assert read["_meta"]["ui"]["csp"] == {
        "connectDomains": [origin],
        "resourceDomains": [origin, "data:", "blob:"],
    }
    assert read["text"].startswith("<!doctype html>")


async def test_a_page_of_the_history_is_that_of_its_owner(serve: Serve) -> None:
    """Attack: the view of another person asks for Anna's numbers."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        async with wire_client(easel.mcp_url, ANNA) as anna, wire_client(easel.mcp_url, BEN) as ben:
            await anna.call("generate", {"prompt": "a fox"})
            own = await anna.call("history_page", {}, **APP_CLIENT)
            assert [each["prompt"] for each in own["_meta"]["easel/view"]["jobs"]] == ["a fox"]
            for arguments in ({}, {"before": 2}, {"query": "fox"}):
                assert (await ben.call("history_page", arguments, **APP_CLIENT))["_meta"]["easel/view"]["jobs"] == []
