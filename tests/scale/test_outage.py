"""A storage that is away while a picture is drawn: nothing is lost, nothing is paid twice, and nobody starts anew."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.app import Running
from tests.conftest import Serve
from tests.emulators import slow_pictures
from tests.emulators.slow_pictures import SlowPictures
from tests.scale import outage, seaweed
from tests.scale.postgres import Server
from tests.stores import make_tables
from tests.wire import WireClient, until, wire_client

TOLD_S = 10
"""A call is told within five seconds, and a busy machine takes as long again."""

FOX = {"prompt": "a fox [inline]", "model": "gpt-image-1.5"}


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(make_tables) as url:
        yield url


@contextlib.asynccontextmanager
async def drawing(serve: Serve, url: str) -> AsyncIterator[tuple[Running, WireClient, SlowPictures]]:
    async with slow_pictures.running(1.0, 0.0) as upstream:
        env = {**upstream.settings(), "EASEL_DATABASE_URL": url, "EASEL_SECRET": "0123456789abcdef" * 4}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            yield easel, client, upstream


async def told(call: "asyncio.Task[dict[str, Any]]", since: float) -> str:
    """The answer to a call, which takes no longer than it may."""
    result = await call
    assert time.monotonic() - since < TOLD_S
    return str(result["content"][0]["text"])


@pytest.mark.parametrize("how", ["stopped", "halted"])
async def test_a_picture_that_comes_while_the_database_is_away_is_kept_until_it_is_back(
    serve: Serve, url: str, postgres_server: Server, how: str
) -> None:
    """Ours: its bytes stay in memory, its call is told, and the same call finds it later. A halted one says nothing."""
    async with drawing(serve, url) as (easel, client, upstream):
        waiting = asyncio.create_task(client.call("generate", FOX))
        await until(lambda: upstream.charges.total() == 1)
        if how == "stopped":
            postgres_server.stop()
        else:
            await postgres_server.pause()
        away = time.monotonic()
        try:
            refused = asyncio.create_task(client.call("generate", {**FOX, "prompt": "a hen [inline]"}))
            assert "database" in await told(refused, away)
            async with client.session.get(f"{easel.origin}/healthz") as answer:
                assert answer.status == 200
            async with client.session.get(f"{easel.origin}/readyz") as answer:
                assert answer.status == 503
            await until(lambda: bool(upstream.told))
            text = str((await waiting)["content"][0]["text"])
            assert "cannot store the picture yet" in text
            assert "nothing is charged again" in text
        finally:
            if how == "stopped":
                postgres_server.start()
            else:
                postgres_server.resume()
        again = await client.call("generate", FOX)
        assert not again.get("isError"), again
        assert upstream.charges == {FOX["prompt"]: 1}
        async with client.session.get(f"{easel.origin}/readyz") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("way", ["bucket halted", "bucket stopped"])
async def test_pictures_that_come_while_the_bucket_is_away_are_stored_once_it_is_back(
    tmp_path: Path, postgres_server: Server, way: str
) -> None:
    """Ours: `make test-scale` has it away for a minute, and the database too. Two replicas, each a process."""
    with seaweed.controlled(tmp_path / "s3") as bucket:
        found = await outage.run(way, 0, tmp_path / "outage", postgres_server, bucket)
    assert found.faults == []
