"""Two replicas, as processes of their own, on one PostgreSQL database and one bucket: they behave as one service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.storage.s3.arrivals import FOLDER
from service.storage.s3.bucket import Bucket
from tests.command_process import HANGS_S
from tests.emulators import slow_pictures
from tests.emulators.slow_pictures import SlowPictures
from tests.gallery.visitor import Visitor
from tests.scale import seaweed
from tests.scale.cluster import Cluster, running
from tests.scale.postgres import Server
from tests.wire import ANNA, CAPABILITIES_KEY, WireClient, listening, until, wire_client

TASK_CLIENT: Mapping[str, Any] = {CAPABILITIES_KEY: {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
INLINE = {"model": "gpt-image-1.5"}
TASK = {"model": "Qwen/Qwen-Image"}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@dataclass
class Replicas:
    """Some replicas, a client at each, and the image service at which all draw."""

    cluster: Cluster
    clients: list[WireClient]
    upstream: SlowPictures
    server: Server

    @property
    def here(self) -> WireClient:
        return self.clients[0]

    @property
    def there(self) -> WireClient:
        return self.clients[1]

    async def until_charged(self, count: int = 1) -> None:
        await until(lambda: sum(self.upstream.charges.values()) >= count)

    async def has(self, condition: str) -> bool:
        """True where a job is so."""
        return bool(await self.rows(f"SELECT 1 FROM jobs WHERE {condition}"))  # noqa: S608 - a test's own words

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.server.connected(self.cluster.database.rpartition("/")[2]) as connection:
            return [tuple(row) for row in await connection.fetch(statement)]


@contextlib.asynccontextmanager
async def some(
    folder: Path, server: Server, bucket: str, *, count: int = 2, draw_s: float = 1.5, download_s: float = 0.05
) -> AsyncIterator[Replicas]:
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(slow_pictures.running(draw_s, download_s))
        settings = {**upstream.settings(), "EASEL_MODELSCOPE_POLL_S": "0.2"}
        cluster = await stack.enter_async_context(running(folder, count, server, bucket, settings, proxy=False))
        clients = [await stack.enter_async_context(wire_client(url, ANNA)) for url in cluster.urls]
        yield Replicas(cluster, clients, upstream, server)


async def eventually(true: Callable[[], Awaitable[bool]], deadline_s: float = HANGS_S) -> None:
    """Wait for what a database or another process has to show."""
    async with asyncio.timeout(deadline_s):
        while not await true():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


def drawn(result: Mapping[str, Any]) -> list[str]:
    assert not result.get("isError"), result
    return [image["url"].rpartition("/")[2] for image in result["structuredContent"]["images"]]


async def test_they_behave_as_one(tmp_path: Path, postgres_server: Server, bucket: str) -> None:
    """Ours: a load balancer sends each request where it likes. One start for all of it: replicas take seconds."""
    async with some(tmp_path / "two", postgres_server, bucket) as both:
        await _a_call_elsewhere_joins_and_hears(both)
        await _a_session_is_one_of_both(both)
        await _a_listener_hears_of_the_other(both)
        await _an_open_gallery_hears_of_the_other(both)
        await _a_task_is_read_and_cancelled_anywhere(both)
        await _a_job_is_deleted_from_anywhere(both)
        await _a_call_of_a_session_is_cancelled_from_anywhere(both)


async def _a_call_elsewhere_joins_and_hears(both: Replicas) -> None:
    """One charge for both calls, and one picture."""
    arguments = {"prompt": "a fox [inline]", **INLINE}

    async def call(client: WireClient) -> list[str]:
        return drawn(await client.call("generate", arguments))

    first = asyncio.create_task(call(both.here))
    await both.until_charged()
    second = asyncio.create_task(call(both.there))
    assert await first == await second
    assert both.upstream.charges["a fox [inline]"] == 1
    name = (await first)[0]
    for client in (both.here, both.there):
        async with client.session.get(client.url.replace("/mcp", f"/mcp-cache/{name}")) as answer:
            assert answer.status == 200


async def _a_session_is_one_of_both(both: Replicas) -> None:
    await both.here.open()
    both.there.session_id = both.here.session_id
    assert (await both.there.legacy("tools/list")).status == 200
    headers = {"Mcp-Session-Id": both.here.session_id, **both.here.headers}
    async with both.here.session.delete(both.here.url, headers=headers) as answer:
        assert answer.status == 204

    async def is_over() -> bool:
        return (await both.there.legacy("tools/list")).status == 404

    await eventually(is_over)


async def _a_listener_hears_of_the_other(both: Replicas) -> None:
    async with listening(both.there, {"resourcesListChanged": True}) as listener:
        await both.here.call("generate", {"prompt": "a heard fox [inline]", **INLINE})
        assert (await listener.next())["method"] == "notifications/resources/list_changed"


async def _an_open_gallery_hears_of_the_other(both: Replicas) -> None:
    """Of a picture that is drawn elsewhere, and of its removal."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        page = Visitor(origin=both.here.url.removesuffix("/mcp"), http=http)
        assert await page.sign_in(ANNA) == 303
        async with page.http.get(f"{page.origin}/gallery/api/events") as stream, asyncio.timeout(HANGS_S):

            async def hear_until(true: Callable[[int, Any], bool], history_id: int) -> None:
                """Read events until the answer about a job is so after one of them."""
                async for line in stream.content:
                    if line.startswith(b"event: ") and true(*await page.get(f"jobs/{history_id}")):
                        return

            drawing = await both.there.call("generate", {"prompt": "a hung fox [inline]", **INLINE})
            history_id = drawing["structuredContent"]["history_id"]
            await hear_until(lambda status, job: status == 200 and job["state"] == "done", history_id)
            await both.there.call("delete", {"history_id": history_id, "confirm": True})
            await hear_until(lambda status, _: status == 404, history_id)


async def _a_task_is_read_and_cancelled_anywhere(both: Replicas) -> None:
    made = await both.here.call("generate", {"prompt": "a task [inline]", **INLINE}, **TASK_CLIENT)
    await both.until_charged(4)
    read = await both.there.modern("tasks/get", {"taskId": made["taskId"]}, **TASK_CLIENT)
    assert read.result["status"] == "working"
    assert (await both.there.modern("tasks/cancel", {"taskId": made["taskId"]}, **TASK_CLIENT)).result is not None
    for client in (both.here, both.there):
        read = await client.modern("tasks/get", {"taskId": made["taskId"]}, **TASK_CLIENT)
        assert read.result["status"] == "cancelled"


async def _a_job_is_deleted_from_anywhere(both: Replicas) -> None:
    drawing = asyncio.create_task(both.here.call("generate", {"prompt": "gone [inline]", **INLINE}))
    await both.until_charged(5)
    [(history_id,)] = await both.rows("SELECT history_id FROM jobs WHERE state = 'working'")
    deleted = await both.there.call("delete", {"history_id": history_id, "confirm": True})
    assert not deleted.get("isError"), deleted
    assert (await drawing)["isError"]
    assert await both.rows("SELECT count(*) FROM jobs WHERE state = 'working'") == [(0,)]


async def _a_call_of_a_session_is_cancelled_from_anywhere(both: Replicas) -> None:
    await both.here.open()
    both.there.session_id = both.here.session_id
    arguments = {"prompt": "cancelled [inline]", **INLINE}
    call = asyncio.create_task(both.here.legacy("tools/call", {"name": "generate", "arguments": arguments}, "seven"))
    await both.until_charged(6)
    cancelled = {"requestId": "seven", "reason": "enough"}
    notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}
    assert (await both.there.post(notice, {"Mcp-Session-Id": both.there.session_id})).status == 202
    assert (await call).message == {}
    [(kind,)] = await both.rows("SELECT failure_kind FROM jobs WHERE prompt LIKE 'cancelled%'")
    assert kind == "cancelled"


async def test_one_that_is_killed_and_one_that_is_halted_lose_nothing_and_pay_once(
    tmp_path: Path, postgres_server: Server, bucket: str
) -> None:
    """Ours: a task at its image service is followed by another replica; other work says what it may cost.

    How soon that is, `make test-scale` judges.
    The halted one finds that its lease is gone, stops its jobs, overwrites nothing, and takes new calls.
    """
    async with some(tmp_path / "three", postgres_server, bucket, count=3, draw_s=4) as replicas:
        killed, halted = replicas.clients[0], replicas.clients[1]
        asked = [(killed, "killed [task]", TASK), (killed, "lost [inline]", INLINE), (halted, "halted [task]", TASK)]
        calls = [
            asyncio.create_task(client.call("generate", {"prompt": prompt, **model})) for client, prompt, model in asked
        ]
        await replicas.until_charged(3)
        await eventually(lambda: replicas.has("(SELECT count(*) FROM jobs WHERE tasks <> '{}') = 2"))
        replicas.cluster.replicas[1].halt()
        replicas.cluster.replicas[0].kill()
        third = replicas.clients[2]
        joined = [
            drawn(await third.call("generate", {"prompt": prompt, **TASK}))
            for prompt in ("killed [task]", "halted [task]")
        ]
        await eventually(lambda: replicas.has("prompt LIKE 'lost%' AND state = 'failed'"))
        [(kind, reason)] = await replicas.rows("SELECT failure_kind, failure_reason FROM jobs WHERE state = 'failed'")
        assert (kind, "charged" in reason) == ("interrupted", True)
        replicas.cluster.replicas[1].go_on()
        assert drawn(await calls[2]) == joined[1]
        await asyncio.gather(*calls[:2], return_exceptions=True)
        assert len(drawn(await halted.call("generate", {"prompt": "anew [inline]", **INLINE}))) == 1
        assert set(replicas.upstream.charges.values()) == {1}
        assert await replicas.rows("SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state") == [
            ("done", 3),
            ("failed", 1),
        ]
        log = replicas.cluster.replicas[1].log.read_text()
    assert "was out of reach" in log
    assert "Traceback" not in log, log


async def test_what_arrived_at_one_that_is_killed_is_stored_once_by_another(
    tmp_path: Path, postgres_server: Server, bucket: str
) -> None:
    """Ours: the URLs of an answer lie in the bucket before the first download, and nothing is asked for again."""
    async with some(tmp_path / "arrivals", postgres_server, bucket, download_s=2) as both:
        asked = {"prompt": "two foxes [links]", **INLINE}
        lost = asyncio.create_task(both.here.call("generate", asked))
        async with asyncio.timeout(HANGS_S):
            await both.upstream.downloading.wait()
        both.cluster.replicas[0].kill()
        names = drawn(await both.there.call("generate", asked))
        assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], aiohttp.ClientError)
        assert both.upstream.charges == {asked["prompt"]: 1}
        assert await both.rows("SELECT state, count(*) FROM jobs GROUP BY state") == [("done", 1)]
        assert await both.rows("SELECT count(*) FROM files") == [(len(names),)]
        async with aiohttp.ClientSession() as session:
            folder = Bucket(session, seaweed.place(bucket, "arrivals/"))

            async def are_gone() -> bool:
                return [each.name async for each in folder.list(FOLDER)] == []

            await eventually(are_gone)
