"""`cache`: what is kept, counted; removed on request, and asked for before where that loses more than room."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.settings import Limits
from service.storage.store import FilesTotal, Totals
from service.tools.base import load_schema
from service.tools.cache import Counts, question_text, removed_text, status_text
from tests.conftest import Serve
from tests.seeded_history import seeded_history, slow_service
from tests.wire import ANNA, BEN, CAPABILITIES_KEY, TWO_TOKENS, WireClient, wire_client

OUTPUT = Draft202012Validator(load_schema("cache.output"))
ASKABLE: dict[str, Any] = {CAPABILITIES_KEY: {"elicitation": {"form": {}}}}
YES = {"inputResponses": {"confirm": {"action": "accept", "content": {"confirm": True}}}}
NO = {"inputResponses": {"confirm": {"action": "decline"}}}


def counts(files: int, size: int, done: int, failed: int = 0) -> Counts:
    made = Totals(working=0, done=done, failed=failed, pictures=files, picture_bytes=size)
    return Counts(made, FilesTotal(entries=files, bytes=size, oldest=1_800_000_000.0 if files else None))


async def draw(client: WireClient, number: int) -> list[str]:
    """So many pictures; their URLs."""
    made = [await client.call("generate", {"prompt": f"picture {n}"}) for n in range(number)]
    return [each["structuredContent"]["images"][0]["url"] for each in made]


async def statuses(client: WireClient, urls: list[str]) -> list[int]:
    """The answer of each URL."""
    found = []
    for url in urls:
        async with client.session.get(url) as answer:
            found.append(answer.status)
    return found


async def test_status_counts_what_is_kept_and_what_the_history_has(client: WireClient) -> None:
    made = await client.call("generate", {"prompt": "a red fox"})
    size = made["structuredContent"]["images"][0]["bytes"]
    result = await client.call("cache", {"action": "status"})
    oldest = result["structuredContent"].pop("oldest")
    assert datetime.fromisoformat(oldest).tzinfo == UTC
    assert result["structuredContent"] == {
        "kept": 1,
        "kept_bytes": size,
        "limits": {"entries": 2000, "bytes": 10_000_000_000},
        "working": 0,
        "done": 1,
        "failed": 0,
        "pictures": 1,
        "picture_bytes": size,
        "message": result["content"][0]["text"],
    }
    assert result["content"][0]["text"].startswith("Kept: 1 picture, ")


def test_status_in_words() -> None:
    limits = Limits(entries=2000, size=10_000_000_000, days=30)
    assert status_text(counts(132, 540_400_000, 120, 5), limits) == (
        "Kept: 132 pictures, 540 MB, the oldest since 2027-01-15. History: 132 pictures in 120 generations, 0 still "
        "being drawn, 5 failed. Limits, for everybody together: 2,000 pictures, 10,000 MB, 30 days. References "
        "go first, then the oldest of whoever keeps most."
    )
    assert status_text(counts(0, 0, 0), Limits()).startswith("Kept: 0 pictures, 0 kB. History: 0 pictures in 0 ")
    assert status_text(counts(1, 2_340_000, 1), Limits()).endswith("There is no limit.")


def test_what_is_about_to_be_lost_is_said_before() -> None:
    mine = counts(132, 540_400_000, 120, 5)
    assert question_text(mine, 0, with_history=False) == (
        "This removes 132 kept pictures (540 MB). The history stays, and what its image service still has comes back "
        "on request. Go ahead?"
    )
    assert question_text(mine, 50, with_history=False).startswith(
        "This removes all but the newest 50 of 132 kept pictures. The history stays"
    )
    assert question_text(mine, 0, with_history=True) == (
        "This deletes 125 generations from the history, prompts and all, and removes 132 kept pictures (540 MB). "
        "Nothing brings them back. Go ahead?"
    )
    assert "all but the newest 50 of 125 generations" in question_text(mine, 50, with_history=True)


def test_what_was_removed_is_said_and_what_could_not_be() -> None:
    before, after = counts(132, 540_400_000, 120, 5), counts(2, 400_000, 1)
    said = removed_text(before, after, 0, with_history=False)
    assert said.startswith("130 pictures removed, 540 MB freed, 2 kept. The history still lists what was removed;")
    assert said.endswith("Some could not go, since a generation that runs starts from them: call again later.")
    assert removed_text(before, after, 2, with_history=True) == (
        "130 pictures removed, 540 MB freed, 2 kept. 124 generations deleted from the history."
    )


async def test_clear_removes_the_files_and_leaves_the_history(client: WireClient) -> None:
    urls = await draw(client, 2)
    result = await client.call("cache", {"action": "clear"})
    said = result["structuredContent"]
    assert not list(OUTPUT.iter_errors(said))
    assert (said["removed"], said["deleted"], said["kept"], said["pictures"]) == (2, 0, 0, 2)
    assert await statuses(client, urls) == [404, 404]
    page = await client.call("history")
    assert page["structuredContent"]["total"] == 2
    assert "Its picture was removed" in page["content"][0]["text"]
    assert "could not be had again" in (await client.call("history", {"history_id": 1}))["content"][0]["text"]


async def test_prune_keeps_the_newest(client: WireClient) -> None:
    urls = await draw(client, 3)
    result = await client.call("cache", {"action": "prune", "keep": 1})
    assert result["structuredContent"]["removed"] == 2
    assert await statuses(client, urls) == [404, 404, 200]


async def test_prune_that_keeps_none_is_asked_for_first(client: WireClient) -> None:
    """Ours: a 0 may be a slip, where `clear` says what it does."""
    urls = await draw(client, 2)
    asked = await client.call("cache", {"action": "prune", "keep": 0})
    assert asked["content"][0]["text"].startswith("Nothing was removed. This removes 2 kept pictures")
    assert await statuses(client, urls) == [200, 200]
    await client.call("cache", {"action": "prune", "keep": 0, "confirm": True})
    assert await statuses(client, urls) == [404, 404]


async def test_prune_keeps_fifty_when_nobody_says_how_many(serve: Serve, tmp_path: Path) -> None:
    """Ours: as the Flow2API MCP Server did."""
    async with seeded_history(tmp_path / "data") as history:
        for n in range(55):
            await history.add(f"p{n}", f"{n:032x}.png")
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        pruned = await client.call("cache", {"action": "prune", "include_history": True, "confirm": True})
    assert (pruned["structuredContent"]["deleted"], pruned["structuredContent"]["done"]) == (5, 50)
    assert (pruned["structuredContent"]["removed"], pruned["structuredContent"]["kept"]) == (5, 50)


async def test_the_history_goes_too_when_that_was_agreed_to(client: WireClient) -> None:
    urls = await draw(client, 2)
    asked = {"action": "clear", "include_history": True}
    refused = await client.call("cache", asked)
    assert "isError" not in refused
    assert "This deletes 2 generations from the history" in refused["content"][0]["text"]
    assert "call again with confirm true" in refused["content"][0]["text"]
    assert await statuses(client, urls) == [200, 200]
    said = (await client.call("cache", {**asked, "confirm": True}))["structuredContent"]
    assert (said["removed"], said["deleted"], said["done"]) == (2, 2, 0)
    assert await statuses(client, urls) == [404, 404]
    assert (await client.call("history"))["structuredContent"]["total"] == 0
    assert (await client.call("generate", {"prompt": "again"}))["structuredContent"]["history_id"] == 3


@pytest.mark.parametrize(
    "arguments", [{"action": "clear"}, {"action": "prune", "keep": 0}, {"action": "clear", "include_history": True}]
)
async def test_who_can_be_asked_is_asked(client: WireClient, arguments: dict[str, Any]) -> None:
    """Ours: where the client shows forms, no picture goes without a yes."""
    urls = await draw(client, 1)
    call = {"name": "cache", "arguments": arguments}
    asked = (await client.modern("tools/call", call, **ASKABLE)).result
    assert asked["resultType"] == "input_required"
    declined = (await client.modern("tools/call", call | NO, **ASKABLE)).result
    assert declined["content"][0]["text"].startswith("Nothing was removed. The question came back without a yes.")
    assert not list(OUTPUT.iter_errors(declined["structuredContent"]))
    assert await statuses(client, urls) == [200]
    agreed = (await client.modern("tools/call", call | YES, **ASKABLE)).result
    assert agreed["structuredContent"]["removed"] == 1
    assert await statuses(client, urls) == [404]


async def test_nobody_is_asked_about_nothing(client: WireClient) -> None:
    call = {"name": "cache", "arguments": {"action": "clear", "include_history": True}}
    result = (await client.modern("tools/call", call, **ASKABLE)).result
    assert result["content"][0]["text"].startswith("Nothing to remove. Kept: 0 pictures")


async def test_what_is_being_drawn_stays(serve: Serve) -> None:
    async with slow_service(serve) as (client, upstream, drawing):
        await client.call("generate", {"prompt": "an owl"})
        said = await client.call("cache", {"action": "clear", "include_history": True, "confirm": True})
        assert (said["structuredContent"]["deleted"], said["structuredContent"]["working"]) == (1, 1)
        upstream.go_on.set()
        url = (await drawing)["structuredContent"]["images"][0]["url"]
        assert await statuses(client, [url]) == [200]


async def test_an_owner_removes_its_own_only(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        async with wire_client(easel.mcp_url, ANNA) as anna, wire_client(easel.mcp_url, BEN) as ben:
            urls = await draw(anna, 2)
            assert (await ben.call("cache"))["structuredContent"]["kept"] == 0
            await draw(ben, 1)
            await ben.call("cache", {"action": "clear", "include_history": True, "confirm": True})
            assert await statuses(anna, urls) == [200, 200]
            assert (await anna.call("history"))["structuredContent"]["total"] == 2


async def test_clients_are_told_that_it_can_destroy(client: WireClient) -> None:
    """Spec 2026-07-28, ToolAnnotations: a client may ask its person before such a call."""
    [tool] = [each for each in (await client.modern("tools/list")).result["tools"] if each["name"] == "cache"]
    hints = {name: value for name, value in tool["annotations"].items() if name != "title"}
    assert hints == {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False}
