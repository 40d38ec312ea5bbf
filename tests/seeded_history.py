"""A history that is there before the service starts, and a service on which something is being drawn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.images import ImageRequest, Reference
from service.storage.sqlite.store import SqliteStore
from tests.conftest import Serve
from tests.emulators import flow2api, pictures
from tests.emulators.flow2api import Flow2Api
from tests.stores import picture
from tests.wire import WireClient, wire_client


@dataclass(frozen=True)
class SeededHistory:
    """The history in a data folder, to be added to without drawing."""

    store: SqliteStore
    files: Path

    async def add(
        self,
        prompt: str,
        *names: str,
        owner: str = "local",
        model: str = "m",
        references: tuple[Reference, ...] = (),
    ) -> int:
        """A generation that is done, with pictures of these names; its history_id."""
        for name in names:
            (self.files / name[:2]).mkdir(parents=True, exist_ok=True)
            path = self.files / name[:2] / name
            if not path.exists():
                path.write_bytes(pictures.png(1, (640, 480)))
        request = ImageRequest(model=model, prompt=prompt, references=references)
        begun = await self.store.begin(owner, request, "kiln", "")
        done = await self.store.finish(begun.job, [picture(name) for name in names])
        return done.history_id


@asynccontextmanager
async def seeded_history(data: Path) -> AsyncIterator[SeededHistory]:
    """Open the data folder that a service will have, or has."""
    await asyncio.to_thread(data.mkdir, exist_ok=True)
    store = await SqliteStore.open(data / "easel.db", "earlier", lambda _: True)
    yield SeededHistory(store, data / "files")
    await store.close()


@asynccontextmanager
async def slow_service(serve: Serve) -> AsyncIterator[tuple[WireClient, Flow2Api, "asyncio.Task[dict[str, Any]]"]]:
    """A service on which history_id 1 is being drawn."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            drawing = asyncio.create_task(client.call("generate", {"prompt": "a fox [slow]"}))
            async with asyncio.timeout(60):
                await upstream.silent.wait()
            yield client, upstream, drawing
            upstream.go_on.set()
            await drawing
