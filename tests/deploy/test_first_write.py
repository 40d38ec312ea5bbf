"""The first write of a stream is short.

Bug: Caddy's `encode gzip` begins to compress at 512 bytes, and then holds a stream back until it ends (Caddy 2.6). What
begins shorter passes as it comes: progress, and a question to the person, before which an empty event is sent.
`make deploy-check` runs Caddy itself.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import Serve
from tests.emulators import openai_images
from tests.wire import ACCEPT, LEGACY, MODERN, WireClient, modern_headers, modern_params, request, wire_client

COMPRESSED_FROM = 512
LONG = {"prompt": "my photo, " + "as a painting " * 80, "model": "gpt-image-2"}


async def first_write(client: WireClient, message: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    sent = {**client.headers, "Accept": ACCEPT, **headers}
    async with client.session.post(client.url, json=message, headers=sent) as answer:
        assert answer.content_type == "text/event-stream"
        async for piece, _ in answer.content.iter_chunks():
            return piece
    raise AssertionError("nothing came")


@pytest.mark.parametrize(
    ("version", "more"),
    [(MODERN, {}), (LEGACY, {}), ("2025-06-18", {}), ("2025-03-26", {}), (LEGACY, {"use_upload": True})],
)
async def test_it_is_below_the_length_from_which_caddy_compresses(
    serve: Serve, version: str, more: dict[str, object]
) -> None:
    async with openai_images.running() as upstream:
        env = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            params = {"name": "generate", "arguments": {**LONG, **more}}
            if version == MODERN:
                message = request("tools/call", modern_params(params, progressToken="p"))
                headers = modern_headers("tools/call", "generate")
            else:
                await client.open(version, elicitation={"url": {}})
                message = request("tools/call", {**params, "_meta": {"progressToken": "p"}})
                headers = {"Mcp-Session-Id": client.session_id}
            assert 0 < len(await first_write(client, message, headers)) < COMPRESSED_FROM
