"""A whole service that two people use who do not know each other, each with a token, and an image service behind it."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from service.app import Running
from tests.conftest import Serve
from tests.emulators import openai_images
from tests.emulators.openai_images import OpenAiImages
from tests.emulators.pictures import png
from tests.wire import WireClient, wire_client

TOKENS: Final = {"anna": "anna-0123456789abcdef", "ben": "ben-0123456789abcdef"}


@dataclass(frozen=True, kw_only=True)
class TwoOwners:
    """The service, the image service that draws, and a client of each person."""

    easel: Running
    upstream: OpenAiImages
    anna: WireClient
    ben: WireClient


@asynccontextmanager
async def two_owners(serve: Serve, **env: str) -> AsyncIterator[TwoOwners]:
    """Run it all on loopback."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(openai_images.running())
        tokens = ",".join(f"{name}:{token}" for name, token in TOKENS.items())
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key, "EASEL_TOKENS": tokens}
        easel = await stack.enter_async_context(serve(**settings, **env))
        anna, ben = [await stack.enter_async_context(wire_client(easel.mcp_url, each)) for each in TOKENS.values()]
        yield TwoOwners(easel=easel, upstream=upstream, anna=anna, ben=ben)


def inline(number: int) -> str:
    """A picture as a data: URI, another one for each number."""
    return f"data:image/png;base64,{base64.b64encode(png(number, (16, 16))).decode()}"


async def drawn(client: WireClient, prompt: str, **arguments: Any) -> dict[str, Any]:
    """Have a picture made; its structured content."""
    result = await client.call("generate", {"prompt": prompt, **arguments})
    assert "isError" not in result, result
    structured: dict[str, Any] = result["structuredContent"]
    return structured
