"""`history`: one, with its picture and its family, waited for, deleted; and pages of many, by filters and scopes."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from service.app import Running
from service.images import Failure, ImageRequest, Parent, Reference
from service.protocol.call import Call
from service.protocol.client import MODERN_VERSIONS, Client, Era
from service.protocol.jsonrpc import Request
from service.tools.base import load_schema
from service.tools.history import TOOL
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


async def listed(client: WireClient, **arguments: Any) -> tuple[list[str], str]:
    """The prompts of a page, and what is said of it."""
    page = await client.call("history", arguments)
    assert not list(OUTPUT.iter_errors(page["structuredContent"]))
    return [entry["prompt"] for entry in page["structuredContent"]["entries"]], page["content"][0]["text"]


async def test_an_empty_history_says_how_to_begin(client: WireClient) -> None:
    result = await client.call("history")
    assert "Call `generate`" in result["content"][0]["text"]
    message = "The history is empty. Call `generate` with a prompt."
    assert result["structuredContent"] == {"entries": [], "total": 0, "message": message}


async def test_the_list_is_newest_first_and_goes_on_page_by_page(client: WireClient) -> None:
    for n in range(5):
        await client.call("generate", {"prompt": f"picture {n}"})
    seen, before = [], None
    while True:
        page = await client.call("history", {"limit": 2} | ({"before": before} if before else {}))
        seen += [entry["prompt"] for entry in page["structuredContent"]["entries"]]
        before = page["structuredContent"].get("next_before")
        assert ("There is more" in page["content"][0]["text"]) is (before is not None)
        assert page["structuredContent"]["total"] == 5
        if before is None:
            break
    assert seen == [f"picture {n}" for n in (4, 3, 2, 1, 0)]


async def test_every_entry_of_the_list_shows_its_picture_and_how_to_go_on(client: WireClient) -> None:
    """Ours: the person sees the pictures, and the model needs no second call to change one."""
    made = [await client.call("generate", {"prompt": f"picture {n}"}) for n in range(2)]
    _, text = await listed(client)
    assert text.startswith(
        "2 of 2 recent generations, newest first. To show a picture, repeat its markdown line in your answer.\n"
    )
    for each in made:
        entry = each["structuredContent"]
        assert f"![{entry['prompt']}]({entry['images'][0]['url']})" in text
        assert f"**history_id {entry['history_id']}**" in text


async def test_failed_and_working_ones_are_listed_and_can_be_asked_for(serve: Serve) -> None:
    async with slow_service(serve) as (client, _, _):
        await client.call("generate", {"prompt": "a hen [error-policy]"})
        await client.call("generate", {"prompt": "an owl"})
        prompts, text = await listed(client)
        assert prompts == ["an owl", "a hen [error-policy]", "a fox [slow]"]
        assert "To change one, call `generate` with its history_id." in text
        assert "Failed (policy): Flow2API refused" in text
        assert "Still being drawn. `history` with history_id 1 waits for it." in text
        for state, prompt in (("working", "a fox [slow]"), ("failed", "a hen [error-policy]"), ("done", "an owl")):
            found, text = await listed(client, state=state)
            assert found == [prompt]
            assert text.startswith("1 of 1 generations that match")


async def test_recent_and_archive_part_the_history_at_the_setting(serve: Serve, tmp_path: Path) -> None:
    async with seeded_history(tmp_path / "data") as history:
        for n in range(8):
            await history.add(f"p{n}")
    env = {"EASEL_HISTORY_RECENT": "3", "EASEL_HISTORY_ARCHIVE": "4"}
    async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
        prompts, text = await listed(client, limit=50)
        assert prompts == ["p7", "p6", "p5"]
        assert text.startswith("3 of 3 recent generations")
        assert text.endswith("Older ones: call `history` with scope archive.")
        prompts, text = await listed(client, scope="archive", limit=3)
        assert prompts == ["p4", "p3", "p2"]
        assert text.startswith("3 of 4 generations of the archive")
        assert (await listed(client, scope="archive", before=3, limit=3))[0] == ["p1"]
        prompts, text = await listed(client, scope="all", limit=50)
        assert len(prompts) == 8
        assert text.startswith("8 of 8 generations")


async def test_the_archive_is_all_that_is_older_when_nothing_else_is_set(serve: Serve, tmp_path: Path) -> None:
    async with seeded_history(tmp_path / "data") as history:
        for n in range(55):
            await history.add(f"p{n}")
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        assert (await listed(client, scope="archive"))[0] == ["p4", "p3", "p2", "p1", "p0"]
        assert (await listed(client))[1].startswith("5 of 50 recent generations")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("fox", ["a red fox"], id="a word"),
        pytest.param("RED", ["a red house", "a red fox"], id="whatever its case"),
        pytest.param("red fox", ["a red fox"], id="all its words"),
        pytest.param("猫", ["一只猫戴着帽子"], id="one Chinese character"),
        pytest.param("帽子", ["一只猫戴着帽子"], id="a Chinese word"),
        pytest.param("zebra", [], id="nothing"),
        pytest.param('" OR 1 --', [], id="the syntax of an index"),
    ],
)
async def test_words_find_their_prompts_in_recent_and_archive(
    serve: Serve, tmp_path: Path, query: str, found: list[str]
) -> None:
    """Ours: who searches does not know how old it is."""
    async with seeded_history(tmp_path / "data") as history:
        for prompt in ("a red fox", "一只猫戴着帽子", "a red house"):
            await history.add(prompt)
        await history.add("a red fox of somebody else", owner="ben")
    async with serve(EASEL_HISTORY_RECENT="1") as easel, wire_client(easel.mcp_url) as client:
        assert (await listed(client, query=query))[0] == found


async def test_a_model_can_be_asked_for(serve: Serve, tmp_path: Path) -> None:
    async with seeded_history(tmp_path / "data") as history:
        await history.add("one", model="qwen")
        await history.add("two", model="flux")
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        assert (await listed(client, model="qwen"))[0] == ["one"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"before": 1}, "There is nothing older.", id="before the first"),
        pytest.param({"query": "zebra"}, "Nothing matches query “zebra”. Try another, or leave it out.", id="words"),
        pytest.param(
            {"model": "x", "state": "failed"},
            "Nothing matches model “x” and state “failed”. Leave one out, or set scope to all.",
            id="two conditions",
        ),
        pytest.param({"scope": "archive"}, "The archive is empty: it begins after the 50 newest.", id="archive"),
        pytest.param({"query": " "}, "1 of 1 recent generations", id="a blank query is none"),
    ],
)
async def test_an_empty_page_says_why_and_what_to_do(client: WireClient, arguments: dict[str, Any], words: str) -> None:
    await client.call("generate", {"prompt": "a red fox"})
    assert words in (await listed(client, **arguments))[1]


async def test_fifty_entries_of_the_longest_prompts_fit_into_an_answer(serve: Serve, tmp_path: Path) -> None:
    """Ours: clients refuse results from about a megabyte on."""
    async with seeded_history(tmp_path / "data") as history:
        for n in range(50):
            names = [f"{n:02}{k:02}" + "a" * 28 + ".png" for k in range(10)]
            await history.add("猫" * 32_000, *names, model="m" * 200)
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        page = await client.call("history", {"limit": 50})
        alone = await client.call("history", {"history_id": 1})
    assert len(page["structuredContent"]["entries"]) == 50
    assert len(json.dumps(page, ensure_ascii=False).encode()) < 800_000
    assert len(page["content"][0]["text"]) < 60_000
    assert alone["structuredContent"]["entries"][0]["prompt"] == "猫" * 32_000
    assert len(json.dumps(alone, ensure_ascii=False).encode()) < 800_000


async def test_the_gallery_is_offered_where_there_is_one(easel: Running) -> None:
    """Ours: over standard input and output nothing serves it, and a model would promise what is not there."""
    for has_gallery in (True, False):
        entry = TOOL.bind(replace(easel.context, has_gallery=has_gallery))
        assert ("gallery" in entry.listing["inputSchema"]["properties"]) is has_gallery
    assert easel.context.has_gallery


async def test_a_link_to_the_gallery_begins_with_the_public_url(serve: Serve) -> None:
    async with (
        serve(EASEL_TOKENS=TWO_TOKENS, EASEL_PUBLIC_URL="https://pics.example/easel") as easel,
        wire_client(easel.mcp_url, ANNA) as anna,
    ):
        told = await anna.call("history", {"gallery": "true"})
    assert told["structuredContent"]["gallery"].startswith("https://pics.example/easel/gallery/open/")
    assert "once, within ten minutes" in told["content"][0]["text"]
    assert "this machine only" not in told["content"][0]["text"]


async def test_over_standard_input_there_is_no_gallery(easel: Running) -> None:
    entry = TOOL.bind(easel.context)
    call = Call(
        request=Request(id=1, method="tools/call", params={}),
        era=Era.MODERN,
        version=MODERN_VERSIONS[0],
        owner="local",
        client=Client(name="test"),
    )
    told = await entry.run(call, {"gallery": True})
    assert told["isError"]
    assert "reached over HTTP" in told["content"][0]["text"]
