"""The official Python client against the whole service, in each way that it can connect."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import CallToolResult, ImageContent, TextContent

from service.app import VERSION, Running
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.wire import ANNA, TWO_TOKENS, wire_client

MODES = ["2026-07-28", "auto", "legacy"]
"""One revision without asking, the newest that both know, and the handshake of the earlier revisions."""

each_mode = pytest.mark.parametrize("mode", MODES)


def connected(easel: Running, mode: str) -> AbstractAsyncContextManager[Client]:
    return Client(easel.mcp_url, mode=mode, read_timeout_seconds=20)


def text_of(result: CallToolResult) -> str:
    [block] = [block for block in result.content if isinstance(block, TextContent)]
    return block.text


@each_mode
async def test_it_connects_and_is_told_who_we_are(easel: Running, mode: str) -> None:
    async with connected(easel, mode) as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} >= {"generate", "history", "cache"}
        assert all(tool.title and tool.description and tool.output_schema for tool in tools)
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        if mode == "2026-07-28":  # with a revision of its own choice it does not ask
            assert client.server_info is None
        else:
            assert client.server_info is not None
            assert (client.server_info.name, client.server_info.version) == ("easel", VERSION)


@each_mode
async def test_a_picture_comes_with_its_progress_and_fits_its_schema(easel: Running, mode: str) -> None:
    """Spec 2026-07-28, Output Schema: clients SHOULD validate structured results, and this one does."""
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with connected(easel, mode) as client:
        made = await client.call_tool("generate", {"prompt": "a red fox in snow"}, progress_callback=hear)
    assert not made.is_error
    assert [type(block) for block in made.content] == [TextContent, ImageContent]
    assert made.structured_content is not None
    assert made.structured_content["images"][0]["url"] in text_of(made)
    assert len(heard) > 2
    assert all(total == 100 and message for _, total, message in heard)
    numbers = [progress for progress, _, _ in heard]
    assert numbers == sorted(set(numbers))


@each_mode
async def test_a_call_without_progress_is_answered_all_the_same(easel: Running, mode: str) -> None:
    async with connected(easel, mode) as client:
        assert not (await client.call_tool("generate", {"prompt": "a red fox"})).is_error


@each_mode
async def test_a_mistake_is_told_to_the_model_and_ends_nothing(easel: Running, mode: str) -> None:
    async with connected(easel, mode) as client:
        refused = await client.call_tool("generate", {"prompt": "", "modle": "x"})
        counted = await client.call_tool("cache", {})
    assert refused.is_error
    assert "`prompt` is blank" in text_of(refused)
    assert "Did you mean `model`?" in text_of(refused)
    assert counted.structured_content is not None
    assert counted.structured_content["done"] == 0


@each_mode
async def test_the_history_lists_and_shows(easel: Running, mode: str) -> None:
    async with connected(easel, mode) as client:
        for prompt in ("a fox", "a hare", "an owl"):
            await client.call_tool("generate", {"prompt": prompt})
        page = await client.call_tool("history", {"limit": 2})
        shown = await client.call_tool("history", {"history_id": 1})
        absent = await client.call_tool("history", {"history_id": 99})
    assert page.structured_content is not None
    assert [entry["prompt"] for entry in page.structured_content["entries"]] == ["an owl", "a hare"]
    assert page.structured_content["next_before"] == 2
    assert [type(block) for block in shown.content] == [TextContent, ImageContent]
    assert absent.is_error


@each_mode
async def test_failed_work_fits_the_schema_too(serve: Serve, mode: str) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, connected(easel, mode) as client:
            failed = await client.call_tool("generate", {"prompt": "a fox [error-policy]"})
            listed = await client.call_tool("history", {})
    assert failed.is_error
    assert failed.structured_content is not None
    assert listed.structured_content is not None
    [entry] = listed.structured_content["entries"]
    assert (entry["state"], entry["failure"]["kind"]) == ("failed", "policy")
    assert {**entry, "failure": None} == {**failed.structured_content, "failure": None}


async def test_a_call_that_a_legacy_client_cancels_stops_the_upstream(serve: Serve) -> None:
    """Spec 2025-11-25, Cancellation: a notification says so. Since 2026-07-28 a lost connection is all there is."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, connected(easel, "legacy") as client:
            silent = client.call_tool("generate", {"prompt": "a fox [detect-disconnect]"})
            call = asyncio.create_task(silent)
            async with asyncio.timeout(60):
                await upstream.silent.wait()
                call.cancel()
                await upstream.disconnected.wait()
            await asyncio.wait({call})
            assert call.cancelled()


@each_mode
async def test_a_token_goes_with_every_request(serve: Serve, mode: str) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        async with create_mcp_http_client(headers={"Authorization": f"Bearer {ANNA}"}) as http:
            async with Client(streamable_http_client(easel.mcp_url, http_client=http), mode=mode) as client:
                assert not (await client.call_tool("cache", {})).is_error


async def test_a_client_that_closes_and_asks_again_gets_the_one_picture_that_was_paid_for(serve: Serve) -> None:
    """Bug: openai-agents closes after 5 s and asks again; three jobs were cancelled, each perhaps charged."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            for _ in range(2):
                hasty = asyncio.create_task(client.call("generate", {"prompt": "a boat [slow]"}))
                await upstream.silent.wait()
                hasty.cancel()
                await asyncio.wait({hasty})
            patient = asyncio.create_task(client.call("generate", {"prompt": "a boat [slow]"}))
            upstream.go_on.set()
            made = await patient
        assert made["structuredContent"]["history_id"] == 1
        assert made["structuredContent"]["state"] == "done"
        assert len(upstream.charges) == 1
