"""A history that goes to another owner, and the use of each owner by month."""

import pytest

from service.costs import Price
from service.images import ImageRequest, Parent, Reference
from service.storage.people import AtWorkError, Given, Pause, People, Use
from service.storage.store import Search, Store, Totals
from tests.engines import Process
from tests.storage.contract.conftest import Open
from tests.stores import POLICY, Clock, begin, made, picture

NOVEMBER = 1_795_867_200.0
"""28 November 2026, 12:00 UTC."""

DAY_S = 86_400
PARENT = Reference(origin="history_id 1, picture 1", parent=Parent(history_id=1, picture=1))


@pytest.fixture
def clock() -> Clock:
    return Clock(NOVEMBER)


@pytest.fixture
async def process(open_process: Open, clock: Clock) -> Process:
    return await open_process("a", clock)


@pytest.fixture
def store(process: Process) -> Store:
    return process.store


@pytest.fixture
def people(process: Process) -> People:
    return process.people


async def found(store: Store, owner: str, query: str) -> list[int]:
    page = await store.page(owner, Search(query=query), 10)
    return [job.history_id for job in page.jobs]


async def numbers(store: Store, owner: str) -> list[tuple[int, str]]:
    return [(job.history_id, job.prompt) for job in await store.jobs(owner, 10)]


async def test_a_history_goes_to_a_name_that_has_none_as_it_is(store: Store, people: People) -> None:
    await made(store, "a fox", "1.png")
    await made(store, "an owl", "2.png")
    given = await people.give("ann", "cat")
    assert given == Given(entries=2, pictures=2, added=0)
    assert await numbers(store, "cat") == [(2, "an owl"), (1, "a fox")]
    assert await numbers(store, "ann") == []
    assert await store.owns_file("cat", "1.png")
    assert not await store.owns_file("ann", "1.png")
    assert await store.totals("cat") == Totals(working=0, done=2, failed=0, pictures=2, picture_bytes=2000)
    assert await store.totals("ann") == Totals(working=0, done=0, failed=0, pictures=0, picture_bytes=0)
    assert ((await store.files_total("cat")).entries, (await store.files_total("ann")).entries) == (2, 0)


@pytest.mark.parametrize("rename", [True, False])
async def test_a_history_stays_while_something_of_it_is_being_drawn(store: Store, people: People, rename: bool) -> None:
    """Bug: a picture that began after `history give` or `token rename` had looked was paid for and found no row."""
    job = await begin(store)
    with pytest.raises(AtWorkError, match="1 picture of ann is being drawn"):
        await (people.rename("ann", "cat") if rename else people.give("ann", "cat"))
    done = await store.finish(job, [picture("1.png")])
    assert (done.owner, len(done.pictures)) == ("ann", 1)
    await (people.rename("ann", "cat") if rename else people.give("ann", "cat"))
    assert [each.owner for each in await store.jobs("cat", 10)] == ["cat"]


async def test_a_history_goes_behind_the_one_that_is_there(store: Store, people: People) -> None:
    """Ours: numbers of both histories would collide, and every list goes by the order of rows and numbers alike."""
    await made(store, "ann's first fox", "1.png")
    await made(store, "ben's first fox", "2.png", owner="ben")
    child = ImageRequest(model="m", prompt="ann's second fox", references=(PARENT,), mask=PARENT)
    job = await begin(store, "ann", child)
    await store.finish(job, [picture("3.png")])
    await made(store, "ben's second fox", "4.png", owner="ben")
    given = await people.give("ann", "ben")
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


async def test_no_number_is_given_twice_afterwards(store: Store, people: People) -> None:
    """Ours: an old chat that names one must not come upon another picture."""
    await made(store, "a fox")
    await made(store, "an owl", owner="ben")
    await people.give("ann", "ben")
    assert (await made(store, "a tree", owner="ben")).history_id == 3
    assert (await made(store, "a tree", owner="ann")).history_id == 2
    assert await found(store, "ben", "tree") == [3]
    deleted = await store.delete("ben", 2)
    assert deleted == []
    assert await numbers(store, "ben") == [(3, "a tree"), (1, "an owl")]


async def test_the_use_stays_with_the_name_that_had_it_unless_it_is_renamed(
    store: Store, people: People, clock: Clock
) -> None:
    await made(store, "a fox", "1.png")
    await people.pause(Pause(owner="ann", since=NOVEMBER, until=None))
    await people.give("ann", "ben")
    assert [each.owner for each in await people.use_by_month()] == ["ann"]
    await people.rename("ann", "anne")
    assert [each.owner for each in await people.use_by_month()] == ["anne"]
    assert [each.owner for each in await people.pauses()] == ["anne"]


HALF = {"USD": 0.5}


async def test_the_use_is_counted_by_month_and_stays_when_pictures_go(
    store: Store, people: People, clock: Clock
) -> None:
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
    assert await people.use_by_month() == everybody
    assert await people.use_by_month("2026-11") == everybody[1:]


async def test_a_picture_that_is_fetched_later_ends_a_failure(store: Store, people: People) -> None:
    """Ours: a failed job with links left becomes a done one, and then it did not fail."""
    job = await store.fail(await begin(store), POLICY, ["https://pictures.example.com/1"])
    await store.recover(job, [picture("1.png")])
    [use] = await people.use_by_month()
    assert (use.pictures, use.failed) == (1, 0)


async def test_a_holding_counts_all_that_an_owner_has(store: Store, people: People) -> None:
    assert (await people.holding("ann")).is_empty
    await made(store, "a fox", "1.png")
    await begin(store)
    await store.add_file("ann", "reference.png", 10)
    holds = await people.holding("ann")
    assert (holds.newest, holds.working, holds.ended, holds.pictures, holds.files) == (2, 1, 1, 1, 2)
    assert not holds.is_empty
    await store.add_file("", "strange.png", 10)
    await store.add_file("dan", "sent.png", 10)
    assert await people.owners() == ["ann", "dan"]
