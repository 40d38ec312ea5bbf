"""The leases of replicas: alive while they are renewed, and dead for good once they were found dead."""

from collections.abc import AsyncIterator

import pytest

from service.storage.postgresql.database import Connection, Database
from service.storage.postgresql.leases import DEAD_S, IS_ALIVE, claim_lease, release_lease, renew_lease
from service.storage.postgresql.schema import FOLDER
from tests.scale.postgres import Server
from tests.stores import make_tables


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[Database]:
    async with postgres_server.database(make_tables) as url:
        opened = await Database.open(url)
        yield opened
        await opened.close()


async def lives(connection: Connection, lease: str) -> tuple[bool, bool]:
    """What the condition of SQL says, and what the function of the migrations does."""
    row = await connection.fetchrow(f"SELECT {IS_ALIVE.format('$1::text')}, lives($1)", lease)
    assert row is not None
    return row[0], row[1]


async def age(connection: Connection, lease: str, seconds: float) -> None:
    await connection.execute(
        "UPDATE leases SET seen_at = clock_timestamp() - make_interval(secs => $2) WHERE id = $1", lease, seconds
    )


async def test_a_lease_lives_while_it_is_renewed(database: Database) -> None:
    assert await database.read(lives, "a") == (False, False)
    await database.call(claim_lease, "a")
    assert await database.read(lives, "a") == (True, True)
    await database.call(age, "a", DEAD_S + 1)
    assert await database.read(lives, "a") == (False, False)
    assert await database.call(renew_lease, "a"), "nobody had found it dead yet"
    assert await database.read(lives, "a") == (True, True)


async def test_a_lease_that_is_gone_is_not_renewed(database: Database) -> None:
    await database.call(claim_lease, "a")
    await database.call(release_lease, "a")
    assert not await database.call(renew_lease, "a")
    assert await database.read(lives, "a") == (False, False)


def test_the_functions_have_the_same_number() -> None:
    text = "".join(each.read_text() for each in FOLDER.iterdir())
    assert text.count(f"interval '{DEAD_S} s'") == text.count("interval '") > 0
