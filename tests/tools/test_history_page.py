"""The page of the history for a view: twelve jobs with small copies, and how to go on to the next."""

from tests.app_host import APP_CLIENT
from tests.wire import WireClient


async def test_pages_follow_each_other_without_a_gap(client: WireClient) -> None:
    for number in range(5):
        await client.call("generate", {"prompt": f"fox {number}"})
    first = (await client.call("history_page", {"limit": 3}, **APP_CLIENT))["_meta"]["easel/view"]
    assert first["list"]["next_before"] == 3
    second = (await client.call("history_page", {"limit": 3, "before": 3}, **APP_CLIENT))["_meta"]["easel/view"]
    assert "next_before" not in second["list"]
    assert [each["history_id"] for each in first["jobs"] + second["jobs"]] == [5, 4, 3, 2, 1]
    assert all(each["pictures"][0]["data"].startswith("data:image/webp;base64,") for each in first["jobs"])


async def test_a_wrong_argument_is_refused_by_name(client: WireClient) -> None:
    refused = await client.call("history_page", {"before": "yesterday"}, **APP_CLIENT)
    assert refused["isError"]
    assert "`before`" in refused["content"][0]["text"]
