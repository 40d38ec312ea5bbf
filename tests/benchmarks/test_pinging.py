"""Ours: pings go on while others work, and one that fails is no quick one."""

import asyncio

import pytest
from aiohttp import web

from benchmarks import wire
from benchmarks.pinging import PAUSE_S, Pinger
from tests.emulators.loopback import serving


def application(text: str) -> web.Application:
    async def post(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="application/json")

    app = web.Application()
    app.router.add_post("/mcp", post)
    return app


async def pinged(text: str) -> Pinger:
    async with serving(application(text)) as url:
        port = int(url.rpartition(":")[2])
        pinger = Pinger(port, wire.modern(port, 1, "ping", {}, progress=False))
        pinger.__enter__()
        await asyncio.sleep(5 * PAUSE_S)
        await asyncio.to_thread(pinger.__exit__)
        return pinger


async def test_pings_are_timed_from_a_thread_of_their_own() -> None:
    pinger = await pinged('{"result": {}}')
    assert len(pinger.latencies) >= 2
    assert pinger.p99_ms > 0
    assert pinger.longest_ms == max(pinger.latencies) * 1000


async def test_a_ping_that_is_refused_ends_the_run() -> None:
    with pytest.raises(RuntimeError, match="(?s)a ping failed: .*too many"):
        await pinged('{"error": "too many"}')
