"""`history`: pages, single entries, and words when there is nothing."""

from tests.wire import WireClient


async def test_an_empty_history_says_how_to_begin(client: WireClient) -> None:
    result = await client.call("history")
    assert "Call `generate`" in result["content"][0]["text"]
    assert result["structuredContent"] == {"entries": []}


async def test_the_list_is_newest_first_and_goes_on_page_by_page(client: WireClient) -> None:
    for n in range(5):
        await client.call("generate", {"prompt": f"picture {n}"})
    seen, before = [], None
    while True:
        page = await client.call("history", {"limit": 2} | ({"before": before} if before else {}))
        seen += [entry["prompt"] for entry in page["structuredContent"]["entries"]]
        before = page["structuredContent"].get("next_before")
        assert ("There is more" in page["content"][0]["text"]) is (before is not None)
        if before is None:
            break
    assert seen == [f"picture {n}" for n in (4, 3, 2, 1, 0)]


async def test_a_single_entry_comes_with_its_picture(client: WireClient) -> None:
    made = await client.call("generate", {"prompt": "a red fox"})
    shown = await client.call("history", {"history_id": made["structuredContent"]["history_id"]})
    assert shown["structuredContent"]["entries"] == [made["structuredContent"]]
    assert shown["content"] == made["content"]


async def test_an_id_that_there_is_not_is_told_the_newest(client: WireClient) -> None:
    assert "The history is empty" in (await client.call("history", {"history_id": 1}))["content"][0]["text"]
    await client.call("generate", {"prompt": "a red fox"})
    result = await client.call("history", {"history_id": 99})
    assert result["isError"]
    assert "The newest is 1" in result["content"][0]["text"]


async def test_nothing_older_is_no_empty_history(client: WireClient) -> None:
    assert "nothing older" in (await client.call("history", {"before": 1}))["content"][0]["text"]
