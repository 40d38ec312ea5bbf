"""A request is paid for once: which jobs a new call joins, what is told of charges, and what a job started from."""

import asyncio
from dataclasses import replace

import pytest

from service.images import Failure, ImageRequest, JobState, Parent, Reference
from service.storage.store import LINKS_LAST_S, Begun, Store
from tests.stores import POLICY, REQUEST, Clock, begin, made, picture


async def again(store: Store, owner: str = "ann", fingerprint: str = "f") -> Begun:
    return await store.begin(owner, REQUEST, "kiln", fingerprint)


# Numbers.


async def test_each_owner_counts_from_one(store: Store) -> None:
    """Attack: somebody reads off the own numbers how much others draw, or guesses theirs."""
    ids = {"ann": [], "bob": []}  # type: dict[str, list[int]]
    for owner in ("ann", "bob", "bob", "ann", "bob"):
        ids[owner].append((await begin(store, owner)).history_id)
    assert ids == {"ann": [1, 2], "bob": [1, 2, 3]}
    assert [each.history_id for each in await store.jobs("ann", 9)] == [2, 1]


async def test_equal_numbers_of_two_owners_are_two_jobs(store: Store) -> None:
    """Bug: with a counter for each owner, a change by the number alone would reach into the history of another."""
    ann = await store.finish(await begin(store, "ann"), [picture("a.png")])
    first = await begin(
        store, "bob", ImageRequest(model="m", prompt="p", references=(Reference(parent=Parent(history_id=1)),))
    )
    bob = await store.begin("bob", REQUEST, "kiln", "f")
    assert (ann.history_id, first.history_id, bob.job.history_id) == (1, 1, 2)
    second = await store.begin("ann", REQUEST, "kiln", "f")
    await store.mark_submitted(second.job)
    await store.remember_task(second.job, "task of ann")
    await store.release(second.job)
    assert await store.job("bob", 2) == bob.job
    assert await store.claim_one("bob", 2) is None
    await store.mark_delivered("bob", [1])
    assert await store.job("ann", 1) == ann
    assert (await store.children("ann", 1), await store.children("bob", 1)) == ([], [(1, 1)])
    await store.finish(first, [picture("b.png")])
    assert (await store.job("ann", 1), await store.delete("bob", 1)) == (ann, ["b.png"])
    assert await store.job("ann", 1) == ann


# Joining.


async def test_a_working_job_is_joined(store: Store) -> None:
    first = await again(store)
    assert not first.joined
    assert await again(store) == Begun(job=first.job, joined=True)
    submitted = await store.mark_submitted(first.job)
    assert await again(store) == Begun(job=submitted, joined=True)


async def test_a_done_job_is_joined_until_it_is_delivered(store: Store) -> None:
    """Ours: whoever asks again after a timeout gets what was paid for; whoever has it gets a new one."""
    done = await store.finish((await again(store)).job, [picture("a.png"), picture("b.png")])
    assert await again(store) == Begun(job=done, joined=True)
    await store.mark_delivered("ann", [done.history_id])
    new = await again(store)
    assert (new.joined, new.job.history_id) == (False, done.history_id + 1)


async def test_a_delivery_that_nobody_waits_for_counts_at_once(store: Store) -> None:
    """Bug: who asked again as soon as the picture was there got that picture, and not another one."""
    for number in range(1, 6):
        begun = await again(store)
        assert (begun.job.history_id, begun.joined) == (number, False)
        await store.finish(begun.job, [picture(f"{number}.png")])
        noted = store.mark_delivered("ann", [number])
    await noted


async def test_a_job_whose_pictures_are_gone_is_not_joined(store: Store) -> None:
    """Ours: nobody is handed an empty frame; a picture that was brought back counts again."""
    job = (await again(store)).job
    done = await store.finish(job, [picture("a.png"), picture("b.png")])
    await store.forget_files(["b.png"])
    new = await again(store)
    assert not new.joined
    await store.fail(new.job, POLICY)
    await store.restore_picture(done, 1, picture("b.png"))
    assert (await again(store)).job.history_id == done.history_id


async def test_a_failed_job_is_not_joined(store: Store) -> None:
    await store.fail((await again(store)).job, POLICY)
    assert not (await again(store)).joined


async def test_a_failed_job_with_links_is_joined_for_a_day(store: Store, clock: Clock) -> None:
    """Ours: its picture is paid for. After that no service serves the links any more."""
    failed = await store.fail((await again(store)).job, Failure(kind="download", reason="No."), ["https://a/1"])
    clock.now += LINKS_LAST_S - 1
    assert await again(store) == Begun(job=failed, joined=True)
    clock.now += 1
    assert not (await again(store)).joined


async def test_a_failed_job_with_links_is_passed_over_on_request(store: Store) -> None:
    """Ours: its links were tried just now, and led to no picture."""
    await store.fail((await again(store)).job, Failure(kind="download", reason="No."), ["https://a/1"])
    begun = await store.begin("ann", REQUEST, "kiln", "f", join_failed=False)
    assert (begun.joined, await again(store)) == (False, Begun(job=begun.job, joined=True))


async def test_of_several_the_newest_is_joined(store: Store) -> None:
    older = await store.finish((await again(store)).job, [picture("a.png")])
    await store.forget_files(["a.png"])
    newer = await store.finish((await again(store)).job, [picture("b.png")])
    await store.restore_picture(older, 0, picture("a.png"))
    assert (await again(store)).job == newer


async def test_only_the_same_owner_and_fingerprint_join(store: Store) -> None:
    """Attack: a picture of somebody else is not had by asking for the same."""
    first = await again(store)
    for other in (again(store, "bob"), again(store, fingerprint="g")):
        assert not (await other).joined
    assert first.job.history_id == (await again(store)).job.history_id


async def test_an_empty_fingerprint_joins_nothing(store: Store) -> None:
    await again(store, fingerprint="")
    assert not (await again(store, fingerprint="")).joined


async def test_calls_at_once_make_one_job(store: Store) -> None:
    begun = await asyncio.gather(*(again(store) for _ in range(20)))
    assert len({each.job.history_id for each in begun}) == 1
    assert sorted(each.joined for each in begun) == [False] + [True] * 19


async def test_a_joined_job_keeps_what_it_was_begun_with(store: Store) -> None:
    """Ours: the fingerprint says that the requests are one; the row stays as the first wrote it."""
    first = await store.begin("ann", ImageRequest(model="m", prompt="p", seed=1), "kiln", "f")
    other = await store.begin("ann", ImageRequest(model="n", prompt="q"), "oven", "f")
    assert other == replace(first, joined=True)


async def test_work_that_was_let_go_without_a_task_is_not_joined(store: Store) -> None:
    job = (await again(store)).job
    await store.release(job)
    assert not (await again(store)).joined
    assert (await store.totals("ann")).failed == 1


async def test_a_job_says_whether_its_image_service_was_asked(store: Store) -> None:
    job = await begin(store)
    assert (job.upstream, job.submitted) == ("kiln", False)
    submitted = await store.mark_submitted(job)
    assert submitted == replace(job, submitted=True) == await store.job("ann", job.history_id)
    assert await store.mark_submitted(job, 0) == job
    failed = await store.fail(await begin(store), POLICY)
    assert await store.mark_submitted(failed) == failed
    with pytest.raises(LookupError):
        await store.mark_submitted(replace(job, owner="bob"))


async def test_pictures_that_are_noted_twice_as_asked_for_count_once(store: Store) -> None:
    """Bug: where the answer of the database was lost, a picture was counted again, or one that was never asked for."""
    job = await begin(store, request=replace(REQUEST, count=4))
    for pictures in (2, 2, 3, 1, 1, 9):
        assert (await store.mark_submitted(job, pictures)).submitted == min(pictures, 4)


async def test_delivery_is_noted_once_and_only_of_done_jobs(store: Store, clock: Clock) -> None:
    done = [await made(store, "p", f"{n}.png") for n in range(2)]
    failed, working = await store.fail(await begin(store), POLICY), await begin(store)
    ids = [job.history_id for job in (*done, failed, working)]
    await store.mark_delivered("bob", ids)
    assert {job.delivered_at for job in await store.jobs("ann", 10)} == {None}
    clock.now = 2_000.0
    await store.mark_delivered("ann", [*ids[1:], 99, 10**30])
    clock.now = 3_000.0
    await store.mark_delivered("ann", ids)
    await store.mark_delivered("ann", [])
    assert [job.delivered_at for job in await store.jobs("ann", 10)] == [None, None, 2_000.0, 3_000.0]


# What a job started from.


def referring(*parents: tuple[int, int]) -> ImageRequest:
    references = [Reference(parent=Parent(history_id=history_id, picture=number)) for history_id, number in parents]
    return ImageRequest(model="m", prompt="p", references=(Reference(origin="an upload"), *references))


async def test_a_job_names_its_parents_and_they_their_children(store: Store) -> None:
    one, two = await made(store, "one", "1.png"), await made(store, "two", "2.png", "3.png")
    child = await begin(store, request=referring((two.history_id, 2), (one.history_id, 1)))
    assert child.parents == (Parent(history_id=two.history_id, picture=2), Parent(history_id=one.history_id))
    done = await store.finish(child, [picture("4.png")])
    other = await begin(store, request=referring((two.history_id, 1), (two.history_id, 2)))
    assert (await store.job("ann", child.history_id)) == done
    assert done.parents == child.parents
    assert await store.children("ann", one.history_id) == [(child.history_id, 1)]
    assert await store.children("ann", two.history_id) == [
        (child.history_id, 2), (other.history_id, 1), (other.history_id, 2),
    ]  # fmt: skip
    assert await store.children("ann", child.history_id) == await store.children("ann", 10**30) == []


async def test_children_of_others_are_not_told(store: Store) -> None:
    """Attack: who refers to a number of somebody else shows nothing to them, and learns nothing."""
    job = await made(store, "one", "1.png")
    mine = await begin(store, "bob", referring((job.history_id, 1)))
    assert await store.children("ann", job.history_id) == []
    assert await store.children("bob", job.history_id) == [(mine.history_id, 1)]


# Pictures that came back.


async def test_a_restored_picture_takes_its_place(store: Store) -> None:
    """Ours: the image service may give other bytes under the same address; sums and names follow."""
    before = [picture("a.png", 10, source="https://a.example/1"), picture("b.png", 20, source="https://a.example/2")]
    job = await store.finish(await begin(store), before)
    await store.forget_files(["a.png", "b.png"])
    assert [each.kept for each in (await store.jobs("ann", 1))[0].pictures] == [False, False]
    new = picture("c.png", 500, source="https://a.example/2")
    restored = await store.restore_picture(job, 1, new)
    assert restored.pictures == (replace(before[0], kept=False), new)
    assert restored == await store.job("ann", job.history_id)
    assert (await store.totals("ann")).picture_bytes == 510
    assert (await store.files_total("ann")).bytes == 500
    assert await store.restore_picture(job, 7, new) == restored
    with pytest.raises(LookupError):
        await store.restore_picture(replace(job, owner="bob"), 0, new)
    assert await store.job("ann", job.history_id) == restored
    assert (await store.files_total("bob")).entries == 0


async def test_a_picture_that_was_never_kept_says_so(store: Store) -> None:
    """Ours: some services run with no room for pictures, and hand out the addresses they were given."""
    given = replace(picture("a.png", source="https://a.example/1"), kept=False)
    job = await store.finish(await begin(store), [given])
    assert (job.state, job.pictures) == (JobState.DONE, (given,))
    assert (await store.files_total("ann")).entries == 0
