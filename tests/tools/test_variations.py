"""Variations of an earlier picture: what they take over from its request, and what the call says otherwise."""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.emulators import flow2api
from tests.wire import wire_client

WIDE = {"prompt": "a fox", "aspect_ratio": "16:9", "resolution": "2K", "model": "gemini-3.0-pro-image"}


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        pytest.param({}, {"aspect_ratio": "16:9", "resolution": "2K"}, id="the same shape"),
        pytest.param({"aspect_ratio": "1:1"}, {"aspect_ratio": "1:1"}, id="a shape of its own"),
        pytest.param({"model": "imagen-4.0-generate-preview"}, {}, id="a model that cannot do it"),
    ],
)
async def test_the_shape_is_that_of_the_earlier_picture_unless_the_call_says_another(
    serve: Serve, arguments: dict[str, Any], parameters: dict[str, Any]
) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            await client.call("generate", WIDE)
            made = (await client.call("generate", {"history_id": 1, "count": 2, **arguments}))["structuredContent"]
    assert made["model"] == arguments.get("model", "gemini-3.0-pro-image")
    assert made["parameters"] == {**parameters, "count": 2}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({}, "`prompt` is missing: say what the picture shows.", id="nothing at all"),
        pytest.param({"count": 2}, "`history_id` and `count`", id="a number alone"),
        pytest.param({"history_id": 9, "count": 2}, "There is no generation with history_id 9.", id="no such picture"),
    ],
)
async def test_a_call_without_a_prompt_says_what_is_missing(
    serve: Serve, arguments: dict[str, Any], words: str
) -> None:
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        refused = await client.call("generate", arguments)
    assert refused["isError"]
    assert words in refused["content"][0]["text"]
