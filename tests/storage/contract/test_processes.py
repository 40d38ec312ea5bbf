"""Several processes on one database: they share what they write, and what one leaves that died is taken up or ended."""

import asyncio
from collections.abc import Awaitable, Callable

from service.bounds.limits import UNLIMITED
from service.images import INTERRUPTED, ImageRequest, Parent, Reference
from service.settings import Limits
from service.storage.sqlite.files import AT_ONCE
from service.storage.store import Begun, Search, Store, Totals
from service.storage.upload_records import UploadRequest
from tests.engines import NOW, Engine
from tests.stores import POLICY, REQUEST, Clock, begin, made, picture, seed

NOTHING = Totals(working=0, done=0, failed=0, pictures=0, picture_bytes=0)


async def again(store: Store, fingerprint: str = "f") -> Begun:
    return await store.begin("ann", REQUEST, "kiln", fingerprint)


def referring(*names: str, parent: int | None = None) -> ImageRequest:
    from_whom = Parent(history_id=parent) if parent else None
    references = tuple(Reference(name=name, parent=from_whom) for name in names)
    return ImageRequest(model="m", prompt="p", references=references)


async def over(store: Store, **limits: int) -> list[str]:
    """The names of the files over these limits."""
    return [each.name for each in await store.files_over_limits(Limits(**limits), 0)]


async def test_two_processes_share_one_history(engine: Engine) -> None:
    """Ours: each sees the other's jobs, and no id is given twice."""
    one, two = await engine.open("one"), await engine.open("two")
    jobs = await asyncio.gather(*(begin(each.store) for each in (one, two) * 20))
    assert len({job.history_id for job in jobs}) == 40
    assert await one.store.jobs("ann", 100) == await two.store.jobs("ann", 100)
    await one.close()
    await two.close()


async def test_two_processes_that_begin_the_same_at_once_make_one_job(engine: Engine) -> None:
    """Ours: the same call through several processes is charged once, each time that they meet."""
    processes = [await engine.open(name) for name in ("one", "two", "three")]
    for number in range(20):
        begun = await asyncio.gather(*(again(each.store, f"{number}") for each in processes))
        assert len({each.job.history_id for each in begun}) == 1
        assert sorted(each.joined for each in begun) == [False, True, True]
    for each in processes:
        await each.close()


async def test_work_that_goes_on_without_a_dead_process_can_be_claimed_once(engine: Engine) -> None:
    """Ours: it is not interrupted; of several processes that look for it at once, one gets it."""
    dead = await engine.open("dead")
    jobs = [await dead.store.remember_task(await begin(dead.store), str(number)) for number in range(20)]
    await dead.close()
    await engine.die("dead")
    stores = [(await engine.open(f"new {n}")).store for n in range(4)]
    assert [job.state for job in await stores[0].jobs("ann", 100)] == ["working"] * 20
    claimed = await asyncio.gather(*(store.claim() for store in stores))
    assert sorted(job.history_id for each in claimed for job in each) == [job.history_id for job in jobs]
    assert [await store.claim() for store in stores] == [[]] * 4
    for store in stores:
        await store.close()


async def test_work_of_dead_processes_is_interrupted_and_of_living_ones_is_not(engine: Engine) -> None:
    """Ours: after a crash the person learns what happened, what it may have cost, and what to do."""
    begun = {}
    for lease in ("dead", "alive"):
        earlier = await engine.open(lease, Clock(5.0))
        begun[lease] = await begin(earlier.store)
        begun[f"{lease}, but done"] = await earlier.store.finish(await begin(earlier.store), [picture("a.png")])
        await earlier.close()
    await engine.die("dead")
    process = await engine.open("new", Clock(9.0))
    after = {name: await process.store.job("ann", job.history_id) for name, job in begun.items()}
    await process.close()
    interrupted = after.pop("dead")
    assert after == {name: job for name, job in begun.items() if name != "dead"}
    assert interrupted is not None
    assert interrupted.failure is not None
    assert (interrupted.state, interrupted.failure.kind, interrupted.finished_at) == ("failed", "interrupted", 9.0)
    for word in ("stopped", "charged", "`generate`"):
        assert word in interrupted.failure.reason


async def test_work_of_a_dead_process_is_ended_and_not_joined(engine: Engine) -> None:
    """Ours: it died while we live, and nobody will ever finish what it began."""
    other, process = await engine.open("other"), await engine.open("new")
    store = process.store
    left = [(await again(other.store, name)).job for name in ("f", "asked")]
    await other.store.mark_submitted(left[1])
    await other.close()
    assert (await again(store)).job == left[0]
    await engine.die("other")
    for job, told in zip(left, ("Nothing was charged", "may have charged"), strict=True):
        begun = await again(store, "f" if job is left[0] else "asked")
        ended = await store.job("ann", job.history_id)
        assert not begun.joined
        assert ended is not None
        assert ended.failure is not None
        assert (ended.state, ended.failure.kind) == ("failed", "interrupted")
        assert told in ended.failure.reason
    assert (await store.totals("ann")).working == 2
    await process.close()


async def test_who_waits_for_work_of_a_process_that_dies_learns_its_end(engine: Engine) -> None:
    """Ours: another process tells it, without a restart and without asking for the same again."""
    other, process = await engine.open("other"), await engine.open("new")
    job = (await again(other.store)).job
    await other.close()
    assert await process.store.claim_one("ann", job.history_id) is None
    assert await process.store.job("ann", job.history_id) == job
    await engine.die("other")
    assert await process.store.claim_one("ann", job.history_id) is None
    ended = await process.store.job("ann", job.history_id)
    assert ended is not None
    assert ended.failure == INTERRUPTED
    await process.close()


async def test_work_that_goes_on_without_its_process_is_joined(engine: Engine) -> None:
    """Ours: the image service has it, and it is paid for, whoever follows it."""
    other, process = await engine.open("other"), await engine.open("new")
    store = process.store
    job = await other.store.remember_task((await again(other.store)).job, "vase 1")
    await other.close()
    await engine.die("other")
    assert await again(store) == Begun(job=job, joined=True)
    claimed = await store.claim_one("ann", job.history_id)
    await store.release(job)
    assert claimed == job
    assert (await again(store)).joined
    await process.close()


async def test_what_a_dead_process_left_working_can_be_deleted(engine: Engine) -> None:
    """Ours: nobody has to restart the service to be rid of it."""
    other, process = await engine.open("other"), await engine.open("new")
    jobs = [await begin(other.store) for _ in range(3)]
    goes_on = await other.store.remember_task(jobs[2], "vase 1")
    await other.close()
    await engine.die("other")
    assert await process.store.delete("ann", jobs[0].history_id) == []
    assert await process.store.clear("ann") == []
    assert await process.store.jobs("ann", 10) == [goes_on]
    await process.close()


async def test_a_file_that_a_job_of_another_process_refers_to_stays(engine: Engine, clock: Clock) -> None:
    """Ours: one process makes room while another draws from a picture."""
    one, two = await engine.open("one", clock), await engine.open("two", clock)
    for name in ("a.png", "b.png", "c.png"):
        clock.now += 1
        await one.store.add_file("ann", name, 100)
    job = await begin(two.store, request=referring("a.png"))
    assert await over(one.store, entries=1) == ["b.png"]
    await two.store.finish(job, [])
    assert await over(one.store, entries=1) == ["a.png", "b.png"]
    await one.close()
    await two.close()


async def test_a_long_history_is_cleared_while_others_write(engine: Engine) -> None:
    """Ours: nobody waits for more than a few of the deletions; what is begun meanwhile stays."""
    one, two = await engine.open("one"), await engine.open("two")
    await seed(made(one.store, "p", f"{n}.png") for n in range(2 * AT_ONCE + 1))
    clearing = asyncio.create_task(one.store.clear("ann"))
    new = [await begin(two.store) for _ in range(20)]
    assert len(await clearing) == 2 * AT_ONCE + 1
    assert await one.store.jobs("ann", 1000) == new[::-1]
    await one.close()
    await two.close()


async def test_files_of_uploads_that_wait_to_be_used_stay(engine: Engine, clock: Clock) -> None:
    """Attack: without that, whoever fills the room with pictures would take every upload of the others away."""
    process = await engine.open("one", clock, UNLIMITED)
    store, uploads = process.store, process.uploads
    upload = await uploads.open("ann", UploadRequest(key="k", prompt="p"), NOW, "{}{}".format)
    for name in ("waiting.png", "used.png"):
        await store.add_file("ann", name, 10)
    assert await uploads.receive(upload.id, ["waiting.png", "a.png"])
    job = await made(store, "one", "a.png", "b.png", "waiting.png")
    assert await store.delete("ann", job.history_id) == ["b.png"]
    assert await store.clear("ann") == ["b.png", "used.png"]
    await uploads.spend(upload.id, NOW)
    assert await store.clear("ann") == ["a.png", "b.png", "used.png", "waiting.png"]
    await process.close()


async def test_an_id_is_never_used_again(engine: Engine) -> None:
    """Ours: an old chat that names a deleted job must not get somebody's new one."""
    process = await engine.open()
    last = await begin(process.store)
    await engine.change_by_hand("DELETE FROM jobs")
    assert (await begin(process.store)).history_id > last.history_id
    await process.close()


async def test_rows_deleted_by_hand_take_theirs_along(engine: Engine) -> None:
    """Ours: the triggers are in the database, so that it stays right whoever writes it."""
    process = await engine.open()
    store = process.store
    parent = await made(store, "a fox", "a.png", "b.png")
    await begin(store, request=referring("a.png", parent=parent.history_id))
    await store.fail(await begin(store), POLICY)
    left = await made(store, "a hen", "a.png", owner="bob")
    await engine.change_by_hand("DELETE FROM jobs WHERE owner = 'ann'")
    tables = ("jobs", "pictures", "prompts", "lineage", "working_files")
    assert [await engine.count(table) for table in tables] == [1, 1, 1, 0, 0]
    assert await store.totals("ann") == NOTHING
    assert await store.totals("bob") == Totals(working=0, done=1, failed=0, pictures=1, picture_bytes=1000)
    assert await store.jobs("bob", 10) == [left]
    await process.close()


async def test_what_one_process_has_written_the_others_answer(engine: Engine) -> None:
    """Ours: each keeps what it answered, and must not repeat it once another has changed anything of it."""
    here, there, clock = await engine.open("here"), await engine.open("there"), Clock(NOW + 5)
    late, store = await engine.open("late", clock), there.store

    async def known(to: Store) -> list[object]:
        jobs = (await to.page("ann", Search(), 9)).jobs
        return [jobs, *await to.counts("ann")]

    async def child() -> None:
        await store.fail(await begin(store, request=referring("a.png", parent=first.history_id)), POLICY)

    first = await begin(store, request=referring("ref.png"))
    steps: list[Callable[[], Awaitable[object]]] = [
        lambda: store.mark_submitted(first),
        lambda: store.remember_task(first, "t"),
        lambda: store.note_shortfall(first, POLICY),
        lambda: store.add_pictures(first, [picture("a.png")]),
        lambda: store.finish(first, [picture("b.png")]),
        lambda: store.mark_delivered("ann", [first.history_id]),
        lambda: store.add_derived("a.png", 10),
        lambda: store.forget_files(["a.png"]),
        lambda: store.restore_picture(first, 0, picture("c.png")),
        lambda: late.store.add_file("ann", "up.png", 10),
        lambda: store.forget_files(["b.png", "c.png"]),
        lambda: late.store.add_file("ann", "up.png", 10),
        lambda: store.unused_files("ann", ["up.png"]),
        child,
        lambda: there.people.give("ann", "bob"),
        lambda: made(store, "another", "d.png"),
        lambda: there.people.give("bob", "ann"),
        lambda: engine.change_by_hand("UPDATE jobs SET prompt = 'by hand'"),
        lambda: engine.change_by_hand("DELETE FROM jobs WHERE history_id = 1"),
        lambda: store.clear("ann"),
    ]
    seen = [await known(here.store)]
    for number, step in enumerate(steps):
        await step()
        fresh = await engine.open(f"fresh {number}")
        seen.append(await known(here.store))
        assert seen[-1] == await known(fresh.store), f"step {number}"
        await fresh.close()
    for each in (here, there, late):
        await each.close()
