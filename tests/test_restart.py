"""The whole service, killed or stopped in the middle of work that goes on at an image service, and started again."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from service.tools.base import load_schema
from tests.emulators import gateway, modelscope, openai_images
from tests.emulators.modelscope import ModelScope
from tests.service_process import service_process
from tests.wire import CAPABILITIES_KEY, WireClient, modern_headers, modern_params, request

FOX = {"prompt": "a fox [slow]", "model": "Qwen/Qwen-Image"}


def at(upstream: ModelScope) -> dict[str, str]:
    """The settings of a service that uses this image service."""
    return {
        "MODELSCOPE_BASE_URL": upstream.url,
        "MODELSCOPE_API_KEY": upstream.key,
        "EASEL_MODELSCOPE_POLL_S": "0.01",
    }


TASKS: dict[str, Any] = {CAPABILITIES_KEY: {"extensions": {"io.modelcontextprotocol/tasks": {}}}}


async def begin_task(client: WireClient, tool: str, arguments: Mapping[str, object]) -> str:
    """Call a tool as a client that takes tasks; returns the task's id."""
    params = {"name": tool, "arguments": arguments}
    id_: str = (await client.modern("tools/call", params, **TASKS)).result["taskId"]
    return id_


async def ended_task(client: WireClient, task_id: str) -> dict[str, Any]:
    """Ask as often as it takes."""
    while True:
        task = (await client.modern("tasks/get", {"taskId": task_id}, **TASKS)).result
        if task["status"] != "working":
            return task
        await asyncio.sleep(0.02)


async def lose(client: WireClient, arguments: Mapping[str, object] = FOX) -> None:
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
    asked: asyncio.Event, process: Process, client: WireClient, arguments: Mapping[str, object] = FOX
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
        async with service_process(tmp_path / "data", **at(upstream)) as (process, client):
            await kill_when(upstream.polled, process, client)
        async with service_process(tmp_path / "data", **at(upstream)) as (_, client):
            assert (await only_entry(client))["state"] == "working"
            again = asyncio.create_task(client.call("generate", FOX))
            upstream.polled.clear()
            await upstream.polled.wait()
            upstream.go_on.set()
            made = await again
        assert (made["structuredContent"]["state"], made["structuredContent"]["history_id"]) == ("done", 1)
        assert len(made["structuredContent"]["images"]) == 1
        assert (len(upstream.submissions), upstream.drawn) == (1, 1)


@pytest.mark.parametrize(
    ("task_routes", "prompt", "count"),
    [("async", "a fox [slow]", 1), ("off", "two foxes [slow] [task-each]", 2)],
)
async def test_a_task_of_a_gateway_outlives_the_service_and_is_charged_once(
    tmp_path: Path, task_routes: str, prompt: str, count: int
) -> None:
    """Bug: such an answer was told as one without a picture, and asked for again."""
    async with gateway.running() as upstream:
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key, "OPENAI_ASYNC": task_routes}
        arguments = {"prompt": prompt, "count": count}
        async with service_process(tmp_path / "data", **settings) as (process, client):
            await kill_when(upstream.silent, process, client, arguments)
        upstream.go_on.set()
        async with service_process(tmp_path / "data", **settings) as (_, client):
            made = await client.call("generate", arguments)
        assert (made["structuredContent"]["state"], made["structuredContent"]["history_id"]) == ("done", 1)
        assert len(made["structuredContent"]["images"]) == count
        assert upstream.charges == {prompt: 1}


async def test_a_killed_service_that_nobody_asks_gets_the_picture_all_the_same(tmp_path: Path) -> None:
    async with modelscope.running() as upstream:
        async with service_process(tmp_path / "data", **at(upstream)) as (process, client):
            await kill_when(upstream.polled, process, client)
        upstream.go_on.set()
        async with service_process(tmp_path / "data", **at(upstream)) as (_, client):
            shown = await client.call("history", {"history_id": 1})
        assert shown["structuredContent"]["entries"][0]["state"] == "done"
        assert upstream.drawn == 1


async def test_a_stopped_service_drains_and_then_leaves_the_same_state(tmp_path: Path) -> None:
    """Ours: the call is told how to get its picture, and the next start goes on with it."""
    async with modelscope.running() as upstream:
        settings = at(upstream) | {"EASEL_DRAIN_S": "0.2"}
        async with service_process(tmp_path / "data", **settings) as (process, client):
            call = asyncio.create_task(client.call("generate", FOX))
            await upstream.polled.wait()
            process.send_signal(signal.SIGTERM)
            told = (await call)["structuredContent"]
            assert await process.wait() == 0
        assert (told["state"], told["history_id"]) == ("working", 1)
        upstream.go_on.set()
        async with service_process(tmp_path / "data", **settings) as (_, client):
            shown = await client.call("history", {"history_id": 1})
        assert shown["structuredContent"]["entries"][0]["state"] == "done"
        assert upstream.drawn == 1


async def test_what_cannot_go_on_is_interrupted_and_can_be_asked_for_again(tmp_path: Path) -> None:
    """Ours: and it says that it may have been charged, which is true."""
    async with openai_images.running() as upstream:
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key}
        async with service_process(tmp_path / "data", **settings) as (process, client):
            await kill_when(upstream.silent, process, client, {"prompt": "a fox [slow]"})
        async with service_process(tmp_path / "data", **settings) as (_, client):
            entry = await only_entry(client)
            assert (entry["state"], entry["failure"]["kind"]) == ("failed", "interrupted")
            assert "may have charged" in entry["failure"]["reason"]
            made = await client.call("generate", {"prompt": "a fox"})
        assert made["structuredContent"]["history_id"] == 2


@pytest.mark.parametrize("tool", ["generate", "generate_image"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_a_task_has_its_picture_though_its_service_was_restarted(
    tmp_path: Path, how: signal.Signals, tool: str
) -> None:
    """Bug: it had failed, and only who called the tool again got what was paid for."""
    async with modelscope.running() as upstream:
        settings = at(upstream) | {"EASEL_DRAIN_S": "0.2"}
        async with service_process(tmp_path / "data", **settings) as (process, client):
            task_id = await begin_task(client, tool, FOX)
            await upstream.polled.wait()
            process.send_signal(how)
            await process.wait()
        async with service_process(tmp_path / "data", **settings) as (_, client):
            task = (await client.modern("tasks/get", {"taskId": task_id}, **TASKS)).result
            assert task["status"] == "working"
            upstream.go_on.set()
            result = (await ended_task(client, task_id))["result"]
            again = await client.call(tool, FOX)  # delivered by the task, so it is a new one
    assert [block["type"] for block in result["content"]] == ["text", "image"]
    assert result["structuredContent"]["history_id"] == 1
    assert not list(Draft202012Validator(load_schema(f"{tool}.output")).iter_errors(result["structuredContent"]))
    assert again["structuredContent"]["history_id"] == 2
    assert upstream.charges.total() == 2


async def test_a_task_whose_picture_was_lost_says_so(tmp_path: Path) -> None:
    async with openai_images.running() as upstream:
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key}
        async with service_process(tmp_path / "data", **settings) as (process, client):
            task_id = await begin_task(client, "generate", {"prompt": "a fox [slow]"})
            await upstream.silent.wait()
            process.kill()
        async with service_process(tmp_path / "data", **settings) as (_, client):
            result = (await ended_task(client, task_id))["result"]
    assert result["isError"]
    assert "may have charged" in result["content"][0]["text"]


async def test_a_task_whose_generation_was_deleted_says_so(tmp_path: Path) -> None:
    """Ours: it does not seem to work until it expires."""
    async with openai_images.running() as upstream:
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key}
        async with service_process(tmp_path / "data", **settings) as (process, client):
            task_id = await begin_task(client, "generate", {"prompt": "a fox [slow]"})
            await upstream.silent.wait()
            process.kill()
        async with service_process(tmp_path / "data", **settings) as (_, client):
            await client.call("delete", {"history_id": 1, "confirm": True})
            result = (await ended_task(client, task_id))["result"]
    assert result["isError"]
    assert "deleted" in result["content"][0]["text"]


async def test_a_task_is_cancelled_by_whichever_process_is_asked(tmp_path: Path) -> None:
    """Bug: another process on the same data folder answered `tasks/cancel` with a success, and the task went on."""
    async with openai_images.running() as upstream:
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key}
        async with (
            service_process(tmp_path / "data", **settings) as (_, one),
            service_process(tmp_path / "data", **settings) as (_, other),
        ):
            task_id = await begin_task(one, "generate", {"prompt": "a fox [slow]"})
            await upstream.silent.wait()
            assert (await other.modern("tasks/cancel", {"taskId": task_id}, **TASKS)).result
            await upstream.disconnected.wait()
            assert (await ended_task(other, task_id))["status"] == "cancelled"
            entry = await only_entry(other)
            assert (entry["state"], entry["failure"]["kind"]) == ("failed", "cancelled")


async def test_a_task_that_outlived_its_process_can_be_cancelled(tmp_path: Path) -> None:
    """Bug: the next process said yes, and went on drawing."""
    async with modelscope.running() as upstream:
        async with service_process(tmp_path / "data", **at(upstream)) as (process, client):
            task_id = await begin_task(client, "generate", FOX)
            await upstream.polled.wait()
            process.kill()
            await process.wait()
        async with service_process(tmp_path / "data", **at(upstream)) as (_, client):
            assert (await client.modern("tasks/cancel", {"taskId": task_id}, **TASKS)).result
            assert (await ended_task(client, task_id))["status"] == "cancelled"
            entry = await only_entry(client)
            assert (entry["state"], entry["failure"]["kind"]) == ("failed", "cancelled")
            assert "may have charged" in entry["failure"]["reason"]
