"""`generate_image`, as users of ModelScope Image MCP know it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from service.images import Job, JobState
from service.tools.base import load_schema
from service.tools.generate_image import not_made
from tests.conftest import Serve
from tests.emulators import modelscope, pictures
from tests.emulators.modelscope import ModelScope
from tests.wire import WireClient, wire_client

OUTPUT = Draft202012Validator(load_schema("generate_image.output"))


@asynccontextmanager
async def modelscope_client(serve: Serve, **more: str) -> AsyncIterator[tuple[WireClient, ModelScope]]:
    """The service on ModelScope alone, polling without waiting."""
    async with modelscope.running() as upstream:
        env = {
            "MODELSCOPE_SDK_TOKEN": upstream.key,
            "MODELSCOPE_BASE_URL": upstream.url,
            "EASEL_MODELSCOPE_POLL_S": "0.01",
            "EASEL_RETRIES": "0",
        }
        async with serve(**(env | more)) as easel, wire_client(easel.mcp_url) as client:
            yield client, upstream


async def test_it_is_listed_only_when_modelscope_is_on(serve: Serve, client: WireClient, tmp_path: Path) -> None:
    """Ours: a tool that can only fail costs a model its patience."""
    assert "generate_image" not in [tool["name"] for tool in (await client.modern("tools/list")).result["tools"]]
    async with modelscope_client(serve, EASEL_DATA_DIR=str(tmp_path / "other")) as (with_it, _):
        tools = {tool["name"]: tool for tool in (await with_it.modern("tools/list")).result["tools"]}
    properties = tools["generate_image"]["inputSchema"]["properties"]
    assert tools["generate_image"]["inputSchema"]["required"] == ["prompt"]
    assert {"prompt", "return_base64", "model", "size", "negative_prompt", "seed", "image_url"} <= set(properties)
    assert properties["model"]["description"].endswith(" Qwen/Qwen-Image when left out.")
    assert "Tongyi-MAI/Z-Image-Turbo" in properties["model"]["description"]


async def test_success_has_status_url_prompt_and_task_id(serve: Serve) -> None:
    async with modelscope_client(serve) as (client, _):
        made = await client.call("generate_image", {"prompt": "一艘纸船"})
        said, text = made["structuredContent"], made["content"][0]["text"]
        async with client.session.get(said["image_url"]) as answer:
            assert await answer.read() == pictures.png(1, (1328, 1328))
        shown = await client.call("history", {"history_id": said["history_id"]})
    assert (said["status"], said["prompt"], said["task_id"]) == ("success", "一艘纸船", "5075522")
    for line in ("Status: success", f"Image URL: {said['image_url']}", "Prompt: 一艘纸船", "Task ID: 5075522"):
        assert line in text.splitlines()
    assert text.startswith(f"![一艘纸船]({said['image_url']})\n")
    assert "base64" not in said
    assert [block["type"] for block in made["content"]] == ["text", "image"]
    assert shown["structuredContent"]["entries"][0]["images"][0]["url"] == said["image_url"]
    assert not list(OUTPUT.iter_errors(said))


async def test_base64_is_a_jpeg_of_the_picture(serve: Serve) -> None:
    async with modelscope_client(serve) as (client, _):
        made = await client.call("generate_image", {"prompt": "a boat", "return_base64": True})
    said = made["structuredContent"]
    image = Image.open(BytesIO(base64.b64decode(said["base64"])))
    assert (image.format, image.size) == ("JPEG", (1328, 1328))
    assert "base64_note" not in said
    assert (made["content"][1]["mimeType"], made["content"][1]["data"]) == ("image/jpeg", said["base64"])
    assert not list(OUTPUT.iter_errors(said))


async def test_what_would_be_too_large_is_made_smaller_and_says_so(serve: Serve) -> None:
    """Ours: clients refuse results from about a megabyte on; the longest prompt is in it as well."""
    async with modelscope_client(serve) as (client, upstream):
        asked = {"prompt": "猫" * 1900 + " [large]", "return_base64": True}
        made = await client.call("generate_image", asked)
    said = made["structuredContent"]
    assert "the picture at the URL has 2048×2048" in said["base64_note"]
    assert f"base64: {said['base64_note']}" in made["content"][0]["text"]
    assert len(json.dumps(made).encode()) < 800_000
    assert upstream.drawn == 1


@pytest.mark.parametrize(
    ("scenario", "message", "details"),
    [
        ("failed", "Image generation failed: policy", "content check did not pass"),
        ("error-quota", "Image generation failed: quota", "try again tomorrow"),
        ("error-real-name", "Image generation failed: account", "real name verified"),
        ("error-submit", "Image generation failed: bad_request", "submit image generation task error"),
        ("submit-dropped", "Image generation failed: lost", "may have been charged"),
    ],
)
async def test_failure_has_status_message_and_details(serve: Serve, scenario: str, message: str, details: str) -> None:
    async with modelscope_client(serve) as (client, upstream):
        made = await client.call("generate_image", {"prompt": f"a boat [{scenario}]"})
    said, text = made["structuredContent"], made["content"][0]["text"]
    assert made["isError"]
    assert (said["status"], said["message"]) == ("failed", message)
    assert details in said["details"]
    for line in ("Status: failed", f"Message: {message}", f"Details: {said['details']}"):
        assert line in text.splitlines()
    assert len(upstream.submissions) == 1
    assert not list(OUTPUT.iter_errors(said))


def test_a_task_id_is_no_markup() -> None:
    """Attack: the service chooses it, and a client shows the text as markdown."""
    job = Job(
        history_id=1,
        owner="anna",
        state=JobState.WORKING,
        model="m",
        prompt="a fox",
        created_at=1.0,
        tasks={0: "![a](https://evil.example/p.png)"},
    )
    text = not_made(job, None)["content"][0]["text"]
    assert "evil.example" in text
    assert "](" not in text


async def test_a_timeout_names_the_task_and_history_goes_on_from_there(serve: Serve) -> None:
    async with modelscope_client(serve, EASEL_MODELSCOPE_TIMEOUT_S="1") as (client, upstream):
        made = await client.call("generate_image", {"prompt": "a boat [slow]"})
        said = made["structuredContent"]
        upstream.go_on.set()
        shown = await client.call("history", {"history_id": said["history_id"]})
    assert made["isError"]
    assert (said["status"], said["message"]) == ("timeout", "ModelScope has not finished within 1 seconds.")
    assert said["task_id"] == "5075522"
    assert f"`history` with history_id {said['history_id']}" in said["details"]
    assert shown["structuredContent"]["entries"][0]["state"] == "done"
    assert len(upstream.submissions) == 1
    assert not list(OUTPUT.iter_errors(said))


async def test_every_argument_reaches_modelscope(serve: Serve) -> None:
    """Ours: a model that is not listed is taken too, as ModelScope has more than anybody lists."""
    asked: dict[str, Any] = {
        "prompt": "a boat", "model": "Qwen/Qwen-Image-Edit-2509", "size": "512x640", "negative_prompt": "blurry",
        "seed": 42.0, "steps": 30, "guidance": 4.0, "loras": {"a/b": 0.6, "c/d": 0.4},
        "image_url": ["https://pics.example/a.png", "https://pics.example/b.png"],
    }  # fmt: skip
    async with modelscope_client(serve) as (client, upstream):
        made = await client.call("generate_image", asked)
    assert made["structuredContent"]["model"] == asked["model"]
    assert upstream.submissions[0].json == asked


async def test_one_image_url_may_be_a_string(serve: Serve) -> None:
    url = "https://pics.example/a.png"
    async with modelscope_client(serve) as (client, upstream):
        await client.call("generate_image", {"prompt": "a", "model": "Qwen/Qwen-Image-Edit", "image_url": url})
    assert upstream.submissions[0].json["image_url"] == url


async def test_an_edit_model_without_a_picture_is_told_what_to_pass(serve: Serve) -> None:
    async with modelscope_client(serve) as (client, upstream):
        made = await client.call("generate_image", {"prompt": "a", "model": "Qwen/Qwen-Image-Edit"})
    assert "`image_url`" in made["structuredContent"]["details"]
    assert upstream.submissions == []


@pytest.mark.parametrize("url", ["http://[", "https://[x]/cat.png"])
async def test_a_url_that_cannot_be_read_is_told_so(serve: Serve, url: str) -> None:
    """Bug: it passes the schema, and was an internal error."""
    async with modelscope_client(serve) as (client, upstream):
        result = await client.call("generate_image", {"prompt": "a fox", "image_url": url})
    assert result["isError"]
    assert "`image_url` is not a URL" in result["content"][0]["text"]
    assert upstream.submissions == []


async def test_a_folder_of_the_callers_choice_is_taken_and_not_written_to(serve: Serve) -> None:
    """Attack: a path from a model is not written to; older prompts that name one go on working."""
    async with modelscope_client(serve) as (client, _):
        made = await client.call("generate_image", {"prompt": "a", "output_dir": "/etc", "output_filename": "passwd"})
    assert made["structuredContent"]["status"] == "success"
    assert "output_dir has no effect" in made["content"][0]["text"]


async def test_polling_arguments_of_the_earlier_program_are_taken_with_a_note(serve: Serve) -> None:
    """Ours: ModelScope Image MCP had four of them, which stand in saved prompts and agents."""
    polling = {
        "poll_interval_seconds": 2.5,
        "max_poll_attempts": 30,
        "poll_backoff": True,
        "max_poll_interval_seconds": 10,
    }
    async with modelscope_client(serve) as (client, _):
        made = await client.call("generate_image", {"prompt": "a", **polling})
        listed = (await client.modern("tools/list")).result["tools"]
    assert made["structuredContent"]["status"] == "success"
    assert [note.split()[1] for note in made["structuredContent"]["notes"]] == list(polling)
    assert (
        "max_poll_attempts has no effect; ModelScope is asked at this server's own pace" in made["content"][0]["text"]
    )
    [tool] = [tool for tool in listed if tool["name"] == "generate_image"]
    assert not set(polling) & set(tool["inputSchema"]["properties"]), "no model is told of them"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "`prompt` is missing"),
        ({"prompt": "a", "size": "large"}, "`size`"),
        ({"prompt": "a", "seed": -2}, "at least 0"),
        ({"prompt": "a", "image_url": "file:///etc/passwd"}, "`image_url`"),
        ({"prompt": "a", "image_url": ["/etc/passwd"]}, "`image_url.0`"),
        ({"prompt": "a", "model": "../x/y"}, "`model`"),
    ],
)
async def test_wrong_arguments_cost_nothing(serve: Serve, arguments: dict[str, object], word: str) -> None:
    async with modelscope_client(serve) as (client, upstream):
        made = await client.call("generate_image", arguments)
    assert made["isError"]
    assert word in made["content"][0]["text"]
    assert upstream.submissions == []


async def test_cancelled_work_says_so_in_the_history(serve: Serve) -> None:
    """Spec 2025-11-25, Cancellation: the notification ends the work, and the row says so."""
    async with modelscope_client(serve) as (client, upstream):
        await client.open()
        params = {"name": "generate_image", "arguments": {"prompt": "a [never]"}}
        calling = client.legacy("tools/call", params, 7)
        await cancel_when_polled(client, upstream, calling)
        entry = (await client.call("history", {"history_id": 1}))["structuredContent"]["entries"][0]
    assert (entry["state"], entry["failure"]["kind"]) == ("failed", "cancelled")


async def cancel_when_polled(client: WireClient, upstream: ModelScope, calling: Any) -> None:
    """Send a legacy cancellation once ModelScope was asked, and wait for the call's end."""
    task = asyncio.create_task(calling)
    await upstream.polled.wait()
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    await client.post(note, {"Mcp-Session-Id": client.session_id})
    await asyncio.wait({task}, timeout=20)
    assert task.done()


PRICED = {"models": [{"id": each, "upstream": "modelscope", "price": price} for each, price in
                     (("Qwen/Qwen-Image", 0.04), ("Tongyi-MAI/Z-Image-Turbo", 0.1))]}  # fmt: skip


async def test_the_price_of_a_model_counts_for_the_spend_of_the_day(serve: Serve, tmp_path: Path) -> None:
    """Ours: a model that is not listed counts as the dearest that is, so that none is a way round the budget."""
    (tmp_path / "models.json").write_text(json.dumps(PRICED))
    env = {"EASEL_MODELS_FILE": str(tmp_path / "models.json"), "EASEL_SPEND_PER_DAY": "0.13"}
    async with modelscope_client(serve, **env) as (client, upstream):
        await client.call("generate_image", {"prompt": "a boat"})
        for tool, arguments in (
            ("generate_image", {"model": "somebody/unlisted"}),
            ("generate", {"model": "Tongyi-MAI/Z-Image-Turbo"}),
        ):
            refused = await client.call(tool, {"prompt": "a fox", **arguments})
            assert refused["isError"]
            assert refused["content"][0]["text"].startswith(
                "Your budget of 0.13 for today would be passed (EASEL_SPEND_PER_DAY). Nothing was charged. Try again in"
            )
        again = await client.call("generate", {"prompt": "a fox", "model": "Qwen/Qwen-Image"})
    assert not again.get("isError")
    assert len(upstream.submissions) == 2


@pytest.mark.parametrize("shown", [pytest.param(True, id="shown"), pytest.param(False, id="EASEL_SHOW_COSTS=off")])
async def test_what_the_picture_cost_is_told(serve: Serve, tmp_path: Path, *, shown: bool) -> None:
    """Bug: `generate` told it of the same picture, and this tool did not."""
    models = tmp_path / "models.json"
    models.write_text(json.dumps(PRICED))
    more = {} if shown else {"EASEL_SHOW_COSTS": "off"}
    async with modelscope_client(serve, EASEL_MODELS_FILE=str(models), **more) as (client, _):
        made = await client.call("generate_image", {"prompt": "a boat"})
    said = made["structuredContent"]
    assert ((" · about " in made["content"][0]["text"]), "usage" in said) == (shown, shown)
    assert not shown or said["usage"]["estimated"]
    assert not list(OUTPUT.iter_errors(said))
