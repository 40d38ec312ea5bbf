"""Ended sessions in PostgreSQL: known here at once, and to every other replica a moment later."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from service.protocol.session import LIFETIME_S
from service.storage.postgresql.database import Connection, Database
from service.storage.postgresql.ended_sessions import PostgresSessions
from tests.scale.postgres import Server
from tests.stores import Clock
from tests.wire import until

NOW = 1_700_000_000.0
"""In the past: an end is removed once it is over by the clock of the database as well."""

HOURS = 10 * 3600.0


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[Database]:
    async with postgres_server.database(make_tables) as url:
        opened = await Database.open(url)
        yield opened
        await opened.close()


async def make_tables(url: str) -> None:
    await (await Database.open(url)).close()


async def opened(database: Database, now: float = NOW) -> PostgresSessions:
    return await PostgresSessions.open(database, Clock(now))


async def test_an_end_is_forgotten_when_its_session_would_be_over(database: Database) -> None:
    ended = await opened(database)
    await ended.add("a", NOW + LIFETIME_S)
    assert (await opened(database, NOW + LIFETIME_S - 1)).contains("a")
    assert not (await opened(database, NOW + LIFETIME_S)).contains("a")
    assert await database.read(count) == 0


async def test_a_clock_that_is_ahead_lets_nothing_be_taken_twice(database: Database) -> None:
    """Ours: a one-time link, at a replica whose clock is hours off, or after its start."""
    right = time.time()
    assert await (await opened(database, right)).take("link", right + 600)
    ahead = await opened(database, right + HOURS)
    await ahead.forget_old()
    assert not await (await opened(database, right)).take("link", right + 600)


async def test_an_end_that_became_visible_late_is_seen(database: Database) -> None:
    """Ours: a transaction may commit after another one that took its time later."""
    ended = await opened(database)
    async with asyncio.timeout(60):
        took, commits = asyncio.Event(), asyncio.Event()
        late = database.write(end_slowly, took, commits)
        await took.wait()
        await ended.add("after", NOW + 1)
        await ended.look()
        commits.set()
        await late
    await ended.look()
    assert len(await database.read(digests)) == 2
    other = await opened(database)
    assert ended.count == other.count == 2


async def end_slowly(connection: Connection, took: asyncio.Event, commits: asyncio.Event) -> None:
    await connection.execute("INSERT INTO ended_sessions (digest, expires_at) VALUES ('\\x00', 2e9)")
    took.set()
    await commits.wait()


async def test_the_rows_tell_nobody_an_id(database: Database) -> None:
    """Ours: an id is a key to a session, for as long as another replica has not read of its end."""
    await (await opened(database)).add("the-id-of-a-session", NOW + 1)
    [digest] = await database.read(digests)
    assert b"the-id" not in digest


async def test_an_end_that_cannot_be_kept_is_an_error(database: Database) -> None:
    """Ours: nobody is told that a session has ended which lives on."""
    ended = await opened(database)
    await database.call(drop)
    with pytest.raises(Exception, match="ended_sessions"):
        await ended.add("a", NOW + 1)
    assert not ended.contains("a")


async def test_a_server_that_is_away_is_an_error_of_the_system(postgres_server: Server, database: Database) -> None:
    ended = await opened(database)
    postgres_server.stop()
    try:
        with pytest.raises(OSError, match="does not answer"):
            await ended.take("a", NOW + 1)
    finally:
        postgres_server.start()
    assert not ended.contains("a")


async def test_a_replica_keeps_up_by_itself_and_at_once_when_it_is_told(database: Database) -> None:
    here, there = await opened(database), await opened(database)
    following = asyncio.create_task(there.keep_up())
    try:
        await here.add("a", NOW + 1)
        there.look_soon()
        await until(lambda: there.contains("a"))
    finally:
        following.cancel()


async def count(connection: Connection) -> int:
    return len(await connection.fetch("SELECT FROM ended_sessions"))


async def digests(connection: Connection) -> list[bytes]:
    return [row[0] for row in await connection.fetch("SELECT digest FROM ended_sessions")]


async def drop(connection: Connection) -> None:
    await connection.execute("DROP TABLE ended_sessions")
