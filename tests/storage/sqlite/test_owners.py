"""A history that goes to another owner, and the use of each owner by month."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.costs import Price
from service.images import ImageRequest, Parent, Reference
from service.storage.sqlite import limits as sqlite_limits
from service.storage.sqlite import owners as sqlite_owners
from service.storage.sqlite.limits import Pause
from service.storage.sqlite.owners import AtWorkError, Given, Use
from service.storage.sqlite.store import SqliteStore
from service.storage.store import Search, Totals
from tests.stores import POLICY, Clock, begin, made, open_sqlite, picture

NOVEMBER = 1_795_867_200.0
"""28 November 2026, 12:00 UTC."""

DAY_S = 86_400
PARENT = Reference(origin="history_id 1, picture 1", parent=Parent(history_id=1, picture=1))


@pytest.fixture
def clock() -> Clock:
    return Clock(NOVEMBER)


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    opened = await open_sqlite(tmp_path, clock)
    yield opened
    await opened.close()


async def found(store: SqliteStore, owner: str, query: str) -> list[int]:
    page = await store.page(owner, Search(query=query), 10)
    return [job.history_id for job in page.jobs]


async def numbers(store: SqliteStore, owner: str) -> list[tuple[int, str]]:
    return [(job.history_id, job.prompt) for job in await store.jobs(owner, 10)]


async def test_a_history_goes_to_a_name_that_has_none_as_it_is(store: SqliteStore) -> None:
    await made(store, "a fox", "1.png")
    await made(store, "an owl", "2.png")
    given = await store.database.write(sqlite_owners.give, "ann", "cat")
    assert given == Given(entries=2, pictures=2, added=0)
    assert await numbers(store, "cat") == [(2, "an owl"), (1, "a fox")]
    assert await numbers(store, "ann") == []
    assert await store.owns_file("cat", "1.png")
    assert not await store.owns_file("ann", "1.png")
    assert await store.totals("cat") == Totals(working=0, done=2, failed=0, pictures=2, picture_bytes=2000)
    assert await store.totals("ann") == Totals(working=0, done=0, failed=0, pictures=0, picture_bytes=0)
    assert ((await store.files_total("cat")).entries, (await store.files_total("ann")).entries) == (2, 0)


@pytest.mark.parametrize("rename", [True, False])
async def test_a_history_stays_while_something_of_it_is_being_drawn(store: SqliteStore, rename: bool) -> None:
    """Bug: a picture that began after `history give` or `token rename` had looked was paid for and found no row."""
    job = await begin(store)
    with pytest.raises(AtWorkError, match="1 picture of ann is being drawn"):
        await store.database.write(sqlite_owners.give, "ann", "cat", rename=rename)
    done = await store.finish(job, [picture("1.png")])
    assert (done.owner, len(done.pictures)) == ("ann", 1)
    await store.database.write(sqlite_owners.give, "ann", "cat", rename=rename)
    assert [each.owner for each in await store.jobs("cat", 10)] == ["cat"]


async def test_a_history_goes_behind_the_one_that_is_there(store: SqliteStore) -> None:
    """Ours: numbers of both histories would collide, and every list goes by the order of rows and numbers alike."""
    await made(store, "ann's first fox", "1.png")
    await made(store, "ben's first fox", "2.png", owner="ben")
    child = ImageRequest(model="m", prompt="ann's second fox", references=(PARENT,), mask=PARENT)
    job = await begin(store, "ann", child)
    await store.finish(job, [picture("3.png")])
    await made(store, "ben's second fox", "4.png", owner="ben")
    given = await store.database.write(sqlite_owners.give, "ann", "ben")
    assert given == Given(entries=2, pictures=2, added=2)
    everything = [
        (4, "ann's second fox"),
        (3, "ann's first fox"),
        (2, "ben's second fox"),
        (1, "ben's first fox"),
    ]
    assert await numbers(store, "ben") == everything
    assert await found(store, "ben", "fox") == [4, 3, 2, 1]
    assert await found(store, "ben", "ann's second") == [4]
    assert await found(store, "ann", "fox") == []
    assert await store.children("ben", 3) == [(4, 1)]
    assert await store.children("ben", 1) == []
    second = await store.job("ben", 4)
    assert second is not None
    assert second.parents == (Parent(history_id=3, picture=1),)
    assert second.parameters == {"references": ["history_id 3, picture 1"], "mask": "history_id 3, picture 1"}
    assert [each.name for each in second.pictures] == ["3.png"]
    older = await store.jobs("ben", 2, before=4)
    assert [job.history_id for job in older] == [3, 2]
    paged = await store.page("ben", Search(newest=3), 10)
    assert [job.history_id for job in paged.jobs] == [4, 3, 2]


async def test_no_number_is_given_twice_afterwards(store: SqliteStore) -> None:
    """Ours: an old chat that names one must not come upon another picture."""
    await made(store, "a fox")
    await made(store, "an owl", owner="ben")
    await store.database.write(sqlite_owners.give, "ann", "ben")
    assert (await made(store, "a tree", owner="ben")).history_id == 3
    assert (await made(store, "a tree", owner="ann")).history_id == 2
    assert await found(store, "ben", "tree") == [3]
    deleted = await store.delete("ben", 2)
    assert deleted == []
    assert await numbers(store, "ben") == [(3, "a tree"), (1, "an owl")]


async def test_the_use_stays_with_the_name_that_had_it_unless_it_is_renamed(store: SqliteStore, clock: Clock) -> None:
    await made(store, "a fox", "1.png")
    await store.database.write(sqlite_limits.pause, Pause(owner="ann", since=NOVEMBER, until=None))
    await store.database.write(sqlite_owners.give, "ann", "ben")
    assert [each.owner for each in await store.database.read(sqlite_owners.use_by_month)] == ["ann"]
    await store.database.write(sqlite_owners.give, "ann", "anne", rename=True)
    assert [each.owner for each in await store.database.read(sqlite_owners.use_by_month)] == ["anne"]
    assert [each.owner for each in await store.database.read(sqlite_limits.pauses)] == ["anne"]


HALF = {"USD": 0.5}


async def test_the_use_is_counted_by_month_and_stays_when_pictures_go(store: SqliteStore, clock: Clock) -> None:
    """Ours: whoever deletes a picture has had it drawn all the same."""
    job = await begin(store, "ann", ImageRequest(model="m", prompt="two", price=Price(picture=0.5)))
    clock.now += 12
    await store.finish(job, [picture("1.png"), picture("2.png")])
    job = await begin(store, "ann", ImageRequest(model="m", prompt="none", price=Price(picture=0.5)))
    clock.now += 3
    await store.fail(job, POLICY)
    clock.now += 5 * DAY_S
    job = await begin(store, "ben")
    await store.finish(job, [picture("3.png")])
    await store.delete("ann", 1)
    everybody = [
        Use(month="2026-12", owner="ben", pictures=1, failed=0, seconds=0.0),
        Use(month="2026-11", owner="ann", pictures=2, failed=1, seconds=15.0, costs=HALF, estimated=HALF),
    ]
    assert await store.database.read(sqlite_owners.use_by_month) == everybody
    assert await store.database.read(sqlite_owners.use_by_month, "2026-11") == everybody[1:]


async def test_a_picture_that_is_fetched_later_ends_a_failure(store: SqliteStore) -> None:
    """Ours: a failed job with links left becomes a done one, and then it did not fail."""
    job = await store.fail(await begin(store), POLICY, ["https://pictures.example.com/1"])
    await store.recover(job, [picture("1.png")])
    [use] = await store.database.read(sqlite_owners.use_by_month)
    assert (use.pictures, use.failed) == (1, 0)


async def test_a_holding_counts_all_that_an_owner_has(store: SqliteStore) -> None:
    assert (await store.database.read(sqlite_owners.holding, "ann")).is_empty
    await made(store, "a fox", "1.png")
    await begin(store)
    await store.add_file("ann", "reference.png", 10)
    holds = await store.database.read(sqlite_owners.holding, "ann")
    assert (holds.newest, holds.working, holds.ended, holds.pictures, holds.files) == (2, 1, 1, 1, 2)
    assert not holds.is_empty
    await store.add_file("", "strange.png", 10)
    await store.add_file("dan", "sent.png", 10)
    assert await store.database.read(sqlite_owners.owners) == ["ann", "dan"]
