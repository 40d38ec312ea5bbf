"""`history` of one: with its picture and its family, waited for, deleted."""

import asyncio
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

from service.images import Failure, ImageRequest, Parent, Reference
from service.tools.base import load_schema
from tests.conftest import Serve
from tests.seeded_history import seeded_history, slow_service
from tests.wire import ANNA, BEN, CAPABILITIES_KEY, TWO_TOKENS, WireClient, wire_client

OUTPUT = Draft202012Validator(load_schema("history.output"))
TASKS: Final[dict[str, Any]] = {CAPABILITIES_KEY: {"extensions": {"io.modelcontextprotocol/tasks": {}}}}


async def test_a_single_entry_comes_with_its_picture_and_its_whole_request(client: WireClient) -> None:
    made = await client.call("generate", {"prompt": "a red fox"})
    shown = await client.call("history", {"history_id": made["structuredContent"]["history_id"]})
    assert shown["structuredContent"]["entries"] == [made["structuredContent"]]
    assert shown["structuredContent"]["children"] == []
    assert shown["structuredContent"]["message"] == "Prompt: `a red fox`"
    assert shown["content"][0]["text"].startswith(made["content"][0]["text"])
    assert shown["content"][0]["text"].endswith("\nPrompt: `a red fox`")
    assert shown["content"][1:] == made["content"][1:]


async def test_a_single_entry_names_its_parents_and_children(serve: Serve, tmp_path: Path) -> None:
    async with seeded_history(tmp_path / "data") as history:
        await history.add("parent", "a.png", "b.png")
        parent = Reference(name="b.png", origin="history_id 1, picture 2", parent=Parent(history_id=1, picture=2))
        for _ in range(2):
            await history.add("child", "c.png", references=(parent,))
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        shown, child = [await client.call("history", {"history_id": each}) for each in (1, 2)]
        text = (await client.call("history"))["content"][0]["text"]
    assert shown["structuredContent"]["children"] == [{"history_id": 2, "picture": 2}, {"history_id": 3, "picture": 2}]
    assert "Made from it: history_id 2 (from picture 2), 3 (from picture 2)." in shown["content"][0]["text"]
    assert child["structuredContent"]["entries"][0]["parents"] == [{"history_id": 1, "picture": 2}]
    assert "From: history_id 1, picture 2" in child["content"][0]["text"]
    assert "· made from history_id 1, picture 2 ·" in text
    assert not list(OUTPUT.iter_errors(shown["structuredContent"]))


async def test_the_picture_that_is_asked_for_is_the_preview(serve: Serve) -> None:
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        one, two = [await client.call("generate", {"prompt": each}) for each in ("a red fox", "a blue whale")]
    names = [each["structuredContent"]["images"][0]["url"].rpartition("/")[2] for each in (one, two)]
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        async with seeded_history(easel.settings.data_dir) as history:
            both = await history.add("both", *names)
        for number, made in enumerate((one, two), start=1):
            shown = await client.call("history", {"history_id": both, "picture": number})
            assert shown["content"][1]["data"] == made["content"][1]["data"]
        refused = await client.call("history", {"history_id": both, "picture": 3})
    assert refused["isError"]
    assert refused["content"][0]["text"] == f"`picture` is 3, but history_id {both} has 2 pictures."


async def test_an_id_that_there_is_not_is_told_the_newest(client: WireClient) -> None:
    assert "The history is empty" in (await client.call("history", {"history_id": 1}))["content"][0]["text"]
    await client.call("generate", {"prompt": "a red fox"})
    result = await client.call("history", {"history_id": 99})
    assert result["isError"]
    assert "The newest is 1" in result["content"][0]["text"]


async def test_that_an_earlier_one_failed_is_no_failure_of_this_call(serve: Serve, tmp_path: Path) -> None:
    async with seeded_history(tmp_path / "data") as history:
        begun = await history.store.begin("local", ImageRequest(model="m", prompt="p"), "kiln", "")
        await history.store.fail(begun.job, Failure(kind="policy", reason="Refused."))
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        shown = await client.call("history", {"history_id": 1})
    assert "isError" not in shown
    assert "Refused." in shown["content"][0]["text"]


async def test_a_working_one_is_waited_for(serve: Serve) -> None:
    async with slow_service(serve) as (client, upstream, drawing):
        waiting = asyncio.create_task(client.call("history", {"history_id": 1}))
        still = await client.call("history", {"history_id": 1, "wait_seconds": 0.01})
        assert still["structuredContent"]["entries"][0]["state"] == "working"
        assert "Still being drawn" in still["content"][0]["text"]
        upstream.go_on.set()
        shown = await waiting
        assert shown["structuredContent"]["entries"] == [(await drawing)["structuredContent"]]


async def test_not_to_wait_is_possible(serve: Serve) -> None:
    async with slow_service(serve) as (client, _, _):
        shown = await client.call("history", {"history_id": 1, "wait_seconds": 0})
        assert shown["structuredContent"]["entries"][0]["state"] == "working"


async def test_a_client_that_takes_tasks_gets_one_for_the_wait_only(serve: Serve) -> None:
    async with slow_service(serve) as (client, upstream, drawing):
        task = await client.call("history", {"history_id": 1}, **TASKS)
        assert task["status"] == "working"
        shown = await client.call("history", {"history_id": 1, "wait_seconds": 0}, **TASKS)
        assert "structuredContent" in shown
        upstream.go_on.set()
        await drawing
        assert "structuredContent" in await client.call("history", {"history_id": 1}, **TASKS)


async def test_what_is_foreign_does_not_exist(serve: Serve) -> None:
    """Attack: history ids count up, so anybody can guess one."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        async with wire_client(easel.mcp_url, ANNA) as anna, wire_client(easel.mcp_url, BEN) as ben:
            await anna.call("generate", {"prompt": "a red fox"})
            result = await ben.call("history", {"history_id": 1})
            assert result["isError"]
            assert "There is no generation with history_id 1. The history is empty." in result["content"][0]["text"]
            assert (await ben.call("history", {"query": "fox"}))["structuredContent"]["total"] == 0
            assert (await anna.call("history"))["structuredContent"]["total"] == 1


async def test_clients_are_told_that_it_only_reads(client: WireClient) -> None:
    """Ours: hosts that ask their person before a tool that may destroy do not ask before each look."""
    [tool] = [each for each in (await client.modern("tools/list")).result["tools"] if each["name"] == "history"]
    hints = {name: value for name, value in tool["annotations"].items() if name != "title"}
    assert hints == {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False}


async def test_to_delete_by_it_names_the_tool_that_does(client: WireClient) -> None:
    """Ours: it could delete before, and chats remember that. Hosts add an `action`, which means something else."""
    await client.call("generate", {"prompt": "a red fox"})
    for arguments in ({"delete": True, "confirm": True}, {"action": "delete"}):
        result = await client.call("history", {"history_id": 1, **arguments})
        assert result["isError"]
        assert "To delete one, call the tool `delete` with its history_id." in result["content"][0]["text"]
    assert "isError" not in await client.call("history", {"history_id": 1, "action": "sendMessage"})
    assert (await client.call("history"))["structuredContent"]["total"] == 1


async def test_going_on_from_a_picture_is_offered_where_a_model_takes_pictures(serve: Serve) -> None:
    """Bug: with the sketch alone, texts named an argument that `generate` then refused."""
    async with slow_service(serve) as (client, _, _):
        made = await client.call("generate", {"prompt": "an owl"})
        id_ = made["structuredContent"]["history_id"]
        shown = await client.call("history", {"history_id": id_})
        assert f"\nPrompt: `an owl`\nTo change it: `generate` with history_id {id_};" in shown["content"][0]["text"]


async def test_the_message_of_a_failed_one_says_why(serve: Serve) -> None:
    """Ours: clients may show the structured content alone."""
    async with slow_service(serve) as (client, _, _):
        failed = await client.call("generate", {"prompt": "a hen [error-policy]"})
        id_ = failed["structuredContent"]["history_id"]
        message = (await client.call("history", {"history_id": id_}))["structuredContent"]["message"]
    assert message.startswith(f"No picture (history_id {id_}")
    assert "Flow2API refused" in message
    assert message.endswith("\nPrompt: `a hen [error-policy]`")
