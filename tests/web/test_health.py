"""`/healthz` of the running service."""

import aiohttp
import pytest

from service.app import Running


@pytest.mark.parametrize("path", ["/healthz", "/health"])
async def test_health_says_that_we_are_here_and_nothing_else(easel: Running, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(easel.origin + path) as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        assert answer.headers["Cache-Control"] == "no-store"
