"""The whole service with its pictures in a bucket of a real S3 server, and with a bucket that is not there or down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from service.app import Running
from service.settings_reader import SettingsError
from service.storage.s3.signing import Signer
from tests.broken_proxy import Proxy, broken_proxy
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.scale import seaweed
from tests.wire import WireClient, until, wire_client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


def bucket(url: str, folder: str = "") -> dict[str, str]:
    return {
        "EASEL_FILES_URL": f"s3://{seaweed.BUCKET}/{folder}",
        "EASEL_S3_ENDPOINT": url,
        "EASEL_S3_KEY_ID": seaweed.KEY_ID,
        "EASEL_S3_SECRET_KEY": seaweed.SECRET_KEY,
    }


@contextlib.asynccontextmanager
async def started(serve: Serve, env: dict[str, str]) -> AsyncIterator[tuple[Running, WireClient]]:
    async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
        yield easel, client


def image(result: dict[str, Any]) -> dict[str, Any]:
    [found] = result["structuredContent"]["images"]
    return dict(found)


async def status_of(client: WireClient, url: str, **headers: str) -> tuple[int, int]:
    async with client.session.get(url, headers=headers) as answer:
        return answer.status, len(await answer.read())


async def test_a_picture_lives_in_the_bucket_and_outlives_the_process(
    serve: Serve, server: str, tmp_path: Path
) -> None:
    env = bucket(server, "one")
    async with started(serve, env) as (_, client):
        shown = image(await client.call("generate", {"prompt": "a fox"}))
        name = shown["url"].rpartition("/")[2]
        status, size = await status_of(client, shown["url"])
        assert (status, await status_of(client, shown["url"], Range="bytes=3-9")) == (200, (206, 7))
        assert await status_of(client, f"{shown['url']}?w=160&f=jpeg") == (200, (await derived(client, shown["url"])))
    assert not list((tmp_path / "data").glob("files/*/*")), "nothing of it lies in the data folder"
    async with started(serve, env) as (easel, client):
        assert await status_of(client, easel.pictures_url + name) == (200, size)
        again = await client.call("history", {"history_id": 1})
        assert f"/{name})" in again["content"][0]["text"]
        assert [each["type"] for each in again["content"]].count("image") == 1, "its preview was made anew"
        await client.call("delete", {"history_id": 1, "confirm": True})
        assert (await status_of(client, easel.pictures_url + name))[0] == 404
        assert (await status_of(client, f"{easel.pictures_url}{name}?w=160&f=jpeg"))[0] == 404


@contextlib.asynccontextmanager
async def cdn(server: str, folder: str) -> AsyncIterator[str]:
    """A server that gives out the objects of a folder of the bucket to everybody, with their headers; its URL."""
    signer = Signer(seaweed.place(server))
    async with aiohttp.ClientSession() as session:

        async def get(request: web.Request) -> web.Response:
            target = URL(f"{server}/{seaweed.BUCKET}/{folder}/{request.match_info['name']}")
            async with session.get(target, headers=signer.sign("GET", target, {})) as answer:
                passed = {name: answer.headers.get(name, "") for name in ("Content-Type", "Cache-Control")}
                return web.Response(status=answer.status, body=await answer.read(), headers=passed)

        app = web.Application()
        app.router.add_get("/all/{name}", get)
        async with TestServer(app) as listening:
            yield str(listening.make_url("/all"))


async def test_a_cdn_before_the_bucket_gives_out_the_pictures(serve: Serve, server: str) -> None:
    """Ours: links lead to it, links to it are pictures of ours, and pages still use this service."""
    async with (
        cdn(server, "four") as public,
        flow2api.running() as kiln,
        started(
            serve,
            bucket(server, "four")
            | {"EASEL_FILES_PUBLIC_URL": f"{public}/", "FLOW2API_BASE_URL": kiln.url, "FLOW2API_API_KEY": kiln.key},
        ) as (easel, client),
    ):
        result = await client.call("generate", {"prompt": "a fox"})
        url = image(result)["url"]
        assert url.startswith(f"{public}/")
        assert f"]({url})" in result["content"][0]["text"]
        async with client.session.get(url) as answer:
            assert answer.status == 200
            assert (answer.headers["Content-Type"], len(await answer.read())) == (
                image(result)["media_type"],
                image(result)["bytes"],
            )
            assert "immutable" in answer.headers["Cache-Control"]
        await client.call("generate", {"prompt": "at night", "image_url": url})
        shown = await client.call("history", {"history_id": 2})
        assert "history_id 1" in shown["content"][0]["text"], "it started from a picture of the history"
        own = easel.pictures_url + url.rpartition("/")[2]
        assert (await status_of(client, own))[0] == 200
        gallery = await client.call("history", {"gallery": True})
        assert gallery["structuredContent"]["gallery"].startswith(f"{easel.origin}/gallery")


async def derived(client: WireClient, url: str) -> int:
    return (await status_of(client, f"{url}?w=160&f=jpeg"))[1]


async def test_an_earlier_picture_in_the_bucket_is_drawn_on_from(serve: Serve, server: str) -> None:
    async with started(serve, bucket(server, "two")) as (easel, client):
        await client.call("generate", {"prompt": "a fox"})
        found = await easel.context.generation.picture("local", 1, 1)
        assert found is not None
        assert len(found[1]) == found[0].size


async def test_while_the_bucket_is_down_it_says_so_and_goes_on_afterwards(serve: Serve, server: str) -> None:
    """Ours: neither the history nor a link calls a picture gone because a network is down."""
    proxy = Proxy(target=server)
    async with broken_proxy(proxy) as url, started(serve, bucket(url, "three")) as (easel, client):
        kept = image(await client.call("generate", {"prompt": "a fox"}))
        shown = image(await client.call("generate", {"prompt": "a hare"}))
        assert [(await status_of(client, shown["url"]))[0] for _ in range(2)] == [200, 200], "it is in memory now"
        proxy.status = 503
        assert (await status_of(client, shown["url"]))[0] == 200, "what is in memory is still shown"
        async with client.session.get(kept["url"]) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
            assert "cannot be reached just now" in await answer.text()
        refused = await client.call("history", {"history_id": 1})
        assert refused["isError"]
        assert "EASEL_FILES_URL" in refused["content"][0]["text"]
        async with client.session.get(f"{easel.origin}/readyz") as answer:
            assert answer.status == 503
        async with client.session.get(f"{easel.origin}/healthz") as answer:
            assert answer.status == 200
        drawing = asyncio.create_task(client.call("generate", {"prompt": "a second fox"}))
        await until(lambda: easel.context.generation.jobs.at_work == 1)
        proxy.status = 0
        assert not (await drawing).get("isError"), "its bytes were kept until the bucket took them"
        assert f"]({kept['url']})" in (await client.call("history", {"history_id": 1}))["content"][0]["text"]
        assert (await status_of(client, kept["url"]))[0] == 200


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"EASEL_S3_SECRET_KEY": "another-secret"}, "refuses the key"),
        ({"EASEL_FILES_URL": "s3://nothing-here"}, "no such bucket"),
        ({"EASEL_S3_ENDPOINT": "http://127.0.0.1:1"}, "does not answer"),
    ],
)
async def test_a_bucket_that_cannot_be_used_stops_the_start(
    serve: Serve, server: str, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], complaint: str
) -> None:
    monkeypatch.setattr("service.app.START_PATIENCE_S", 0.0)
    with pytest.raises(SettingsError) as stopped:
        async with serve(**bucket(server) | change):
            pass
    assert str(stopped.value).startswith("EASEL_FILES_URL: cannot be used: ")
    assert complaint in str(stopped.value)
    assert "another-secret" not in str(stopped.value)


async def test_a_start_waits_for_a_bucket_that_is_about_to_start(serve: Serve, server: str) -> None:
    """Ours: when a machine has begun, a service that gave up at once would stay away for good."""
    proxy = Proxy(target=server, status=503)

    async def start(url: str) -> str:
        async with serve(**bucket(url, "five")) as easel:
            return easel.origin

    async with broken_proxy(proxy) as url, asyncio.TaskGroup() as group:
        starting = group.create_task(start(url))
        await until(lambda: proxy.asked > 0)
        assert not starting.done()
        proxy.status = 0
    assert starting.result().startswith("http://127.0.0.1:")
