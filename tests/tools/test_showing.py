"""The same picture, shown to several clients, and when it counts as delivered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.conftest import Serve
from tests.wire import CLIENT_KEY, WireClient, request, wire_client

FOX = {"prompt": "a red fox"}


@asynccontextmanager
async def known_as(serve: Serve, hint: str) -> AsyncIterator[WireClient]:
    """A client whose URL says what it is."""
    async with serve() as easel, wire_client(f"{easel.mcp_url}?client={hint}") as client:
        yield client


@pytest.mark.parametrize(
    ("hint", "kinds", "structured"),
    [
        pytest.param("unknown", ["text", "image"], False, id="a client that nobody knows"),
        pytest.param("text", ["text"], False, id="a model that takes no images"),
        pytest.param("claude-code", ["text", "image"], False, id="one that drops content beside structured content"),
        pytest.param("goose", ["text", "image", "resource_link"], True, id="one that takes links"),
    ],
)
async def test_a_result_has_the_shape_that_its_client_takes(
    serve: Serve, hint: str, kinds: list[str], structured: bool
) -> None:
    async with known_as(serve, hint) as client:
        made = await client.call("generate", FOX)
        tools = (await client.modern("tools/list")).result["tools"]
    assert [block["type"] for block in made["content"]] == kinds
    assert ("structuredContent" in made) is structured
    # The official SDKs refuse a result without structured content of a tool that declared a schema for it.
    assert {"outputSchema" in tool for tool in tools} == {structured}


async def test_a_client_is_known_by_the_name_it_gives_itself(client: WireClient) -> None:
    made = await client.call("generate", FOX, **{CLIENT_KEY: {"name": "claude-code", "version": "2"}})
    assert "structuredContent" not in made


async def test_a_legacy_client_is_known_by_what_it_said_when_it_opened_its_session(client: WireClient) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "opencode", "version": "1"}}
    client.session_id = (await client.post(request("initialize", hello, 0))).headers["Mcp-Session-Id"]
    made = (await client.legacy("tools/call", {"name": "generate", "arguments": FOX})).result
    assert "structuredContent" not in made


async def test_the_settings_change_what_a_client_gets(serve: Serve) -> None:
    async with serve(EASEL_PROFILES="*: preview=off") as easel, wire_client(easel.mcp_url) as client:
        made = await client.call("generate", FOX)
    assert [block["type"] for block in made["content"]] == ["text"]


async def test_a_picture_that_arrived_is_new_the_next_time(client: WireClient) -> None:
    ids = [(await client.call("generate", FOX))["structuredContent"]["history_id"] for _ in range(2)]
    assert ids == [1, 2]


async def test_a_picture_whose_answer_was_lost_is_the_same_the_next_time(serve: Serve) -> None:
    """Ours: a legacy connection that breaks takes nothing with it, and the repeated call is not paid again."""
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        await client.open()
        await broken_off(client)
        again = (await client.legacy("tools/call", {"name": "generate", "arguments": FOX})).result
        third = (await client.legacy("tools/call", {"name": "generate", "arguments": FOX})).result
    assert (again["structuredContent"]["history_id"], again["structuredContent"]["joined"]) == (1, True)
    assert "paid for once" in again["content"][0]["text"]
    assert third["structuredContent"]["history_id"] == 2


async def broken_off(client: WireClient) -> None:
    """Call, and break the connection as soon as the head of the answer has come."""
    message: dict[str, Any] = request("tools/call", {"name": "generate", "arguments": FOX})
    headers = {"Accept": "application/json, text/event-stream", "Mcp-Session-Id": client.session_id}
    async with client.session.post(client.url, json=message, headers=headers) as answer:
        assert answer.status == 200
        answer.close()
