"""The leases of replicas: alive while they are renewed, and dead for good once they were found dead."""

from collections.abc import AsyncIterator

import pytest

from service.storage.postgresql.database import Connection, Database
from service.storage.postgresql.leases import DEAD_S, claim_lease, release_lease
from tests.scale.postgres import Server
from tests.stores import make_tables


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[Database]:
    async with postgres_server.database(make_tables) as url:
        opened = await Database.open(url)
        yield opened
        await opened.close()


async def lives(connection: Connection, lease: str) -> bool:
    return bool(await connection.fetchval("SELECT lives($1)", lease))


async def age(connection: Connection, lease: str, seconds: float) -> None:
    await connection.execute(
        "UPDATE leases SET seen_at = clock_timestamp() - make_interval(secs => $2) WHERE id = $1", lease, seconds
    )


async def test_a_lease_lives_until_it_is_old_or_given_up(database: Database) -> None:
    assert not await database.read(lives, "a")
    for lease in ("a", "b"):
        await database.call(claim_lease, lease)
    assert await database.read(lives, "a")
    await database.call(age, "a", DEAD_S - 1)
    assert await database.read(lives, "a")
    await database.call(age, "a", DEAD_S + 1)
    assert not await database.read(lives, "a")
    await database.call(claim_lease, "a")
    await database.call(release_lease, "a")
    assert not await database.read(lives, "a")
