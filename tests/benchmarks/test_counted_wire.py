"""Ours: the proxies that count pass everything on, and count a round trip where the client waits for the server."""

import asyncio

import aiohttp
import asyncpg
from aiohttp import web

from benchmarks.counted_wire import CONNECTING, HttpWatcher, PostgresWatcher, counted
from benchmarks.replica_trips import moved
from tests.emulators.loopback import serving
from tests.scale.postgres import Server
from tests.wire import until


async def test_round_trips_are_named_after_their_statements(postgres_server: Server) -> None:
    async with postgres_server.database() as url, counted(postgres_server.port, PostgresWatcher) as (port, counts):
        connection = await asyncpg.connect(moved(url, port))
        assert counts.trips[CONNECTING] > 0
        assert counts.connections == 1
        await connection.fetchval("SELECT 1 + $1", 1)
        counts.clear()
        for number in range(3):
            assert await connection.fetchval("SELECT 1 + $1", number) == number + 1
        await connection.execute("BEGIN; SELECT 1; COMMIT")
        assert counts.trips == {"SELECT 1 + $1": 3, "BEGIN; SELECT 1; COMMIT": 1}
        await connection.close()
        await until(lambda: counts.connections == 0)
    assert counts.most_connections == 1


async def test_notices_that_arrive_are_counted(postgres_server: Server) -> None:
    async with postgres_server.database() as url, counted(postgres_server.port, PostgresWatcher) as (port, counts):
        connection = await asyncpg.connect(moved(url, port))
        heard = asyncio.Event()
        await connection.add_listener("a", lambda *_: heard.set())
        await connection.execute("NOTIFY a, 'first'; NOTIFY a, 'second'")
        await heard.wait()
        await connection.close()
    assert counts.notices == 2


async def test_requests_are_counted_by_method_and_path() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    app = web.Application()
    app.router.add_put("/{path:.*}", answer)
    async with serving(app) as url, counted(int(url.rpartition(":")[2]), HttpWatcher) as (port, counts):
        async with aiohttp.ClientSession() as session:
            for name in ("0123456789abcdef0123", "fedcba98765432100123"):
                async with session.put(f"{moved(url, port)}/bucket/{name}.png?x=1", data=b"picture") as answered:
                    assert await answered.read() == b"picture"
    assert counts.trips == {"PUT /bucket/…": 2}
