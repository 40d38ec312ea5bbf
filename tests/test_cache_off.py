"""The service with EASEL_CACHE=0: links are those of the image service, and no picture that has one is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from yarl import URL

from service.commands.serve import greeting
from service.image_services import SKETCHED
from service.images import AWAY, ImageRequest, KeptPicture
from service.settings import Settings
from service.storage.sqlite.jobs import SELECT_TO_JOIN
from service.storage.sqlite.rows import SELECT_JOBS
from service.storage.store import Store
from service.tools.base import load_schema
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.emulators.flow2api import Flow2Api
from tests.wire import WireClient, wire_client

OUTPUT = Draft202012Validator(load_schema("generate.output"))


@asynccontextmanager
async def uncached(serve: Serve) -> AsyncIterator[tuple[WireClient, Flow2Api]]:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key, "EASEL_CACHE": "0"}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            yield client, upstream


def image(result: dict[str, Any]) -> dict[str, Any]:
    [found] = result["structuredContent"]["images"]
    return dict(found)


def kept(folder: Path) -> list[Path]:
    return list((folder / "data" / "files").glob("*/*"))


async def test_a_result_has_the_image_services_own_link_and_says_so(serve: Serve, tmp_path: Path) -> None:
    async with uncached(serve) as (client, upstream):
        made = await client.call("generate", {"prompt": "a fox"})
        shown = image(made)
        assert not shown["url"].startswith(client.url.removesuffix("/mcp"))
        assert shown["markdown"].endswith(f"]({shown['url']})")
        assert "This server keeps no pictures: the link is the image service's own" in made["content"][0]["text"]
        assert made["content"][1]["type"] == "image", "its preview was made from the bytes"
        assert not list(OUTPUT.iter_errors(made["structuredContent"]))
        async with client.session.get(URL(shown["url"], encoded=True)) as answer:
            assert answer.status == 200
        assert upstream.charges
    assert kept(tmp_path) == []


async def test_the_history_fetches_it_again_to_show_it(serve: Serve, tmp_path: Path) -> None:
    async with uncached(serve) as (client, upstream):
        link = image(await client.call("generate", {"prompt": "a fox"}))["url"]
        before = len(upstream.downloads)
        looked = await client.call("history", {"history_id": 1})
        assert looked["structuredContent"]["entries"][0]["images"][0]["url"] == link
        assert looked["content"][1]["type"] == "image"
        assert len(upstream.downloads) == before + 1
        assert link in (await client.call("history"))["content"][0]["text"]
        assert (await client.call("cache"))["structuredContent"]["kept"] == 0
    assert kept(tmp_path) == []


async def test_another_picture_starts_from_it_by_its_number(serve: Serve, tmp_path: Path) -> None:
    async with uncached(serve) as (client, upstream):
        await client.call("generate", {"prompt": "a fox"})
        made = await client.call("generate", {"prompt": "at night", "history_id": 1})
        assert made["structuredContent"]["parents"] == [{"history_id": 1, "picture": 1}]
        assert len(upstream.charges) == 2
    assert kept(tmp_path) == []


async def test_once_the_link_is_dead_the_history_says_that_it_is_gone(serve: Serve) -> None:
    async with uncached(serve) as (client, upstream):
        await client.call("generate", {"prompt": "a fox"})
        upstream._tmp.clear()
        upstream._signed.clear()
        looked = await client.call("history", {"history_id": 1})
    assert "could not be had again" in looked["content"][0]["text"]


async def test_a_picture_that_comes_without_a_link_is_kept(serve: Serve, tmp_path: Path) -> None:
    """Ours: the earlier server lost sight of it. It is paid for, and there is no other place for it."""
    async with serve(EASEL_CACHE="0") as easel, wire_client(easel.mcp_url) as client:
        made = await client.call("generate", {"prompt": "a fox"})
        assert image(made)["url"].startswith(easel.pictures_url)
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize(("value", "cache"), [("0", False), ("1", True), ("true", True), ("no", True), ("", True)])
def test_the_older_switch_is_read_as_the_earlier_server_read_it(value: str, cache: bool) -> None:
    """Ours: it read `!= "0"`."""
    assert Settings.from_env({"FLOW2API_MCP_URL_CACHE": value}).cache is cache


def test_the_start_says_so() -> None:
    assert "EASEL_CACHE is 0: pictures are not kept." in greeting(Settings.from_env({"EASEL_CACHE": "0"}), {}, SKETCHED)


def test_a_link_ends_no_markdown() -> None:
    """Attack: an image service's URL with a bracket in it would end the markdown image, and begin anything."""
    away = KeptPicture(
        name=AWAY + "0", media_type="image/png", width=1, height=1, size=1, source="https://a.example/b) ![x](c"
    )
    assert away.link("https://e.example/") == "https://a.example/b%29%20![x]%28c"


async def test_a_picture_that_nobody_got_is_not_paid_for_twice(store: Store) -> None:
    """Ours: the same request joins the one whose answer was lost, also where its picture was never here."""
    request = ImageRequest(model="m", prompt="a fox")
    begun = await store.begin("ann", request, "kiln", "the same")
    away = KeptPicture(name=AWAY + "0", media_type="image/png", width=1, height=1, size=1, source="https://a.example/b")
    await store.finish(begun.job, [away])
    again = await store.begin("ann", request, "kiln", "the same")
    assert (again.joined, again.job.pictures) == (True, (away,))
    assert (await store.files_total("ann")).entries == 0


def test_the_statements_know_the_names_of_pictures_that_are_not_kept() -> None:
    assert f"'{AWAY}*'" in SELECT_JOBS
    assert f"'{AWAY}*'" in SELECT_TO_JOIN
