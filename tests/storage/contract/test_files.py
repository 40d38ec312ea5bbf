"""The index of files, and deleting: what goes first when room is needed, and what a deleted job takes along."""

from collections.abc import Collection

import pytest

from service.images import ImageRequest, Job, Parent, Reference, WorkError
from service.settings import Limits
from service.storage import store as contract
from service.storage.postgresql import files as postgresql_files
from service.storage.sqlite import files as sqlite_files
from service.storage.store import FilesTotal, Search, Store, Totals
from tests.stores import POLICY, Clock, begin, made, picture

NOTHING = Totals(working=0, done=0, failed=0, pictures=0, picture_bytes=0)


def referring(*names: str, parent: Job | None = None) -> ImageRequest:
    from_whom = Parent(history_id=parent.history_id) if parent else None
    references = tuple(Reference(name=name, parent=from_whom) for name in names)
    return ImageRequest(model="m", prompt="p", references=references)


PLENTY = 1e30


async def keep(store: Store, clock: Clock, *names: str, owner: str = "ann", size: int = 100) -> None:
    """Keep files, one second after the other."""
    for name in names:
        clock.now += 1
        await store.add_file(owner, name, size)


async def over(store: Store, before: float = 0, spare: Collection[str] = (), **limits: int) -> list[str]:
    """The names of the files over these limits."""
    return [each.name for each in await store.files_over_limits(Limits(**limits), before, spare)]


async def test_nothing_is_kept_at_first(store: Store) -> None:
    nothing = FilesTotal(entries=0, bytes=0, oldest=None)
    assert await store.files_total("ann") == await store.files_total(None) == nothing
    assert await over(store, before=PLENTY, entries=1, owner_entries=1) == []
    assert await store.files_beyond_newest("ann", 0) == await store.files_after("", 9) == []
    await store.forget_files(["a.png"])
    await store.forget_files([])


async def test_files_are_counted_by_owner_and_in_all(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a.png", "b.png")
    await keep(store, clock, "c.png", owner="bob", size=5)
    assert await store.files_total("ann") == FilesTotal(entries=2, bytes=200, oldest=1_001.0)
    assert await store.files_total("bob") == FilesTotal(entries=1, bytes=5, oldest=1_003.0)
    assert await store.files_total(None) == FilesTotal(entries=3, bytes=205, oldest=1_001.0)
    await store.forget_files(["a.png", "c.png", "never.png"])
    assert await store.files_total("ann") == FilesTotal(entries=1, bytes=100, oldest=1_002.0)
    assert await store.files_total(None) == FilesTotal(entries=1, bytes=100, oldest=1_002.0)


async def test_jobs_and_files_are_counted_at_once(store: Store, clock: Clock) -> None:
    """Ours: `cache` asks for both on its hot way."""
    await made(store, "p", "a.png")
    await keep(store, clock, "b.png")
    assert await store.counts("ann") == (await store.totals("ann"), await store.files_total("ann"))
    assert await store.counts("bob") == (await store.totals("bob"), await store.files_total("bob"))


async def test_derivatives_count_for_the_room_of_their_picture_and_are_no_entries(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a.png", "b.png", size=100)
    await store.add_derived("a.png", 30)
    await store.add_derived("a.png", 10)
    await store.add_derived("gone.png", 10)
    assert await store.files_total("ann") == FilesTotal(entries=2, bytes=240, oldest=clock.now - 1)
    assert (await store.files_total(None)).bytes == 240
    assert await over(store, size=240) == []
    assert await over(store, size=239) == await over(store, size=100) == ["a.png"], "the room of all of it is gained"
    await keep(store, clock, "a.png", size=100)
    assert await over(store, size=239) == ["b.png"], "it is the newest now"
    await store.forget_files(["a.png"])
    assert (await store.files_total("ann")).bytes == (await store.files_total(None)).bytes == 100


async def test_the_owner_of_a_file_is_known(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a.png")
    await store.add_file("", "b.png", 1)
    assert [await store.owner_of_file(name) for name in ("a.png", "b.png", "c.png")] == ["ann", "", None]


async def test_a_file_of_nobody_is_its_pictures_owners(store: Store) -> None:
    """Ours: found on disk and known no more, it is whose history has a picture of its name."""
    await made(store, "p", "a.png")
    await store.forget_files(["a.png"])
    for name in ("a.png", "b.png"):
        await store.add_file("", name, 1000)
    assert [(await store.files_total(owner)).entries for owner in ("ann", "", None)] == [1, 1, 2]


async def test_a_file_of_nobody_is_theirs_who_keep_it(store: Store, clock: Clock) -> None:
    """Bug: after a crash before its row, a picture that was fetched again stayed nobody's, of no use to its owner."""
    await keep(store, clock, "a.png", owner="")
    job = await made(store, "one", "a.png")
    assert await store.owns_file("ann", "a.png")
    assert [each.kept for each in job.pictures] == [True]
    assert [(await store.files_total(owner)).entries for owner in ("ann", "", None)] == [1, 0, 1]


async def test_a_picture_is_in_the_index_as_soon_as_its_job_is_done(store: Store) -> None:
    job = await made(store, "p", "a.png", "b.png", "a.png")
    assert await store.files_total("ann") == FilesTotal(entries=2, bytes=2000, oldest=1_000.0)
    assert all(picture.kept for picture in job.pictures)


async def test_a_file_that_is_gone_is_gone_for_each_of_its_pictures(store: Store) -> None:
    """Ours: the history says so instead of showing an empty frame; kept again, it is there again."""
    one, two = await made(store, "p", "a.png"), await made(store, "q", "b.png", "a.png")
    await store.forget_files(["a.png"])

    async def kept() -> list[bool]:
        jobs = [await store.job("ann", job.history_id) for job in (one, two)]
        return [picture.kept for job in jobs if job for picture in job.pictures]

    assert await kept() == [False, True, False]
    await store.add_file("ann", "a.png", 1000)
    assert await kept() == [True, True, True]
    assert (await store.totals("ann")).pictures == 3


async def test_the_oldest_go_first(store: Store, clock: Clock) -> None:
    await keep(store, clock, "c.png", "a.png", "d.png", "b.png")
    for of in ("", "owner_"):
        assert await over(store, 0, (), **{f"{of}entries": 4, f"{of}size": 400}) == []
        assert await over(store, 0, (), **{f"{of}entries": 2}) == ["c.png", "a.png"]
        assert await over(store, 0, (), **{f"{of}size": 399}) == ["c.png"]
        assert await over(store, 0, (), **{f"{of}entries": 3, f"{of}size": 250}) == ["c.png", "a.png"]
    assert await over(store, before=1_003.0) == ["c.png", "a.png"]
    assert await over(store, before=1_002.0, entries=1) == ["c.png", "a.png", "d.png"]


async def test_of_all_owners_the_one_who_holds_most_makes_room(store: Store, clock: Clock) -> None:
    """Attack: somebody fills the disk so that the pictures of others go."""
    await keep(store, clock, "a1", "a2", owner="ann")
    await keep(store, clock, "b1", "b2", "b3", "b4", owner="bob")
    assert await over(store, entries=4) == ["b1", "b2"]
    assert await over(store, entries=3) == ["b1", "b2", "a1"]
    assert await over(store, entries=1) == ["b1", "b2", "a1", "b3", "a2"]
    await keep(store, clock, "a3", owner="ann", size=1000)
    assert await over(store, size=1400) == ["a1", "a2"]
    assert await over(store, entries=9, size=1400, spare=["a1"]) == ["a2", "b1"]


async def test_the_limit_of_an_owner_is_the_same_for_each(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a1", "a2", "a3", owner="ann")
    await keep(store, clock, "b1", "b2", owner="bob")
    assert await over(store, owner_entries=2) == ["a1"]
    assert await over(store, owner_entries=1) == ["a1", "a2", "b1"]
    assert await over(store, owner_size=150) == ["a1", "a2", "b1"]
    assert await over(store, owner_entries=2, entries=3) == ["a1", "a2"]


async def test_what_was_not_drawn_and_nothing_uses_goes_before_older_pictures(store: Store, clock: Clock) -> None:
    """Ours: a reference can be sent again, and a picture of the history was paid for."""
    await made(store, "p", "picture.png")
    await keep(store, clock, "reference.png", "working.png", "newest.png")
    working = await begin(store, request=referring("working.png"))
    assert await over(store, entries=3) == ["reference.png"]
    assert await over(store, entries=2) == ["reference.png", "picture.png"]
    await store.finish(working, [])
    assert await over(store, entries=2) == ["reference.png", "working.png"]


async def test_a_reference_is_a_picture_once_the_history_has_it_and_no_longer(store: Store, clock: Clock) -> None:
    """Ours: the bytes that were sent and those that were drawn may be the same, and then have one name."""
    await keep(store, clock, "a.png", owner="ann")
    await keep(store, clock, "b.png", owner="ann")
    job = await made(store, "p", "a.png")
    clock.now += 5
    await keep(store, clock, "c.png", owner="ann")
    assert await over(store, entries=1) == ["b.png", "a.png"]
    await keep(store, clock, "a.png", owner="ann")
    assert await over(store, entries=1) == ["b.png", "c.png"]
    await store.restore_picture(job, 0, picture("d.png"))
    assert await over(store, entries=3) == ["b.png"]
    await store.delete("ann", job.history_id)
    assert await over(store, entries=3) == ["d.png"]


async def test_unused_files_of_the_owner_who_holds_most_go_before_those_of_others(store: Store, clock: Clock) -> None:
    """Bug: 335 refused calls of one person evicted the five paid pictures of another."""
    await made(store, "p", *(f"paid {number}" for number in range(5)), owner="bob")
    await keep(store, clock, "reference of bob", owner="bob")
    await keep(store, clock, *(f"refused {number}" for number in range(20)), owner="ann")
    assert await over(store, entries=7) == [f"refused {number}" for number in range(19)]
    assert await over(store, entries=6) == [*(f"refused {number}" for number in range(19)), "reference of bob"]


async def test_what_came_with_a_call_that_failed_is_first_to_go(store: Store, clock: Clock) -> None:
    """Ours: a call that came to nothing keeps nothing; what was there before it stays."""
    await keep(store, clock, "before.png", "came.png", "shared.png")
    references = [Reference(name="before.png")]
    references += [Reference(name=name, fresh=True) for name in ("came.png", "shared.png")]
    request = ImageRequest(model="m", prompt="p", references=tuple(references))
    failed, other = await begin(store, request=request), await begin(store, request=referring("shared.png"))
    assert await over(store, before=1.0) == []
    await store.fail(failed, POLICY)
    assert await over(store, before=1.0) == ["came.png"]
    await store.finish(other, [])
    assert await over(store, before=1.0) == ["came.png"]


async def test_a_file_that_is_kept_again_is_new(store: Store, clock: Clock) -> None:
    """Ours: a picture that people go on from stays longer than one that nobody asks for."""
    await keep(store, clock, "a.png", "b.png", "a.png")
    assert await over(store, entries=1) == ["b.png"]
    assert (await store.files_total("ann")).entries == 2
    clock.now = 5.0
    await store.add_file("ann", "a.png", 100)
    assert await over(store, entries=1) == ["b.png"]


async def test_the_newest_stays_however_large_it_is(store: Store, clock: Clock) -> None:
    """Ours: a picture larger than all the room is shown before it goes; and old is old."""
    await keep(store, clock, "a.png", "b.png")
    assert await over(store, size=1) == ["a.png"]
    assert await over(store, owner_size=1) == ["a.png"]
    assert await over(store, before=clock.now + 1) == ["a.png", "b.png"]


async def test_one_owner_makes_room_for_itself_only(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a.png", "b.png")
    await keep(store, clock, "c.png", "d.png", owner="bob")
    await begin(store, request=referring("a.png"))
    assert await store.files_beyond_newest("bob", 1) == ["c.png"]
    assert await store.files_beyond_newest("ann", 0) == ["b.png"]
    assert await store.files_beyond_newest("carol", 0) == []


async def test_of_very_many_files_some_are_named_at_a_time(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: a hundred thousand names took the database, and the loop, longer than anybody should wait for."""
    for engine in (sqlite_files, postgresql_files):
        monkeypatch.setattr(engine, "NAMED_AT_ONCE", 2)
    names = [f"{letter}.png" for letter in "dacbe"]
    await keep(store, clock, *names)
    assert await store.files_beyond_newest("ann", 1) == names[:2]
    await store.forget_files(names[:2])
    assert await store.files_beyond_newest("ann", 1) == names[2:4]
    assert await store.files_beyond_newest("ann", 3) == []


async def test_every_file_is_named_once_in_order(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "LISTED_AT_ONCE", 2)
    await keep(store, clock, "d.png", "a.png", "c.png")
    await keep(store, clock, "b.png", "é.png", owner="bob")
    assert [name async for name in store.every_file()] == ["a.png", "b.png", "c.png", "d.png", "é.png"]
    assert await store.files_after("b.png", 2) == ["c.png", "d.png"]


async def test_what_is_spared_counts_and_stays(store: Store, clock: Clock) -> None:
    """Ours: others go in its place, so that the limit holds all the same."""
    await keep(store, clock, "a.png", "b.png", "c.png")
    assert await over(store, entries=2, spare={"a.png", "x.png"}) == ["b.png"]
    assert await over(store, before=PLENTY, entries=1, spare=["a.png", "b.png", "c.png"]) == []


async def test_a_file_that_a_working_job_refers_to_stays_until_the_job_ends(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a.png", "b.png", "c.png")
    done = await begin(store, request=referring("a.png", "a.png", ""))
    failed = await begin(store, request=referring("a.png", "b.png"))
    assert await over(store, before=PLENTY) == ["c.png"]
    await store.finish(done, [])
    assert await over(store, before=PLENTY) == ["c.png"]
    await store.fail(failed, POLICY)
    assert await over(store, before=PLENTY) == ["a.png", "b.png", "c.png"]


async def test_a_file_is_known_to_its_owner_alone(store: Store, clock: Clock) -> None:
    """Ours: a name that somebody else got hold of is as if it were not there."""
    await keep(store, clock, "a.png")
    assert await store.owns_file("ann", "a.png")
    assert not await store.owns_file("bob", "a.png")
    assert not await store.owns_file("ann", "b.png")
    await store.forget_files(["a.png"])
    assert not await store.owns_file("ann", "a.png")


async def test_a_name_leads_to_the_newest_picture_that_has_it(store: Store) -> None:
    """Ours: also when its bytes are gone, since they may be fetched again."""
    await made(store, "a fox", "a.png", "b.png")
    second = await made(store, "a red fox", "c.png", "b.png")
    assert await store.picture_of("ann", "b.png") == Parent(history_id=second.history_id, picture=2)
    await store.forget_files(["b.png"])
    assert await store.picture_of("ann", "b.png") == Parent(history_id=second.history_id, picture=2)
    assert await store.picture_of("bob", "b.png") is None
    assert await store.picture_of("ann", "d.png") is None


# Deleting.


async def test_a_deleted_job_is_gone(store: Store) -> None:
    one, two = await made(store, "one", "a.png", "b.png"), await made(store, "two", "c.png")
    assert await store.delete("ann", one.history_id) == ["a.png", "b.png"]
    assert await store.job("ann", one.history_id) is None
    assert await store.jobs("ann", 10) == [two]
    assert (await store.page("ann", Search(), 10)).total == 1
    assert await store.totals("ann") == Totals(working=0, done=1, failed=0, pictures=1, picture_bytes=1000)
    assert await store.delete("ann", one.history_id) is None


async def test_a_failed_job_can_be_deleted(store: Store) -> None:
    job = await store.fail(await begin(store), POLICY)
    assert await store.delete("ann", job.history_id) == []
    assert await store.totals("ann") == NOTHING


async def test_what_is_not_there_or_foreign_cannot_be_deleted(store: Store) -> None:
    """Attack: history ids count up, so anybody can guess one of their own counter, and none of another's."""
    job = await made(store, "one", "a.png")
    for owner, history_id in (("bob", job.history_id), ("ann", 99), ("ann", 10**30), ("ann", -1)):
        assert await store.delete(owner, history_id) is None
    assert await store.jobs("ann", 10) == [job]


async def test_a_working_job_cannot_be_deleted(store: Store) -> None:
    """Ours: it may be paid for already; the person learns what to do."""
    job = await begin(store)
    with pytest.raises(WorkError, match=r"history_id 1 .*`history`") as caught:
        await store.delete("ann", job.history_id)
    assert caught.value.kind == "working"
    assert await store.delete("bob", job.history_id) is None
    assert await store.jobs("ann", 10) == [job]


async def test_an_id_is_never_given_again(store: Store) -> None:
    """Ours: an old chat that names a deleted job must not get somebody's new one."""
    ids = []
    for _ in range(3):
        ids.append((await made(store, "one")).history_id)
        await store.delete("ann", ids[-1])
        ids.append((await made(store, "two")).history_id)
        await store.clear("ann")
    assert ids == sorted(set(ids))


async def test_files_that_others_use_stay(store: Store) -> None:
    """Ours: the same bytes have one name; a picture, or work that draws from it, keeps them."""
    one = await made(store, "one", "shared.png", "drawn from.png", "own.png")
    two = await made(store, "two", "shared.png")
    working = await begin(store, request=referring("drawn from.png"))
    assert await store.delete("ann", one.history_id) == ["own.png"]
    assert await store.delete("ann", two.history_id) == ["shared.png"]
    await store.finish(working, [])
    assert sorted(await store.clear("ann")) == ["drawn from.png", "own.png", "shared.png"]


async def test_of_some_files_those_that_nothing_uses_are_told(store: Store) -> None:
    """Ours: what came in for nothing goes again; what a picture or somebody else has stays."""
    await made(store, "one", "drawn.png")
    for owner, name in (("ann", "loose.png"), ("ann", "other.png"), ("bob", "his.png")):
        await store.add_file(owner, name, 10)
    assert await store.unused_files("ann", ["drawn.png", "loose.png", "his.png", "nowhere.png"]) == ["loose.png"]
    assert await over(store, entries=3) == ["loose.png"]


async def test_children_keep_naming_a_parent_that_is_gone(store: Store) -> None:
    """Ours: where a picture came from stays true."""
    parent = await made(store, "one", "a.png")
    child = await store.finish(await begin(store, request=referring("a.png", parent=parent)), [picture("b.png")])
    await store.delete("ann", parent.history_id)
    assert await store.job("ann", child.history_id) == child
    assert child.parents == (Parent(history_id=parent.history_id),)
    assert await store.children("ann", parent.history_id) == [(child.history_id, 1)]
    await store.delete("ann", child.history_id)
    assert await store.children("ann", parent.history_id) == []


async def test_clear_deletes_what_has_ended_and_nothing_else(store: Store) -> None:
    await made(store, "one", "a.png")
    await store.fail(await begin(store), POLICY)
    working = await begin(store, request=referring("r.png"))
    others = await made(store, "bob's", "b.png", owner="bob")
    for name in ("r.png", "left over.png"):
        await store.add_file("ann", name, 10)
    assert await store.clear("ann") == ["a.png", "left over.png"]
    assert await store.jobs("ann", 10) == [working]
    assert await store.totals("ann") == Totals(working=1, done=0, failed=0, pictures=0, picture_bytes=0)
    assert await store.jobs("bob", 10) == [others]
    assert await store.clear("carol") == []


async def test_clear_can_leave_the_newest(store: Store) -> None:
    """Ours: what works counts among them, and stays where it is older."""
    working = await begin(store)
    jobs = [await made(store, "p", f"{n}.png") for n in range(4)]
    assert await store.clear("ann", keep=2) == ["0.png", "1.png"]
    assert await store.jobs("ann", 10) == [jobs[3], jobs[2], working]
    assert await store.clear("ann", keep=10) == ["0.png", "1.png"]


async def test_files_of_deleted_jobs_are_the_oldest_until_they_are_gone(store: Store, clock: Clock) -> None:
    """Ours: after a crash whoever makes room finds them, whatever the limits are."""
    await made(store, "old", "old.png")
    clock.now += 1
    job = await made(store, "deleted", "deleted.png")
    await store.delete("ann", job.history_id)
    assert (await store.files_total("ann")).oldest == 0
    assert await over(store, before=1, entries=9, size=9_000) == ["deleted.png"]
    await made(store, "drawn again", "deleted.png")
    assert await over(store, before=1, entries=9, size=9_000) == []
    await store.clear("ann")
    assert await over(store, before=1, entries=9, size=9_000) == ["deleted.png", "old.png"]
