"""Kept results of reads at several replicas: the same object while nobody changed anything, and never an old one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import pytest

from service.storage.postgresql import kept_reads
from service.storage.postgresql.database import Database
from service.storage.postgresql.kept_reads import Found, KeptReads
from service.storage.postgresql.leases import Held
from service.storage.postgresql.store import PostgresStore
from service.storage.store import Search
from tests.scale.postgres import Server, database_of
from tests.stores import begin, made, make_tables

ALL = Search()


class Watched(Database):
    """A database that counts its reads, and holds their answers back while `gate` is closed."""

    reads = 0
    answered = 0

    async def read(self, work: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
        self.reads += 1
        result = await super().read(work, *args, **kwargs)
        self.answered += 1
        await self.gate.wait()
        return result

    @property
    def gate(self) -> asyncio.Event:
        """Open from the beginning."""
        if not hasattr(self, "_gate"):
            self._gate = asyncio.Event()
            self._gate.set()
        return self._gate

    async def reach(self, answered: int) -> None:
        """Wait until so many answers have come, some of which may be held back."""
        while self.answered < answered:  # noqa: ASYNC110 - an answer comes from outside
            await asyncio.sleep(0.001)


Open: TypeAlias = Callable[[str], Awaitable[PostgresStore]]


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(make_tables) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Watched]:
    opened = await Watched.open(url)
    yield opened
    opened.gate.set()
    await opened.close()


@pytest.fixture
async def here(database: Watched) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(database, Held("here"))
    yield store
    database.gate.set()
    await store.close()


@pytest.fixture
async def there(url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(await Database.open(url), Held("there"))
    yield store
    await store.close()


async def test_what_its_owner_did_not_change_is_not_read_again(here: PostgresStore, there: PostgresStore) -> None:
    """Ours: of a hundred replicas some write at any moment, each for its own callers."""
    await made(here, "a red fox", "a.png")
    page, counts = await here.page("ann", ALL, 5), await here.counts("ann")
    await made(there, "a blue fox", "b.png", owner="ben")
    assert await here.page("ann", ALL, 5) is page
    assert await here.counts("ann") is counts
    assert await here.page("ann", ALL, 4) is not page


async def test_who_has_nothing_yet_is_kept_as_well(here: PostgresStore, there: PostgresStore) -> None:
    assert await here.page("ann", ALL, 5) is await here.page("ann", ALL, 5)
    await made(there, "a red fox", "a.png")
    assert (await here.page("ann", ALL, 5)).total == 1


async def test_calls_that_come_together_share_a_look(here: PostgresStore, database: Watched) -> None:
    owners = [f"person {number}" for number in range(20)]
    for owner in owners:
        await here.counts(owner)
    before = database.reads
    await asyncio.gather(*(here.counts(owner) for owner in owners * 5))
    assert database.reads == before + 1


async def test_a_call_does_not_share_a_look_that_began_before_it(
    here: PostgresStore, there: PostgresStore, database: Watched
) -> None:
    """Ours: the look under way may be older than what another replica has answered meanwhile."""
    await here.counts("ann")
    database.gate.clear()
    reached = database.answered + 1
    first = asyncio.ensure_future(here.counts("ann"))
    await database.reach(reached)
    await made(there, "a red fox", "a.png")
    second = asyncio.ensure_future(here.counts("ann"))
    await asyncio.sleep(0)  # it begins to wait
    database.gate.set()
    await first
    assert (await second)[0].done == 1


async def test_a_result_that_was_overtaken_by_a_write_is_read_again(
    here: PostgresStore, there: PostgresStore, database: Watched
) -> None:
    """Ours: it is kept with the version that was read together with it."""
    database.gate.clear()
    reached = database.answered + 1
    first = asyncio.ensure_future(here.page("ann", ALL, 5))
    await database.reach(reached)
    await made(there, "a red fox", "a.png")
    database.gate.set()
    assert (await first).total == 0
    assert (await here.page("ann", ALL, 5)).total == 1


async def test_a_call_that_is_cancelled_takes_the_look_from_nobody(here: PostgresStore, database: Watched) -> None:
    await here.counts("ann")
    database.gate.clear()
    reached = database.answered + 1
    given_up, other = (asyncio.ensure_future(here.counts("ann")) for _ in range(2))
    await database.reach(reached)
    given_up.cancel()
    database.gate.set()
    assert (await other)[0].done == 0
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_a_look_that_fails_does_so_for_those_who_wait_and_no_others(
    here: PostgresStore, postgres_server: Server, url: str
) -> None:
    await here.counts("ann")
    await postgres_server.run("ALTER TABLE versions RENAME TO others", database_of(url))
    failures = await asyncio.gather(*(here.counts("ann") for _ in range(3)), return_exceptions=True)
    assert {type(each) for each in failures} == {asyncpg.UndefinedTableError}
    await postgres_server.run("ALTER TABLE others RENAME TO versions", database_of(url))
    assert (await here.counts("ann"))[0].done == 0


async def test_owners_do_not_see_what_was_kept_for_others(here: PostgresStore) -> None:
    await made(here, "a red fox", "a.png", owner="ann")
    assert (await here.page("ann", ALL, 5)).total == 1
    assert (await here.page("ben", ALL, 5)).total == 0
    assert (await here.counts("ben"))[1].entries == 0


async def test_a_picture_whose_file_is_nobodys_is_seen_to_go(here: PostgresStore, there: PostgresStore) -> None:
    """Ours: a file that was found on the disk has no owner, and a picture of the history may have its name."""
    job = await made(here, "a red fox", "a.png")
    await there.forget_files(["a.png"])
    await there.add_file("", "a.png", 10)
    assert (await here.page("ann", ALL, 5)).jobs[0].pictures[0].kept
    await there.forget_files(["a.png"])
    assert not (await here.page("ann", ALL, 5)).jobs[0].pictures[0].kept
    assert await here.job("ann", job.history_id) == (await here.page("ann", ALL, 5)).jobs[0]


async def test_a_change_that_is_taken_back_leaves_the_version(
    here: PostgresStore, postgres_server: Server, url: str
) -> None:
    await made(here, "a red fox", "a.png")
    page = await here.page("ann", ALL, 5)
    async with postgres_server.connected(database_of(url)) as connection:
        await connection.execute("BEGIN; UPDATE jobs SET prompt = 'a blue fox'; ROLLBACK")
        assert await here.page("ann", ALL, 5) is page
        await connection.execute("UPDATE jobs SET prompt = 'a blue fox'")
    assert (await here.page("ann", ALL, 5)).jobs[0].prompt == "a blue fox"


async def test_a_number_that_a_transaction_has_once_more_is_another_version(
    here: PostgresStore, postgres_server: Server, url: str
) -> None:
    """Ours: after a failover that lost the last transactions the next ones have their numbers."""
    await made(here, "a red fox", "a.png")
    assert (await here.page("ann", ALL, 5)).total == 1
    async with postgres_server.connected(database_of(url)) as connection:
        version: str = await connection.fetchval("SELECT version FROM versions")
        await connection.execute("SET session_replication_role = replica")  # no trigger notes a change
        await connection.execute("UPDATE jobs SET prompt = 'a blue fox'")
        await connection.execute("UPDATE versions SET version = $1", f"{version.split(maxsplit=1)[0]} 1.000000")
    assert (await here.page("ann", ALL, 5)).jobs[0].prompt == "a blue fox"


async def test_long_pages_are_read_again(here: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: the memory is bounded; a thousand people may look at theirs."""
    monkeypatch.setattr(kept_reads, "LONGEST", 1_000)
    await made(here, "fox " * 500, "a.png")
    assert await here.page("ann", ALL, 5) is not await here.page("ann", ALL, 5)


async def test_so_many_results_are_kept(database: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_reads, "MOST", 3)
    kept, read = KeptReads(database), []

    async def result(key: int) -> Found[int]:
        read.append(key)
        return Found(kept_reads.NONE, 0, key)

    for key in (1, 2, 3, 4, 2, 3, 4, 1):
        assert await kept.get("ann", key, partial(result, key)) == key
    assert read == [1, 2, 3, 4, 1]


async def test_a_closed_database_has_its_own_words(here: PostgresStore) -> None:
    await here.counts("ann")
    await here.close()
    with pytest.raises(RuntimeError, match="closed"):
        await here.counts("ann")


async def test_what_begins_is_seen_before_it_ends(here: PostgresStore, there: PostgresStore) -> None:
    assert (await here.counts("ann"))[0].working == 0
    working = await begin(there)
    assert [job.history_id for job in (await here.page("ann", ALL, 5)).jobs] == [working.history_id]
    assert (await here.counts("ann"))[0].working == 1
