"""The data of a view: the facts of its jobs, the bytes that copies may have, and the order in which they go."""

import base64
import json
from typing import Any

import pytest

from service.protocol.call import FROM_VIEW
from service.protocol.channel import TASKS
from service.tools.app_view import VIEW, without_thumbnails, without_view
from service.tools.result_size import ENVELOPE
from tests.app_host import APP_CLIENT
from tests.conftest import Serve
from tests.wire import CAPABILITIES_KEY, WireClient, wire_client


def copies(result: dict[str, Any]) -> list[str]:
    """All copies of a result."""
    jobs = result["_meta"][VIEW]["jobs"]
    return [picture["data"] for job in jobs for picture in job["pictures"] if "data" in picture]


async def test_a_result_brings_a_copy_of_each_picture_of_its_job(client: WireClient) -> None:
    """Ours: where a host lets nothing in, they are all that a person sees."""
    drawn = await client.call("generate", {"prompt": "a fox", "count": 3}, **APP_CLIENT)
    [job] = drawn["_meta"][VIEW]["jobs"]
    assert (job["state"], job["prompt"], job["count"]) == ("done", "a fox", 3)
    assert [each["picture"] for each in job["pictures"]] == [1, 2, 3]
    for uri in copies(drawn):
        head, _, data = uri.partition(",")
        assert head == "data:image/webp;base64"
        assert base64.b64decode(data)[8:12] == b"WEBP"
    assert len(copies(drawn)) == 3
    assert job["pictures"][0]["url"] == drawn["structuredContent"]["images"][0]["url"]


async def test_text_and_structured_content_are_those_of_all_clients(client: WireClient) -> None:
    """Ours: the view adds to a result, and takes nothing of it."""
    await client.call("generate", {"prompt": "a fox"})
    for arguments in ({}, {"history_id": 1}):
        plain = await client.call("history", arguments)
        shown = await client.call("history", arguments, **APP_CLIENT)
        assert shown["content"] == plain["content"]
        assert shown["structuredContent"] == plain["structuredContent"]
        assert VIEW in shown["_meta"]


async def test_the_whole_answer_stays_within_the_room_of_the_client(serve: Serve) -> None:
    """Ours: of a list of fifty, and for a client of little room, too."""
    async with serve(EASEL_PROFILES="cursor:size=60") as easel, wire_client(easel.mcp_url) as client:
        for number in range(20):
            await client.call("generate", {"prompt": f"a fox {number} " + "in snow " * 50})
        listed = await client.call("history", {"limit": 50}, **APP_CLIENT)
        assert len(json.dumps(listed)) <= 60_000 - ENVELOPE + 2_000  # spaces, which are not sent
        assert "history_id 20" in listed["content"][0]["text"]


@pytest.mark.parametrize("mark", [{FROM_VIEW: True}, {FROM_VIEW: "yes"}, {}], ids=str)
async def test_a_view_gets_the_picture_though_its_host_takes_tasks(client: WireClient, mark: dict[str, Any]) -> None:
    """Ours: the bridge of ext-apps sends a view's call with the capabilities of the host, and refuses it the task."""
    extensions = APP_CLIENT[CAPABILITIES_KEY]["extensions"] | {TASKS: {}}
    drawn = await client.call("generate", {"prompt": "a fox"}, **{CAPABILITIES_KEY: {"extensions": extensions}}, **mark)
    assert (drawn["resultType"] == "task") == (mark != {FROM_VIEW: True})
    assert ("content" in drawn) == (mark == {FROM_VIEW: True})


def test_copies_go_before_the_facts_and_these_before_the_text() -> None:
    job = {"history_id": 1, "pictures": [{"url": "u", "data": "data:,"}]}
    result = {"content": [], "_meta": {"easel/history_id": 1, VIEW: {"jobs": [job]}}}
    assert without_thumbnails(result)["_meta"][VIEW] == {"jobs": [{"history_id": 1, "pictures": [{"url": "u"}]}]}
    assert without_view(result) == {"content": [], "_meta": {"easel/history_id": 1}}
    assert without_view({"content": [], "_meta": {VIEW: {}}}) == {"content": []}
    assert job["pictures"] == [{"url": "u", "data": "data:,"}]
