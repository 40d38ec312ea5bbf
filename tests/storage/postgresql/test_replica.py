"""The life of a replica: it renews its lease, finds it gone after a long sleep, and learns of stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from service.images import WorkError
from service.storage.notices import StopWanted
from service.storage.postgresql import replica as module
from service.storage.postgresql.database import Database
from service.storage.postgresql.leases import Held, LeaseLostError, claim_lease
from service.storage.postgresql.notices import PostgresNotices
from service.storage.postgresql.replica import PostgresReplica
from tests.scale.postgres import Server, database_of
from tests.stores import Clock
from tests.wire import until

INSERT_JOB = """
    INSERT INTO jobs (owner, history_id, state, model, prompt, parameters, upstream, fingerprint, lease, created_at,
        stop_wanted)
    VALUES ('anna', 7, 'working', 'm', 'p', '{}', 'kiln', '', 'one', 0, true),
        ('anna', 8, 'working', 'm', 'p', '{}', 'kiln', '', 'one', 0, NULL),
        ('anna', 9, 'working', 'm', 'p', '{}', 'kiln', '', 'two', 0, true)
"""


async def tables(url: str) -> None:
    await (await Database.open(url)).close()


class Life:
    """One replica with a clock of the test's, and what it was told to stop."""

    def __init__(self, url: str, server: Server, database: Database) -> None:
        self.server, self.name, self.database = server, database_of(url), database
        self.clock, self.lease = Clock(0.0), Held("one")
        notices = PostgresNotices(database, self.lease, url, "EASEL_DATABASE_LISTEN_URL")
        self.replica = PostgresReplica(database, self.lease, notices, self.clock)
        self.stopped: list[StopWanted] = []
        self.lost: list[str] = []
        self.replica.stop = self.stopped.append
        self.replica.lost = self.lose

    async def lose(self) -> None:
        self.lost.append(self.lease.id)

    async def sql(self, statement: str) -> None:
        await self.server.run(statement, self.name)

    async def leases(self) -> dict[str, bool]:
        """Each lease, and whether it lives."""
        async with self.server.connected(self.name) as connection:
            return {row[0]: row[1] for row in await connection.fetch("SELECT id, lives(id) FROM leases")}


@pytest.fixture
async def life(postgres_server: Server) -> AsyncIterator[Life]:
    async with postgres_server.database(tables) as url:
        database = await Database.open(url)
        await database.call(claim_lease, "one")
        yield Life(url, postgres_server, database)
        await database.close()


async def test_a_renewal_keeps_the_lease_and_counts_those_who_live(life: Life) -> None:
    await life.sql("INSERT INTO leases (id) VALUES ('two')")
    await life.sql("INSERT INTO leases VALUES ('three', clock_timestamp() - interval '20 s')")
    await life.sql("UPDATE leases SET seen_at = clock_timestamp() - interval '9 s' WHERE id = 'one'")
    assert await life.replica.renew()
    assert (await life.leases())["one"]
    assert (life.replica.living, life.lost) == (2, [])


async def test_a_replica_whose_lease_is_gone_stops_its_jobs_before_it_begins_anew(life: Life) -> None:
    """Ours: with the new lease, what is left of the old jobs must have nothing more to write."""
    await life.sql("DELETE FROM leases")
    assert not await life.replica.renew()
    assert life.lost == ["one"]
    assert await life.leases() == {life.lease.id: True}
    assert life.lease.id != "one"
    assert await life.replica.renew()


async def test_a_process_that_slept_looks_before_it_asks_for_something_that_costs(life: Life) -> None:
    await life.replica.check()
    await life.sql("DELETE FROM leases")
    await life.replica.check()
    life.clock.now += module.FRESH_S
    with pytest.raises(LeaseLostError):
        await life.replica.check()
    await life.replica.check()


async def test_without_the_database_nothing_that_costs_is_asked_for(life: Life) -> None:
    life.clock.now += module.FRESH_S
    life.server.stop()
    try:
        with pytest.raises(WorkError):
            await life.replica.check()
    finally:
        life.server.start()


async def test_stops_that_no_notice_told_of_are_found(life: Life) -> None:
    """Ours: a notice is a hint; that a person cancels must not get lost."""
    await life.sql(INSERT_JOB)
    await life.replica.renew()
    assert life.stopped == [StopWanted("anna", 7, for_good=True)]


async def test_a_lease_is_renewed_again_and_again_also_after_a_database_that_was_gone(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EACH_S", 0.02)
    monkeypatch.setattr(module, "AGAIN_S", 0.02)
    renewing = asyncio.create_task(life.replica.keep_alive())
    life.server.stop()
    life.server.start()
    await life.sql("INSERT INTO leases VALUES ('two')")
    await until(lambda: life.replica.living == 2)
    renewing.cancel()
    with suppress(asyncio.CancelledError):
        await renewing


@pytest.mark.parametrize("how", ["renewed", "begun"])
async def test_after_a_database_that_was_gone_for_all_nobody_is_dead(life: Life, how: str) -> None:
    """Ours: whoever comes back first would end the jobs of all others, which still have their pictures in hand."""
    await life.sql("INSERT INTO leases (id) VALUES ('two')")
    await life.sql("INSERT INTO leases VALUES ('dead', clock_timestamp() - interval '2 hours')")
    await life.sql("UPDATE leases SET seen_at = seen_at - interval '60 s'")
    assert (await life.leases())["two"]
    if how == "renewed":
        assert await life.replica.renew()
    else:
        await life.database.call(claim_lease, "three")
    assert await life.leases() == {"one": True, "two": True, "dead": False} | (
        {"three": True} if how == "begun" else {}
    )


async def test_a_replica_that_alone_is_silent_is_dead(life: Life) -> None:
    await life.sql("INSERT INTO leases VALUES ('two', clock_timestamp() - interval '11 s')")
    assert await life.leases() == {"one": True, "two": False}


async def test_what_replicas_take_of_a_limit_adds_up_and_is_earned_back(life: Life) -> None:
    """Ours: of the time by the clock of the database, whatever the replicas' own clocks say."""
    assert await life.replica.share({"anna": 10.0, "": 4.0}) == pytest.approx({"anna": 10.0, "": 4.0}, abs=0.5)
    assert await life.replica.share({"anna": 5.0}) == pytest.approx({"anna": 15.0}, abs=1)
    await life.sql("UPDATE taken_requests SET earned_back_at = earned_back_at - interval '60 s'")
    assert await life.replica.share({"anna": 1.0}) == pytest.approx({"anna": 1.0}, abs=0.5)
