"""Tests of service/tools/delete.py, over the whole service. The question before is tested in test_elicitation.py."""

import asyncio

from jsonschema import Draft202012Validator

from service.tools.base import load_schema
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.wire import ANNA, BEN, TWO_TOKENS, WireClient, wire_client

OUTPUT = Draft202012Validator(load_schema("delete.output"))


async def test_a_deleted_one_is_gone_with_its_file(client: WireClient) -> None:
    """Ours: a link that was given away ends, too."""
    made = await client.call("generate", {"prompt": "a red fox"})
    result = await client.call("delete", {"history_id": 1, "confirm": True})
    assert result["structuredContent"] == {
        "history_id": 1, "deleted": True, "message": "history_id 1 was deleted.",
    }  # fmt: skip
    assert not list(OUTPUT.iter_errors(result["structuredContent"]))
    async with client.session.get(made["structuredContent"]["images"][0]["url"]) as answer:
        assert answer.status == 404
    assert (await client.call("history"))["structuredContent"]["total"] == 0
    again = await client.call("delete", {"history_id": 1, "confirm": True})
    assert "There is no generation with history_id 1." in again["content"][0]["text"]


async def test_deleting_needs_an_id(client: WireClient) -> None:
    """Ours: a model that leaves it out must not delete the newest."""
    await client.call("generate", {"prompt": "a red fox"})
    result = await client.call("delete", {"confirm": True})
    assert result["isError"]
    assert "`history_id` is missing" in result["content"][0]["text"]
    assert (await client.call("history"))["structuredContent"]["total"] == 1


async def test_deleting_a_working_one_stops_the_drawing(serve: Serve) -> None:
    """Ours: a lost connection leaves the job running, so this is how a person ends it."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            call = asyncio.create_task(client.call("generate", {"prompt": "a fox [detect-disconnect]"}))
            await upstream.silent.wait()
            asked = await client.call("delete", {"history_id": 1})
            assert "may charge for it all the same" in asked["content"][0]["text"]
            gone = await client.call("delete", {"history_id": 1, "confirm": True})
            assert gone["structuredContent"]["deleted"]
            async with asyncio.timeout(60):
                await upstream.disconnected.wait()
            assert "was deleted meanwhile" in (await call)["content"][0]["text"]
            assert (await client.call("history"))["structuredContent"]["total"] == 0


async def test_a_foreign_generation_does_not_exist(serve: Serve) -> None:
    """Attack: history ids count up, so anybody can guess one."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        async with wire_client(easel.mcp_url, ANNA) as anna, wire_client(easel.mcp_url, BEN) as ben:
            await anna.call("generate", {"prompt": "a red fox"})
            for arguments in ({}, {"confirm": True}):
                result = await ben.call("delete", {"history_id": 1, **arguments})
                assert result["isError"]
                assert "There is no generation with history_id 1. The history is empty." in result["content"][0]["text"]
            assert (await anna.call("history"))["structuredContent"]["total"] == 1


async def test_clients_are_told_that_it_destroys(client: WireClient) -> None:
    """Spec 2026-07-28, ToolAnnotations: a client may ask its person before such a call."""
    [tool] = [each for each in (await client.modern("tools/list")).result["tools"] if each["name"] == "delete"]
    hints = {name: value for name, value in tool["annotations"].items() if name != "title"}
    assert hints == {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False}
