"""A history that is there before the service starts, and a service on which something is being drawn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from service.images import ImageRequest
from service.store_sqlite import SqliteStore
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.emulators.flow2api import Flow2Api
from tests.stores import picture
from tests.wire import WireClient, wire_client


@asynccontextmanager
async def earlier(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """The history before the service starts, to be filled without drawing."""
    (tmp_path / "data").mkdir()
    store = await SqliteStore.open(tmp_path / "data" / "easel.db", "earlier", lambda _: True)
    yield store
    await store.close()


async def add(store: SqliteStore, prompt: str, *names: str, owner: str = "local", **more: Any) -> int:
    """A generation that is done, with pictures of these names."""
    begun = await store.begin(owner, ImageRequest(model=more.pop("model", "m"), prompt=prompt, **more), "kiln", "")
    done = await store.finish(begun.job, [picture(name) for name in names])
    return done.history_id


@asynccontextmanager
async def slow_service(serve: Serve) -> AsyncIterator[tuple[WireClient, Flow2Api, "asyncio.Task[dict[str, Any]]"]]:
    """A service on which history_id 1 is being drawn."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            drawing = asyncio.create_task(client.call("generate", {"prompt": "a fox [slow]"}))
            async with asyncio.timeout(10):
                await upstream.silent.wait()
            yield client, upstream, drawing
            upstream.go_on.set()
            await drawing
