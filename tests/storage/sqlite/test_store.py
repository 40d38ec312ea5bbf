"""What SQLite adds to the contract of every store: dead processes, and disks that refuse."""

import asyncio
import resource
import sqlite3
from pathlib import Path

import pytest

from service.images import WorkError
from service.storage.sqlite.store import SqliteStore
from tests.stores import REQUEST, Clock, begin, open_sqlite, picture


async def test_work_that_goes_on_without_a_dead_process_can_be_claimed_once(tmp_path: Path) -> None:
    """Ours: it is not interrupted; of several processes that look for it at once, one gets it."""
    path = tmp_path / "easel.sqlite3"
    dead = await SqliteStore.open(path, "dead", lambda _: True)
    jobs = [await dead.remember_task(await begin(dead, "ann", REQUEST), str(number)) for number in range(20)]
    await dead.close()
    stores = [await SqliteStore.open(path, f"new {n}", lambda lease: lease != "dead") for n in range(4)]
    assert [job.state for job in await stores[0].jobs("ann", 100)] == ["working"] * 20
    claimed = await asyncio.gather(*(store.claim() for store in stores))
    assert sorted(job.history_id for each in claimed for job in each) == [job.history_id for job in jobs]
    assert [await store.claim() for store in stores] == [[]] * 4
    for store in stores:
        await store.close()


async def test_work_of_dead_processes_is_interrupted_and_of_living_ones_is_not(tmp_path: Path) -> None:
    """Ours: after a crash the person learns what happened, what it may have cost, and what to do."""
    path = tmp_path / "easel.sqlite3"
    begun = {}
    for lease in ("dead", "alive"):
        earlier = await SqliteStore.open(path, lease, lambda _: True, Clock(5.0))
        begun[lease] = await begin(earlier, "ann", REQUEST)
        begun[f"{lease}, but done"] = await earlier.finish(await begin(earlier, "ann", REQUEST), [picture("a.png")])
        await earlier.close()
    store = await SqliteStore.open(path, "new", lambda lease: lease == "alive", Clock(9.0))
    after = {name: await store.job("ann", job.history_id) for name, job in begun.items()}
    await store.close()
    interrupted = after.pop("dead")
    assert after == {name: job for name, job in begun.items() if name != "dead"}
    assert interrupted is not None
    assert interrupted.failure is not None
    assert (interrupted.state, interrupted.failure.kind, interrupted.finished_at) == ("failed", "interrupted", 9.0)
    for word in ("stopped", "charged", "`generate`"):
        assert word in interrupted.failure.reason


async def test_two_stores_share_one_file(tmp_path: Path, clock: Clock) -> None:
    """Ours: several processes share a data folder; each sees the other's jobs, and no id is given twice."""
    one, two = await open_sqlite(tmp_path, clock), await open_sqlite(tmp_path, clock)
    jobs = await asyncio.gather(*(begin(store, "ann", REQUEST) for store in (one, two) * 20))
    assert len({job.history_id for job in jobs}) == 40
    assert await one.jobs("ann", 100) == await two.jobs("ann", 100)
    await one.close()
    await two.close()


async def test_an_id_is_never_used_again(tmp_path: Path, clock: Clock) -> None:
    """Ours: an old chat that names a deleted job must not get somebody's new one."""
    store = await open_sqlite(tmp_path, clock)
    last = await begin(store, "ann", REQUEST)
    await store.close()
    connection = sqlite3.connect(tmp_path / "easel.sqlite3")
    connection.execute("DELETE FROM jobs")
    connection.commit()
    connection.close()
    store = await open_sqlite(tmp_path, clock)
    assert (await begin(store, "ann", REQUEST)).history_id > last.history_id
    await store.close()


async def test_a_disk_that_refuses_is_failed_work_and_passes(tmp_path: Path, clock: Clock) -> None:
    """Ours: the person learns which setting to look at; once there is space, the same store goes on."""
    store = await open_sqlite(tmp_path, clock)
    before = await begin(store, "ann", REQUEST)
    _, hard = soft_and_hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WorkError, match="EASEL_DATA_DIR") as caught:
            await begin(store, "ann", REQUEST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_and_hard)
    after = await begin(store, "ann", REQUEST)
    assert caught.value.kind == "storage"
    assert str(tmp_path) not in str(caught.value)
    assert await store.jobs("ann", 10) == [after, before]
    await store.close()
