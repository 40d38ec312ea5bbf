"""The open connections: which of them is used next, who waits for one, and what becomes of those that nobody uses."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.storage.postgresql.connections import Connection, Connections
from tests.scale.postgres import Server
from tests.wire import until

MOST = 2
LONG_S = 600.0


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database() as url:
        yield url


@pytest.fixture
async def connections(url: str) -> AsyncIterator[Connections]:
    opened = Connections(lambda: asyncpg.connect(url), MOST, LONG_S)
    yield opened
    await opened.close()


async def is_used(connection: Connection) -> bool:
    return bool(await connection.fetchval("SELECT true"))


async def test_the_connection_that_was_used_last_is_used_next(connections: Connections) -> None:
    """Ours: the others are idle, and closed after a while."""
    first, second = await connections.take(), await connections.take()
    connections.give_back(second)
    connections.give_back(first)
    assert await connections.take() is first
    assert await connections.take() is second
    for each in (first, second):
        connections.give_back(each)


async def test_no_more_are_opened_than_may_be_and_the_next_waits_in_turn(connections: Connections) -> None:
    taken = [await connections.take() for _ in range(MOST)]
    waiting = [asyncio.create_task(connections.take()) for _ in range(2)]
    await asyncio.sleep(0)
    for each in taken:
        connections.give_back(each)
    assert {*await asyncio.gather(*waiting)} == {*taken}
    for each in taken:
        connections.give_back(each)


async def test_a_waiter_who_leaves_does_not_keep_the_turn(connections: Connections) -> None:
    """Ours: a caller who gives up at the moment of its turn must not stop those behind it."""
    taken = [await connections.take() for _ in range(MOST)]
    leaving, staying = (asyncio.create_task(connections.take()) for _ in range(2))
    await asyncio.sleep(0)
    connections.give_back(taken[0])
    leaving.cancel()
    assert await staying is taken[0]
    assert leaving.cancelled()
    for each in taken:
        connections.give_back(each)


async def test_a_connection_that_was_cut_off_is_replaced(connections: Connections) -> None:
    taken = [await connections.take() for _ in range(MOST)]
    waiting = asyncio.create_task(connections.take())
    await asyncio.sleep(0)
    taken[0].terminate()
    connections.give_back(taken[0])
    new = await waiting
    assert new not in taken
    assert await is_used(new)
    for each in (new, taken[1]):
        connections.give_back(each)


async def test_one_that_cannot_be_opened_leaves_its_place_to_others(url: str) -> None:
    """Ours: a database that was gone for a while must find all places free."""
    tries = [OSError("gone")] * MOST

    async def connect() -> Connection:
        if tries:
            raise tries.pop()
        return await asyncpg.connect(url)

    connections = Connections(connect, MOST, LONG_S)
    for _ in range(MOST):
        with pytest.raises(OSError, match="gone"):
            await connections.take()
    taken = [await connections.take() for _ in range(MOST)]
    assert [await is_used(each) for each in taken] == [True] * MOST
    for each in taken:
        connections.give_back(each)
    await connections.close()


async def test_those_that_nobody_uses_are_closed(url: str) -> None:
    connections = Connections(lambda: asyncpg.connect(url), MOST, idle_s=0.01)
    taken = [await connections.take() for _ in range(MOST)]
    for each in taken:
        connections.give_back(each)
    await until(lambda: all(each.is_closed() for each in taken))
    again = await connections.take()
    assert again not in taken
    assert await is_used(again)
    connections.give_back(again)
    await connections.close()
    assert again.is_closed()
