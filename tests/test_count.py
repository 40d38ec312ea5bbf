"""Several pictures of one call, over the real endpoint and with every kind of image service."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.emulators import chat, flow2api, gateway, gemini, modelscope, openai_images, openrouter
from tests.service_process import service_process
from tests.wire import WireClient, wire_client


def of_flow2api(upstream: Any) -> dict[str, str]:
    return {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}


def of_modelscope(upstream: Any) -> dict[str, str]:
    return {
        "MODELSCOPE_BASE_URL": upstream.url,
        "MODELSCOPE_API_KEY": upstream.key,
        "EASEL_MODELSCOPE_POLL_S": "0.01",
    }


def of_openai(upstream: Any) -> dict[str, str]:
    return {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key}


def of_gemini(upstream: Any) -> dict[str, str]:
    return {"GEMINI_BASE_URL": upstream.url, "GEMINI_API_KEY": upstream.key}


def of_openrouter(upstream: Any) -> dict[str, str]:
    return {"OPENROUTER_BASE_URL": upstream.url, "OPENROUTER_API_KEY": upstream.key}


SERVICES = [
    pytest.param(flow2api, of_flow2api, id="flow2api"),
    pytest.param(chat, of_flow2api, id="chat"),
    pytest.param(modelscope, of_modelscope, id="modelscope"),
    pytest.param(gemini, of_gemini, id="gemini"),
    pytest.param(openrouter, of_openrouter, id="openrouter"),
    pytest.param(openai_images, of_openai, id="openai"),
    pytest.param(gateway, of_openai, id="gateway"),
]
SIDE_BY_SIDE = SERVICES[:5]
AT_ONCE = {openai_images, gateway}
"""Services that draw several pictures for one request."""


async def shown_urls(client: WireClient, made: dict[str, Any]) -> set[str]:
    """The URLs of a result behind which there is a picture."""
    found = set()
    for image in made["structuredContent"]["images"]:
        async with client.session.get(image["url"]) as answer:
            assert (answer.status, len(await answer.read())) == (200, image["bytes"])
            found.add(image["url"])
    return found


@pytest.mark.parametrize(("service", "settings"), SERVICES)
async def test_a_call_for_three_pictures_shows_three_under_one_history_id(
    serve: Serve, service: Any, settings: Any
) -> None:
    async with (
        service.running() as upstream,
        serve(**settings(upstream)) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        made = await client.call("generate", {"prompt": "a fox", "count": 3})
        assert len(await shown_urls(client, made)) == 3
        listed = (await client.call("history"))["structuredContent"]["entries"]
        assert sum(upstream.charges.values()) == (1 if service in AT_ONCE else 3)
    assert [(entry["history_id"], len(entry["images"])) for entry in listed] == [(1, 3)]
    text = made["content"][0]["text"]
    assert [f"picture {number} of 3" in text for number in (1, 2, 3)] == [True] * 3
    assert text.count("![a fox](") == 3
    assert "missing" not in made["structuredContent"]
    previews = [block for block in made["content"] if block["type"] == "image"]
    assert len(previews) == 3


@pytest.mark.parametrize(("service", "settings"), SIDE_BY_SIDE)
async def test_three_of_four_are_shown_and_the_fourth_is_told(serve: Serve, service: Any, settings: Any) -> None:
    async with (
        service.running() as upstream,
        serve(**settings(upstream)) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        made = await client.call("generate", {"prompt": "a fox [refused-once]", "count": 4})
        shown = await client.call("history", {"history_id": 1})
        assert sum(upstream.charges.values()) == 3
    structured = made["structuredContent"]
    assert (len(structured["images"]), structured["state"], structured["missing"]["count"]) == (3, "done", 1)
    assert structured["missing"]["kind"] == "policy"
    assert "3 of 4 pictures; the fourth was refused: " in made["content"][0]["text"]
    assert "3 of 4 pictures; the fourth was refused: " in shown["content"][0]["text"]
    assert shown["structuredContent"]["entries"][0]["missing"] == structured["missing"]


async def test_a_model_that_draws_fewer_in_one_call_says_so_before_anything_is_asked(
    serve: Serve, tmp_path: Path
) -> None:
    models = {"models": [{"id": "small", "count": 2}, {"id": "large", "count": 6}], "default_model": "small"}
    (tmp_path / "models.json").write_text(json.dumps(models))
    async with flow2api.running() as upstream:
        env = of_flow2api(upstream) | {"EASEL_MODELS_FILE": str(tmp_path / "models.json")}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            tools = (await client.modern("tools/list")).result["tools"]
            refused = await client.call("generate", {"prompt": "a fox", "count": 4})
        assert not upstream.requests
    count = tools[0]["inputSchema"]["properties"]["count"]
    assert count["maximum"] == 6
    assert "Fewer: up to 2 with small." in count["description"]
    assert (
        "`count` is 4, but small draws up to 2 in one call: ask for fewer, or use large."
        in refused["content"][0]["text"]
    )


async def test_a_day_with_three_pictures_left_refuses_eight_and_says_three(serve: Serve) -> None:
    async with flow2api.running() as upstream:
        async with (
            serve(**of_flow2api(upstream), EASEL_PICTURES_PER_DAY="4") as easel,
            wire_client(easel.mcp_url) as client,
        ):
            await client.call("generate", {"prompt": "a hen"})
            refused = await client.call("generate", {"prompt": "a fox", "count": 8})
        assert sum(upstream.charges.values()) == 1
    assert "3 of the 4 pictures of today are left, and 8 are asked for" in refused["content"][0]["text"]


async def test_variations_start_from_the_picture_with_its_prompt(serve: Serve) -> None:
    async with flow2api.running() as upstream:
        async with serve(**of_flow2api(upstream)) as easel, wire_client(easel.mcp_url) as client:
            await client.call("generate", {"prompt": "a fox", "aspect_ratio": "1:1"})
            made = await client.call("generate", {"history_id": 1, "count": 2})
            without = await client.call("generate", {"history_id": 1})
        sent = [json.dumps(each.json) for each in upstream.requests]
    structured = made["structuredContent"]
    assert (structured["prompt"], structured["parents"]) == ("a fox", [{"history_id": 1, "picture": 1}])
    assert (len(structured["images"]), structured["parameters"]) == (2, {"aspect_ratio": "1:1", "count": 2})
    assert ["data:image/" in each for each in sent] == [False, True, True]
    assert "`prompt` is missing" in without["content"][0]["text"]


async def test_a_model_that_starts_from_no_picture_draws_the_prompt_anew_and_says_so(serve: Serve) -> None:
    async with flow2api.running() as upstream:
        async with serve(**of_flow2api(upstream)) as easel, wire_client(easel.mcp_url) as client:
            await client.call("generate", {"prompt": "a fox"})
            model = "imagen-4.0-generate-preview"
            made = await client.call("generate", {"history_id": 1, "count": 2, "model": model})
    assert "starts from no picture: the prompt of history_id 1 is drawn anew." in made["content"][0]["text"]
    assert "parents" not in made["structuredContent"]


async def test_several_tasks_survive_a_kill_and_each_is_charged_once(tmp_path: Path) -> None:
    """Ours: three tasks at ModelScope when the service is killed; the next start brings all three pictures."""
    asked = {"prompt": "a fox [slow]", "model": "Qwen/Qwen-Image", "count": 3}
    async with modelscope.running() as upstream:
        async with service_process(tmp_path / "data", **of_modelscope(upstream)) as (process, client):
            call = asyncio.create_task(client.call("generate", asked))
            while len({each.target for each in upstream.polls}) < 3:  # then all three ids are known and kept
                await upstream.polled.wait()
                upstream.polled.clear()
            process.kill()
            with pytest.raises(Exception):  # noqa: B017, PT011 - the connection breaks in one way or another
                await call
        upstream.go_on.set()
        async with service_process(tmp_path / "data", **of_modelscope(upstream)) as (_, client):
            shown = await client.call("history", {"history_id": 1})
            entry = shown["structuredContent"]["entries"][0]
            assert (entry["state"], len(entry["images"])) == ("done", 3)
            assert len(await shown_urls(client, {"structuredContent": entry})) == 3
        assert upstream.drawn == 3
