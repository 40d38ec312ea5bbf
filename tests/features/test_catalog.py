"""The offers of the whole service beside its tools: resources, prompts, completions, and notices of news."""

import base64
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.app import Running
from service.features.catalog import offer, with_rpc_errors
from service.features.prompts import PromptTemplates
from service.images import LOCAL_OWNER, WorkError
from service.protocol.client import Client
from service.protocol.errors import INTERNAL_ERROR, RpcError
from service.protocol.subscriptions import RESOURCES, TOOLS, ResourceUpdated
from service.tools.base import load_schema
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.wire import ANNA, BEN, TWO_TOKENS, WireClient, wire_client

TWO = {"EASEL_TOKENS": TWO_TOKENS}


async def draw(client: WireClient, prompt: str = "a red fox") -> dict[str, Any]:
    made: dict[str, Any] = (await client.call("generate", {"prompt": prompt}))["structuredContent"]
    return made


async def test_recent_pictures_are_listed_and_read(client: WireClient) -> None:
    made = [await draw(client, prompt) for prompt in ("a red fox", "a blue whale")]
    models, *listed = (await client.modern("resources/list")).result["resources"]
    assert models["uri"] == "easel://models"
    assert [each["uri"].rpartition("/")[2] for each in listed] == [
        each["images"][0]["url"].rpartition("/")[2] for each in reversed(made)
    ]
    read = (await client.modern("resources/read", {"uri": listed[0]["uri"]})).result["contents"][0]
    async with client.session.get(made[1]["images"][0]["url"]) as answer:
        assert base64.b64decode(read["blob"]) == await answer.read()


async def test_the_table_of_models_is_read_as_programs_and_as_people_read_it(client: WireClient) -> None:
    """Ours: before anything is paid for, everybody can see what each model takes; the cache tool says it too."""
    table, text = (await client.modern("resources/read", {"uri": "easel://models"})).result["contents"]
    [row] = json.loads(table["text"])
    assert (row["id"], row["count"], row["default"]) == ("sketch", 8, True)
    assert text["text"].startswith("sketch (sketch): the default; up to 8 pictures in one call")
    assert text["text"] in (await client.call("cache", {"action": "models"}))["content"][0]["text"]


async def test_a_generation_is_read_as_programs_and_as_people_read_it(client: WireClient) -> None:
    made = await draw(client)
    contents = (await client.modern("resources/read", {"uri": "easel://history/1"})).result["contents"]
    by_type = {each["mimeType"]: each["text"] for each in contents}
    assert json.loads(by_type["application/json"])["images"] == made["images"]
    assert made["images"][0]["url"] in by_type["text/markdown"]


async def test_nothing_of_another_person_exists(serve: Serve) -> None:
    """Attack: numbers count up, and a name may have been seen in a shared chat."""
    async with serve(**TWO) as easel:
        async with wire_client(easel.mcp_url, ANNA) as anna, wire_client(easel.mcp_url, BEN) as ben:
            name = (await draw(anna))["images"][0]["url"].rpartition("/")[2]
            assert [each["uri"] for each in (await ben.modern("resources/list")).result["resources"]] == [
                "easel://models"
            ]
            for uri in ("easel://history/1", f"easel://images/{name}"):
                assert (await ben.modern("resources/read", {"uri": uri})).code == -32602
                assert "result" in (await anna.modern("resources/read", {"uri": uri})).message


async def test_who_listens_is_told_when_a_picture_is_there(easel: Running, client: WireClient) -> None:
    hub = easel.endpoint.server.hub
    mine, strange = (hub.open([RESOURCES, ResourceUpdated("easel://history/1")], each) for each in (LOCAL_OWNER, "ben"))
    await draw(client)
    assert {await mine.next(), await mine.next()} == {RESOURCES, ResourceUpdated("easel://history/1")}
    strange.close()
    assert await strange.next() is None


async def test_prompts_speak_of_what_is_on_offer(serve: Serve) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            names = [each["name"] for each in (await client.modern("prompts/list")).result["prompts"]]
            asked = {"name": "flow2api_prompt_builder", "arguments": {"user_request": "a poster for our fair"}}
            text = (await client.modern("prompts/get", asked)).result["messages"][0]["content"]["text"]
    assert names == ["flow2api_reference_sop", "flow2api_prompt_builder", "flow2api_troubleshoot_generate"]
    assert "a poster for our fair" in text
    assert "gemini-3.1-flash-image" in text


@pytest.mark.parametrize(
    ("ref", "argument", "values"),
    [
        ({"type": "ref/resource", "uri": "easel://history/{id}"}, {"name": "id", "value": ""}, ["2", "1"]),
        ({"type": "ref/resource", "uri": "easel://history/{id}"}, {"name": "id", "value": "1"}, ["1"]),
        ({"type": "ref/prompt", "name": "flow2api_prompt_builder"}, {"name": "model", "value": "sk"}, ["sketch"]),
    ],
    ids=["history ids", "history ids that begin so", "models"],
)
async def test_arguments_are_completed(
    client: WireClient, ref: dict[str, str], argument: dict[str, str], values: list[str]
) -> None:
    await draw(client, "one")
    await draw(client, "two")
    found = (await client.modern("completion/complete", {"ref": ref, "argument": argument})).result["completion"]
    assert found["values"] == values


@pytest.mark.parametrize(
    ("method", "params"),
    [
        pytest.param("resources/read", {"uri": "easel://history/1"}, id="a generation"),
        pytest.param("resources/list", {}, id="the list"),
        pytest.param(
            "prompts/get",
            {"name": "flow2api_troubleshoot_generate", "arguments": {"history_id": "1"}},
            id="a prompt",
        ),
        pytest.param(
            "completion/complete",
            {
                "ref": {"type": "ref/resource", "uri": "easel://history/{id}"},
                "argument": {"name": "id", "value": "1"},
            },
            id="a completion",
        ),
    ],
)
async def test_a_history_that_cannot_be_read_names_the_setting_to_look_at(
    client: WireClient, tmp_path: Path, method: str, params: dict[str, Any]
) -> None:
    """Ours: an operator learns from it where to look, which "Internal error" would not say."""
    with sqlite3.connect(tmp_path / "data" / "easel.db") as database:
        database.execute("ALTER TABLE jobs RENAME TO lost")
    refused = await client.modern(method, params)
    assert refused.code == INTERNAL_ERROR
    assert "EASEL_DATA_DIR" in refused.message["error"]["message"]


async def test_a_changed_models_file_reads_and_checks_no_schema_again(easel: Running) -> None:
    """Bug: ten schema files were read and checked on the event loop, 42 ms for everybody."""
    context = easel.context
    reads = load_schema.cache_info().misses
    templates = PromptTemplates.read()
    offer(easel.endpoint.server, replace(context, models=context.models))
    assert load_schema.cache_info().misses == reads
    assert PromptTemplates.read() is templates


async def test_failed_work_becomes_an_error_in_its_own_words() -> None:
    async def fail() -> None:
        raise WorkError("The disk is full.")

    with pytest.raises(RpcError) as raised:
        await with_rpc_errors(fail)()
    assert (raised.value.code, raised.value.message) == (INTERNAL_ERROR, "The disk is full.")


async def test_a_bug_goes_on_to_where_bugs_are_logged() -> None:
    async def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await with_rpc_errors(fail)()


@pytest.mark.parametrize(
    ("name", "told"), [("gemini-cli-mcp-client", False), ("qwen-cli-mcp-client-easel", False), ("goose", True)]
)
async def test_a_client_that_shows_every_notice_is_told_of_new_pictures_by_none(
    easel: Running, name: str, told: bool
) -> None:
    """Bug: Gemini CLI printed two lines and listed all resources anew for each picture."""
    wanted = easel.endpoint.server.list_changes_for(Client(name=name), "")
    assert (RESOURCES in wanted) is told
    assert TOOLS in wanted
