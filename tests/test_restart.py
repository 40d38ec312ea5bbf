"""The whole service, killed or stopped in the middle of work that goes on at an image service, and started again."""

import asyncio
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import aiohttp

from tests.emulators import modelscope, openai_images
from tests.emulators.modelscope import ModelScope
from tests.living import living
from tests.wire import WireClient, modern_headers, modern_params, request

FOX = {"prompt": "a fox [slow]", "model": "Qwen/Qwen-Image"}


def at(upstream: ModelScope) -> dict[str, str]:
    """The settings of a service that uses this image service."""
    return {
        "MODELSCOPE_BASE_URL": upstream.url,
        "MODELSCOPE_API_KEY": upstream.key,
        "EASEL_MODELSCOPE_POLL_S": "0.01",
    }


async def lose(client: WireClient, arguments: dict[str, str] = FOX) -> None:
    """Ask for a picture, and lose the connection with the service."""
    params = modern_params({"name": "generate", "arguments": arguments})
    try:
        async with client.session.post(
            client.url, json=request("tools/call", params), headers=modern_headers("tools/call", "generate")
        ) as answer:
            await answer.read()
    except aiohttp.ClientError:
        pass


async def kill_when(
    asked: asyncio.Event, process: Process, client: WireClient, arguments: dict[str, str] = FOX
) -> None:
    """Ask for a picture, and kill the service once the image service was asked."""
    call = asyncio.create_task(lose(client, arguments))
    await asked.wait()
    process.kill()
    await call


async def only_entry(client: WireClient) -> dict[str, Any]:
    [entry] = (await client.call("history"))["structuredContent"]["entries"]
    found: dict[str, Any] = entry
    return found


async def test_a_killed_service_goes_on_to_the_picture_and_it_is_charged_once(tmp_path: Path) -> None:
    """Ours: who asks again after the crash, in the same words, gets the picture that is being paid for."""
    async with modelscope.running() as upstream:
        async with living(tmp_path / "data", **at(upstream)) as (process, client):
            await kill_when(upstream.polled, process, client)
        async with living(tmp_path / "data", **at(upstream)) as (_, client):
            assert (await only_entry(client))["state"] == "working"
            again = asyncio.create_task(client.call("generate", FOX))
            upstream.polled.clear()
            await upstream.polled.wait()
            upstream.go_on.set()
            made = await again
        assert (made["structuredContent"]["state"], made["structuredContent"]["history_id"]) == ("done", 1)
        assert len(made["structuredContent"]["images"]) == 1
        assert (len(upstream.submissions), upstream.drawn) == (1, 1)


async def test_a_killed_service_that_nobody_asks_gets_the_picture_all_the_same(tmp_path: Path) -> None:
    async with modelscope.running() as upstream:
        async with living(tmp_path / "data", **at(upstream)) as (process, client):
            await kill_when(upstream.polled, process, client)
        upstream.go_on.set()
        async with living(tmp_path / "data", **at(upstream)) as (_, client):
            shown = await client.call("history", {"history_id": 1})
        assert shown["structuredContent"]["entries"][0]["state"] == "done"
        assert upstream.drawn == 1


async def test_a_stopped_service_drains_and_then_leaves_the_same_state(tmp_path: Path) -> None:
    """Ours: the call is told how to get its picture, and the next start goes on with it."""
    async with modelscope.running() as upstream:
        settings = at(upstream) | {"EASEL_DRAIN_S": "0.2"}
        async with living(tmp_path / "data", **settings) as (process, client):
            call = asyncio.create_task(client.call("generate", FOX))
            await upstream.polled.wait()
            process.send_signal(signal.SIGTERM)
            told = (await call)["structuredContent"]
            assert await process.wait() == 0
        assert (told["state"], told["history_id"]) == ("working", 1)
        upstream.go_on.set()
        async with living(tmp_path / "data", **settings) as (_, client):
            shown = await client.call("history", {"history_id": 1})
        assert shown["structuredContent"]["entries"][0]["state"] == "done"
        assert upstream.drawn == 1


async def test_what_cannot_go_on_is_interrupted_and_can_be_asked_for_again(tmp_path: Path) -> None:
    """Ours: and it says that it may have been charged, which is true."""
    async with openai_images.running() as upstream:
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key}
        async with living(tmp_path / "data", **settings) as (process, client):
            await kill_when(upstream.silent, process, client, {"prompt": "a fox [slow]"})
        async with living(tmp_path / "data", **settings) as (_, client):
            entry = await only_entry(client)
            assert (entry["state"], entry["failure"]["kind"]) == ("failed", "interrupted")
            assert "may have charged" in entry["failure"]["reason"]
            made = await client.call("generate", {"prompt": "a fox"})
        assert made["structuredContent"]["history_id"] == 2
