"""The contract of every store: jobs from their beginning to their end, and what a history shows of them."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from service.images import Failure, ImageRequest, JobState, Reference
from service.storage.store import Store, Totals
from tests.stores import POLICY, REQUEST, Clock, Factory, begin, made, picture


async def test_a_new_job_is_working(store: Store, clock: Clock) -> None:
    """Ours: the row is the ticket, and is there before anything costs money."""
    job = await begin(store, "ann", REQUEST)
    assert (job.owner, job.state, job.model, job.prompt) == ("ann", "working", REQUEST.model, REQUEST.prompt)
    assert (job.created_at, job.finished_at, job.pictures, job.failure) == (clock.now, None, (), None)
    assert await store.job("ann", job.history_id) == job


async def test_a_finished_job_has_its_pictures_in_order(store: Store, clock: Clock) -> None:
    """Ours: the first picture of a call stays the first."""
    job = await begin(store, "ann", REQUEST)
    clock.now = 1_030.5
    pictures = (picture("b.png"), picture("a.png", note="upscaling failed"), picture("b.png"))
    done = await store.finish(job, pictures)
    assert (done.state, done.pictures, done.finished_at, done.failure) == (JobState.DONE, pictures, 1_030.5, None)
    assert await store.job("ann", job.history_id) == done


async def test_a_failed_job_says_why(store: Store, clock: Clock) -> None:
    """Ours: the history tells the model tomorrow what it told it today."""
    job = await begin(store, "ann", REQUEST)
    clock.now = 1_002.0
    failed = await store.fail(job, POLICY)
    assert (failed.state, failed.failure, failed.finished_at) == (JobState.FAILED, POLICY, 1_002.0)
    assert await store.job("ann", job.history_id) == failed


async def test_a_failed_job_whose_picture_is_downloaded_later_is_done(store: Store, clock: Clock) -> None:
    """Ours: the picture was paid for; its links stay with the failure until then, in their order."""
    links = ("https://pics.example/1?signature=a", "https://pics.example/2")
    job = await store.fail(await begin(store), Failure(kind="download", reason="Not yet there."), links)
    assert job.links == links
    assert await store.job("ann", job.history_id) == job
    clock.now += 60
    done = await store.recover(job, [picture("a.png")])
    assert (done.state, done.pictures, done.failure, done.finished_at) == (
        JobState.DONE, (picture("a.png"),), None, clock.now,
    )  # fmt: skip
    assert await store.job("ann", job.history_id) == done
    assert await store.totals("ann") == Totals(working=0, done=1, failed=0, pictures=1, picture_bytes=1000)
    assert await store.owns_file("ann", "a.png")
    assert await store.recover(job, [picture("b.png")]) == done


async def test_only_a_job_with_links_can_be_recovered(store: Store) -> None:
    """Ours: a refusal stays a refusal, and a job at work is ended by its own process."""
    for job in (await store.fail(await begin(store), POLICY), await begin(store), await made(store, "a", "a.png")):
        assert await store.recover(job, [picture("b.png")]) == job
    assert not await store.owns_file("ann", "b.png")
    with pytest.raises(LookupError):
        await store.recover(replace(job, owner="bob"), [picture("b.png")])
    assert not await store.owns_file("bob", "b.png")


async def test_a_job_that_has_ended_stays_as_it_is(store: Store, clock: Clock) -> None:
    """Ours: a late answer and a cancel may cross; the first end counts, and both callers learn it."""
    done = await store.finish(await begin(store, "ann", REQUEST), [picture("a.png")])
    failed = await store.fail(await begin(store, "ann", REQUEST), POLICY)
    clock.now += 60
    assert await store.fail(done, POLICY) == done
    assert await store.finish(done, [picture("c.png")]) == done
    assert await store.finish(failed, [picture("d.png")]) == failed
    assert await store.totals("ann") == Totals(working=0, done=1, failed=1, pictures=1, picture_bytes=1000)


async def test_a_foreign_job_does_not_exist(store: Store) -> None:
    """Attack: history ids count up, so anybody can guess one."""
    job = await store.finish(await begin(store, "ann", REQUEST), [picture("a.png")])
    assert await store.job("bob", job.history_id) is None
    assert await store.jobs("bob", 10) == []
    assert await store.totals("bob") == Totals(working=0, done=0, failed=0, pictures=0, picture_bytes=0)


@pytest.mark.parametrize("history_id", [0, -1, 2, 2**63 - 1, 2**63, 10**30, -(10**30)])
async def test_an_id_of_nothing_is_none(store: Store, history_id: int) -> None:
    """Ours: a model may ask for any number, and gets an answer, not an overflow."""
    await begin(store, "ann", REQUEST)
    assert await store.job("ann", history_id) is None


async def test_jobs_come_newest_first_with_their_own_pictures(store: Store) -> None:
    """Ours: `history` shows the last pictures, each under its own job, and nobody else's."""
    mine = []
    for number in range(4):
        mine.append(await store.finish(await begin(store, "ann", REQUEST), [picture(f"{number}.png")] * (number % 3)))
        await store.finish(await begin(store, "bob", REQUEST), [picture("bob.png")])
    working = await begin(store, "ann", REQUEST)
    newest_first = [working, *reversed(mine)]
    assert await store.jobs("ann", 10) == newest_first
    assert await store.jobs("ann", 2) == newest_first[:2]
    assert await store.jobs("ann", 2, before=newest_first[1].history_id) == newest_first[2:4]
    assert await store.jobs("ann", 2, before=newest_first[-1].history_id) == []


@pytest.mark.parametrize(("limit", "before", "found"), [
    pytest.param(0, None, 0, id="none asked"),
    pytest.param(-1, None, 0, id="negative limit is not unlimited"),
    pytest.param(10**30, 10**30, 3, id="beyond what a database counts"),
    pytest.param(5, -(10**30), 0, id="before everything"),
    pytest.param(5, 1, 0, id="before the first"),
])  # fmt: skip
async def test_odd_pages_are_answered(store: Store, limit: int, before: int | None, found: int) -> None:
    """Ours: numbers from a model never become an error of the database."""
    for _ in range(3):
        await begin(store, "ann", REQUEST)
    assert len(await store.jobs("ann", limit, before)) == found


async def test_totals_count_each_state_and_every_picture(store: Store) -> None:
    """Ours: `cache` reports what is kept, per owner."""
    for size in (10, 20):
        pictures = [picture(f"a{size}.png", size), picture(f"b{size}.png", size)]
        await store.finish(await begin(store, "ann", REQUEST), pictures)
    await store.fail(await begin(store, "ann", REQUEST), POLICY)
    await begin(store, "ann", REQUEST)
    await begin(store, "bob", REQUEST)
    assert await store.totals("ann") == Totals(working=1, done=2, failed=1, pictures=4, picture_bytes=60)


async def test_jobs_begun_at_once_have_ids_of_their_own(store: Store) -> None:
    """Ours: an id is a ticket for one job."""
    jobs = await asyncio.gather(*(begin(store, "ann", REQUEST) for _ in range(50)))
    assert len({job.history_id for job in jobs}) == 50


async def test_any_text_is_kept_as_it_came(store: Store) -> None:
    """Attack: text from outside is data, whatever it looks like."""
    text = "'); DROP TABLE jobs; --\n ü 猫 🐈"
    job = await begin(store, text, ImageRequest(model=text, prompt=text))
    done = await store.finish(job, [picture("a.png", note=text)])
    assert await store.job(text, job.history_id) == done
    assert (done.owner, done.prompt, done.pictures[0].note) == (text, text, text)


async def test_a_cancelled_write_is_still_written_whole(
    factory: Factory, store: Store, tmp_path: Path, clock: Clock
) -> None:
    """Ours: a picture that was paid for stays in the history when its caller leaves; the writer goes on for others."""
    job = await begin(store, "ann", REQUEST)
    leaving = [asyncio.ensure_future(store.finish(job, [picture("a.png")]))]
    leaving += [asyncio.ensure_future(store.finish(await begin(store, "ann", REQUEST), [])) for _ in range(20)]
    await asyncio.sleep(0)  # lets each task hand its write over
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    await begin(store, "bob", REQUEST)
    await store.close()  # engines may write side by side
    reopened = await factory(tmp_path, clock)
    assert [each.state for each in await reopened.jobs("ann", 100)] == ["done"] * 21
    kept = await reopened.job("ann", job.history_id)
    await reopened.close()
    assert kept is not None
    assert kept.pictures == (picture("a.png"),)


async def test_close_finishes_what_was_asked(factory: Factory, tmp_path: Path, clock: Clock) -> None:
    """Ours: a shutdown loses no answer that was on its way to the disk."""
    store = await factory(tmp_path, clock)
    writes = [asyncio.create_task(begin(store, "ann", REQUEST)) for _ in range(20)]
    await asyncio.sleep(0)  # lets each task hand its write over
    await store.close()
    await asyncio.gather(*writes)
    reopened = await factory(tmp_path, clock)
    assert len(await reopened.jobs("ann", 100)) == 20
    await reopened.close()


async def test_close_twice_is_one_close_and_nothing_works_after(store: Store) -> None:
    """Ours: shutdown paths cross, and a call that comes too late is our mistake."""
    await asyncio.gather(store.close(), store.close())
    await store.close()
    with pytest.raises(RuntimeError, match="the store is closed"):
        await store.jobs("ann", 1)


async def test_ending_a_job_that_never_was_is_our_mistake(store: Store) -> None:
    """Ours: a job comes from this store, or somebody mixed two up."""
    job = await begin(store, "ann", REQUEST)
    with pytest.raises(LookupError):
        await store.fail(type(job)(**{**vars(job), "owner": "bob"}), POLICY)


async def test_what_was_asked_for_is_kept(store: Store) -> None:
    """Ours: the history can show it tomorrow; of references only where they came from, for they may be megabytes."""
    asked = ImageRequest(
        model="m", prompt="一只猫", aspect_ratio="16:9", seed=0, guidance=4.5, loras={"a/b": 0.6}, count=1,
        references=(Reference(url="https://pics.example/a?signature=secret"),) * 2,
    )  # fmt: skip
    job = await begin(store, "ann", asked)
    parameters: dict[str, object] = {"aspect_ratio": "16:9", "seed": 0, "guidance": 4.5, "loras": {"a/b": 0.6}}
    parameters |= {"references": ["a picture"] * 2}
    assert job.parameters == parameters
    assert (await store.finish(job, [])).parameters == parameters
    assert (await begin(store, "ann", REQUEST)).parameters == {}


async def test_a_task_is_remembered(store: Store) -> None:
    """Ours: with it any process can ask the image service how the work stands."""
    job = await begin(store, "ann", REQUEST)
    assert (job.upstream, job.task) == ("kiln", "")
    remembered = await store.remember_task(job, "a/b?1")
    assert (remembered.upstream, remembered.task, remembered.state) == ("kiln", "a/b?1", "working")
    done = await store.finish(job, [])
    assert (done.upstream, done.task) == ("kiln", "a/b?1")
    assert await store.remember_task(done, "another") == done


async def test_only_what_was_let_go_can_be_claimed(store: Store) -> None:
    """Ours: one job, one follower."""
    job = await store.remember_task(await begin(store, "ann", REQUEST), "1")
    ended = await store.remember_task(await begin(store, "ann", REQUEST), "2")
    without = await begin(store, "ann", REQUEST)
    assert await store.claim() == []
    assert await store.claim_one("ann", job.history_id) is None
    for each in (job, ended, without):
        await store.release(each)
    await store.fail(ended, POLICY)
    assert await store.claim() == [job]
    assert await store.claim() == []
    await store.release(job)
    assert await store.claim_one("bob", job.history_id) is None
    assert await store.claim_one("ann", without.history_id) is None
    assert await store.claim_one("ann", 10**30) is None
    assert await store.claim_one("ann", job.history_id) == job
    assert await store.claim_one("ann", job.history_id) is None
