"""Jobs of replicas that share a database: one job for each request, and one follower for each job."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from service.bounds.limits import UNLIMITED, Allowances, LimitError
from service.costs import Price
from service.images import INTERRUPTED, INTERRUPTED_SUBMITTED, ImageRequest, Job, JobState, WorkError
from service.storage.postgresql import jobs
from service.storage.postgresql.database import Connection, Database
from service.storage.postgresql.leases import Held, LeaseLostError
from service.storage.postgresql.store import PostgresStore
from service.storage.store import Begun
from tests.scale.postgres import Server
from tests.stores import POLICY, REQUEST, Clock, begin, make_tables, picture

DIE: Final = "UPDATE leases SET seen_at = '-infinity' WHERE id = $1"
Open = Callable[..., Awaitable[PostgresStore]]


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(make_tables) as url:
        yield url


@pytest.fixture
async def replica(url: str) -> AsyncIterator[Open]:
    """Opens the store of a replica: `await replica("a")`."""
    opened: list[PostgresStore] = []

    async def open_replica(lease: str, allowances: Allowances = UNLIMITED) -> PostgresStore:
        store = await PostgresStore.open(await Database.open(url), Held(lease), Clock(1_000.0), allowances=allowances)
        opened.append(store)
        return store

    yield open_replica
    for store in opened:
        await store.close()


async def die(store: PostgresStore) -> None:
    """Let the replica of this store be one that was not seen for long."""
    lease = store.lease.id

    async def age(connection: Connection) -> None:
        await connection.execute(DIE, lease)

    await store.database.call(age)


async def again(store: PostgresStore, fingerprint: str = "f") -> Begun:
    return await store.begin("ann", REQUEST, "kiln", fingerprint)


async def test_replicas_that_begin_at_once_make_one_job(replica: Open) -> None:
    """Ours: the same call through several replicas is charged once, each time that they meet."""
    stores = [await replica(f"{number}") for number in range(4)]
    for number in range(20):
        begun = await asyncio.gather(*(again(store, f"{number}") for store in stores))
        assert {each.job.history_id for each in begun} == {number + 1}
        assert sorted(each.joined for each in begun) == [False, True, True, True]


async def test_limits_hold_in_the_sum_of_replicas(replica: Open) -> None:
    allowances = Allowances(pairs={**UNLIMITED.pairs, "pictures_per_day": (0, 10), "spend_per_day": (0, 1.0)})
    stores = [await replica(f"{number}", allowances) for number in range(4)]
    fox = ImageRequest(model="m", prompt="a fox", price=Price(picture=0.01))
    asked = [store.begin(f"owner {n}", fox, "kiln", f"{n}") for n in range(8) for store in stores[:1] + stores[1:]]
    said = await asyncio.gather(*asked, return_exceptions=True)
    assert len({each.job.owner for each in said if isinstance(each, Begun)}) == 8
    more = [store.begin("another", fox, "kiln", f"{n}") for n, store in enumerate(stores * 2)]
    ended = await asyncio.gather(*more, return_exceptions=True)
    assert [type(each) for each in ended].count(Begun) == 2
    assert [type(each) for each in ended].count(LimitError) == 6


async def test_jobs_of_a_dead_replica_are_taken_up_once_or_ended(replica: Open) -> None:
    """Ours: of several replicas that look for them at once, one gets each."""
    dead = await replica("dead")
    followed = [await dead.remember_task(await begin(dead), str(number)) for number in range(20)]
    asked = await dead.mark_submitted(await begin(dead))
    unasked = await begin(dead)
    await die(dead)
    stores = [await replica(f"{number}") for number in range(4)]
    claimed = await asyncio.gather(*(store.claim() for store in stores))
    assert sorted(job.history_id for each in claimed for job in each) == [job.history_id for job in followed]
    for job, failure in ((asked, INTERRUPTED_SUBMITTED), (unasked, INTERRUPTED)):
        ended = await stores[0].job("ann", job.history_id)
        assert ended is not None
        assert (ended.state, ended.failure) == (JobState.FAILED, failure)


LOST: Final[dict[str, Callable[[PostgresStore, Job], Awaitable[Job]]]] = {
    "asks": lambda store, job: store.mark_submitted(job),
    "remembers": lambda store, job: store.remember_task(job, "mine"),
    "adds": lambda store, job: store.add_pictures(job, [picture("a.png")]),
    "notes": lambda store, job: store.note_shortfall(job, POLICY),
    "finishes": lambda store, job: store.finish(job, [picture("a.png")]),
    "fails": lambda store, job: store.fail(job, POLICY),
}


@pytest.mark.parametrize("step", LOST.values(), ids=LOST)
async def test_who_lost_a_job_changes_nothing_of_it(
    replica: Open, step: Callable[[PostgresStore, Job], Awaitable[Job]]
) -> None:
    """Ours: a replica that was halted and wakes up neither asks a second time nor writes over what came since."""
    woken, other = await replica("woken"), await replica("other")
    job = await woken.remember_task(await begin(woken), "theirs")
    await die(woken)
    assert await other.claim() == [job]
    with pytest.raises(LeaseLostError) as caught:
        await step(woken, job)
    assert isinstance(caught.value, WorkError)
    assert await other.job("ann", job.history_id) == job
    assert (await other.finish(job, [picture("b.png")])).pictures == (picture("b.png"),)
    assert not await other.owns_file("ann", "a.png")


async def test_who_was_found_dead_begins_nothing_until_it_has_a_new_lease(replica: Open) -> None:
    """Ours: a job of a lease that nobody renews would be ended under the hands of its replica."""
    woken, other = await replica("woken"), await replica("other")
    await begin(woken, "ben")
    await die(woken)
    await other.claim()
    with pytest.raises(LeaseLostError):
        await begin(woken)
    assert await other.jobs("ann", 9) == []
    woken.lease.id = "woken again"
    renewed = await replica("woken again")
    assert (await begin(woken)).state is JobState.WORKING
    assert (await renewed.totals("ann")).working == 1


async def test_who_was_found_dead_takes_nothing_up_until_it_has_a_new_lease(replica: Open) -> None:
    """Ours: two replicas would follow one job, since the next claim takes what no living one has."""
    woken, other, dead = await replica("woken"), await replica("other"), await replica("dead")
    await begin(woken, "ben")
    job = await dead.remember_task(await begin(dead), "theirs")
    await die(woken)
    assert await other.claim() == []  # it ends what the first of them left
    await die(dead)
    assert (await woken.claim(), await woken.claim_one("ann", job.history_id)) == ([], None)
    assert await other.claim_one("ann", job.history_id) == job


async def test_who_is_late_lives_on_by_its_claim(replica: Open) -> None:
    late, other, dead = await replica("late"), await replica("other"), await replica("dead")
    job = await dead.remember_task(await begin(dead), "theirs")
    await die(dead)
    await die(late)
    assert await late.claim() == [job]
    assert await other.claim() == []


async def test_a_replica_that_was_late_and_not_found_goes_on(replica: Open) -> None:
    """Ours: a job that it begins then is its own, and no other replica ends it."""
    late, other = await replica("late"), await replica("other")
    job = await begin(late)
    await die(late)
    assert (await late.finish(job, [picture("a.png")])).state is JobState.DONE
    job = await begin(late)
    assert await other.claim() == []
    assert (await late.finish(job, [picture("a.png")])).state is JobState.DONE


async def test_work_of_a_dead_replica_is_ended_by_who_begins_the_same(replica: Open) -> None:
    other, store = await replica("other"), await replica("new")
    left = (await again(other)).job
    assert await again(store) == Begun(job=left, joined=True)
    await die(other)
    begun = await again(store)
    ended = await store.job("ann", left.history_id)
    assert not begun.joined
    assert ended is not None
    assert ended.failure == INTERRUPTED


async def test_a_job_whose_beginning_was_not_heard_is_ended(replica: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: the answer of a commit can be lost with the connection. Nobody waits for such a job, or is charged."""
    store = await replica("a")
    answers = jobs.begin

    async def lose_the_answer(*args: Any, **kwargs: Any) -> object:
        await answers(*args, **kwargs)
        raise ConnectionResetError

    monkeypatch.setattr(jobs, "begin", lose_the_answer)
    with pytest.raises(WorkError, match="does not answer"):
        await store.begin("ann", REQUEST, "kiln", "f", submitted=1)
    monkeypatch.undo()
    kept = await begin(store)
    assert await store.claim() == []
    ended = await store.job("ann", 1)
    assert ended is not None
    assert (ended.state, ended.failure, await store.drawn_today("ann")) == (JobState.FAILED, INTERRUPTED, 1)
    assert await store.job("ann", kept.history_id) == kept, "of those that were heard none is ended"


async def test_pictures_whose_storing_was_not_heard_are_there_once(replica: Open) -> None:
    """Ours: who did not hear that they are stored stores them again, until it is heard."""
    store = await replica("a")
    fox = ImageRequest(model="m", prompt="a fox", count=3, price=Price(picture=0.1))
    job = await begin(store, request=fox)
    parts = [picture("a.png"), picture("a.png")]
    first = await store.add_pictures(job, parts)
    assert await store.add_pictures(job, parts) == first
    assert first.usage is not None
    assert first.usage.cost == pytest.approx(0.2)
    done = await store.finish(job, [replace(picture("a.png"), part=1)])
    assert [each.part for each in done.pictures] == [0, 0, 1]


async def test_replicas_hear_of_jobs(url: str, replica: Open, postgres_server: Server) -> None:
    """Ours: a call that waits on another replica is told at once."""
    store = await replica("a")
    heard: list[str] = []
    async with postgres_server.connected(url.rpartition("/")[2]) as connection:
        await connection.add_listener("easel", lambda *said: heard.append(str(said[-1])))
        job = await begin(store)
        await store.add_pictures(job, [picture("a.png")])
        await store.finish(job, [])
        await connection.fetchval("SELECT 1")
        assert heard == [f'["a", "JobChanged", "ann", 1, {ended}]' for ended in ("false", "false", "true")]
        await connection.remove_listener("easel", lambda *_: None)
