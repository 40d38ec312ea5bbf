"""A models file that changes under the running service, and one whose models are gone."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from service.images import LOCAL_OWNER
from service.protocol.subscriptions import TOOLS
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.emulators.flow2api_models import FULL_IDS, Catalog
from tests.wire import wire_client

SQUARE = "gemini-3.1-flash-image-square"


class Named(logging.Handler):
    """Tells when something was logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's signature
        self.event.set()


def write(path: Path, *models: Any) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"models": models}))
    draft.replace(path)


async def test_a_change_is_offered_and_told_and_leaves_running_calls_alone(serve: Serve, tmp_path: Path) -> None:
    """Ours: a person edits the list and goes on chatting; a call that runs with a model that went away ends well."""
    path = tmp_path / "models.json"
    write(path, SQUARE)
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key, "EASEL_MODELS_FILE": str(path)}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            news = easel.endpoint.server.hub.open([TOOLS], LOCAL_OWNER)
            slow = asyncio.create_task(client.call("generate", {"prompt": "a fox [slow]"}))
            await upstream.silent.wait()
            write(path, {"id": "gemini-3.1-flash-image", "aspect_ratios": ["1:1"]})
            async with asyncio.timeout(60):
                assert await news.next() == TOOLS
            properties = (await client.modern("tools/list")).result["tools"][0]["inputSchema"]["properties"]
            refused = await client.call("generate", {"prompt": "a fox", "model": SQUARE})
            upstream.go_on.set()
            drawn = await slow
    assert properties["model"]["enum"] == ["gemini-3.1-flash-image"]
    assert properties["aspect_ratio"]["enum"] == ["1:1"]
    assert refused["isError"]
    assert drawn["structuredContent"]["model"] == SQUARE
    assert not drawn.get("isError")


async def test_ids_that_the_upstream_has_no_longer_are_named_at_the_start(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "models.json"
    write(path, SQUARE, "gemini-2.5-flash-image-landscape")
    named = Named()
    logging.getLogger("service.image_models.offered").addHandler(named)
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key, "EASEL_MODELS_FILE": str(path)}
        async with serve(**env), asyncio.timeout(60):
            await named.event.wait()
    logging.getLogger("service.image_models.offered").removeHandler(named)
    assert [line for line in caplog.messages if "gemini-2.5-flash-image-landscape (flow2api)" in line]
    assert not [line for line in caplog.messages if SQUARE in line]


async def test_the_start_waits_for_no_list_and_the_end_neither(serve: Serve) -> None:
    """Ours: an image service that hangs must not keep people from their history."""
    async with flow2api.running() as upstream:
        upstream.lists = None
        upstream.catalog = Catalog(ids=FULL_IDS, generic=())
        async with asyncio.timeout(60):
            async with serve(FLOW2API_BASE_URL=upstream.url, FLOW2API_API_KEY=upstream.key) as easel:
                async with wire_client(easel.mcp_url) as client:
                    assert (await client.call("history"))["structuredContent"]["entries"] == []
        upstream.go_on.set()
