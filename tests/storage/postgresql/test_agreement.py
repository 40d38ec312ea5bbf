"""The facts that replicas agree upon when they start."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from service.storage.postgresql.agreement import ClockError, DisagreementError, agree
from service.storage.postgresql.database import Database
from tests.scale.postgres import Server, database_of

OURS = {"secret": "one", "place of pictures": "s3://easel/"}


async def tables(url: str) -> None:
    await (await Database.open(url)).close()


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(tables) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = await Database.open(url)
    yield opened
    await opened.close()


async def test_replicas_with_the_same_facts_start_side_by_side(database: Database) -> None:
    await asyncio.gather(*(database.write(agree, f"lease {number}", OURS, time.time) for number in range(5)))


@pytest.mark.parametrize("name", OURS)
async def test_one_with_another_fact_is_refused_and_leaves_nothing(
    database: Database, url: str, postgres_server: Server, name: str
) -> None:
    """Ours: half of all links and sessions would be dead, or half of the pictures not found."""
    await database.write(agree, "first", OURS, time.time)
    with pytest.raises(DisagreementError) as refused:
        await database.write(agree, "second", {**OURS, name: "another"}, time.time)
    assert refused.value.name == name
    async with postgres_server.connected(database_of(url)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM leases") == 1
    await database.write(agree, "third", OURS, time.time)


async def test_of_two_that_start_at_once_one_is_refused(database: Database) -> None:
    starting = [database.write(agree, name, {"secret": name}, time.time) for name in ("one", "two")]
    ended = await asyncio.gather(*starting, return_exceptions=True)
    assert [type(each) for each in ended if isinstance(each, BaseException)] == [DisagreementError]


async def test_where_nobody_else_lives_another_fact_counts_from_now_on(
    database: Database, url: str, postgres_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: a secret that leaked has to be changed; the log says what that ends."""
    await database.write(agree, "first", OURS, time.time)
    await postgres_server.run("DELETE FROM leases", database_of(url))
    await database.write(agree, "second", {**OURS, "secret": "new"}, time.time)
    assert "The secret is another one than before" in caplog.text
    with pytest.raises(DisagreementError):
        await database.write(agree, "third", OURS, time.time)


@pytest.mark.parametrize(("ahead_s", "words"), [(7200, "7200 s ahead of its own"), (-7200, "7200 s behind its own")])
async def test_a_clock_that_is_hours_off_is_refused(
    database: Database, url: str, postgres_server: Server, ahead_s: float, words: str
) -> None:
    """Ours: its files would be the newest for hours, and work of others would be given up as too old."""
    with pytest.raises(ClockError, match=words):
        await database.write(agree, "first", OURS, lambda: time.time() + ahead_s)
    async with postgres_server.connected(database_of(url)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM leases") == 0


async def test_a_clock_that_is_minutes_off_is_noted(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await database.write(agree, "first", OURS, lambda: time.time() - 120)
    assert "is 120 s off that of the database" in caplog.text


async def test_every_replica_learns_the_identity_of_the_database(
    database: Database, url: str, postgres_server: Server
) -> None:
    """Ours: it names what lies elsewhere, and no setting changes it; another database has another one."""
    first = await database.write(agree, "first", OURS, time.time)
    assert await database.write(agree, "second", OURS, time.time) == first
    await postgres_server.run("DELETE FROM leases", database_of(url))
    assert await database.write(agree, "third", {**OURS, "secret": "new"}, time.time) == first
    async with postgres_server.database() as elsewhere:
        other = await Database.open(elsewhere)
        assert await other.write(agree, "first", OURS, time.time) != first
        await other.close()
