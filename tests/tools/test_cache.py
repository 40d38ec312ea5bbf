"""`cache`: what is kept, counted."""

from tests.wire import WireClient


async def test_status_counts_generations_and_pictures(client: WireClient) -> None:
    made = await client.call("generate", {"prompt": "a red fox"})
    result = await client.call("cache", {"action": "status"})
    assert result["structuredContent"] == {
        "working": 0,
        "done": 1,
        "failed": 0,
        "pictures": 1,
        "picture_bytes": made["structuredContent"]["images"][0]["bytes"],
    }
    assert "1 pictures" in result["content"][0]["text"]
