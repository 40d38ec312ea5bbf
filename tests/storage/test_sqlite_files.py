"""The index of files: what is kept, and what goes first when room is needed."""

from pathlib import Path

from service.images import ImageRequest, Parent, Reference
from service.storage.store import FilesTotal, Store
from tests.stores import POLICY, Clock, begin, made, open_sqlite

PLENTY = 10**30


async def keep(store: Store, clock: Clock, *names: str, owner: str = "ann", size: int = 100) -> None:
    """Keep files, one second after the other."""
    for name in names:
        clock.now += 1
        await store.file_kept(owner, name, size)


def referring(*names: str) -> ImageRequest:
    return ImageRequest(model="m", prompt="p", references=tuple(Reference(name=name) for name in names))


async def test_nothing_is_kept_at_first(store: Store) -> None:
    nothing = FilesTotal(entries=0, bytes=0, oldest=None)
    assert await store.files_total("ann") == await store.files_total(None) == nothing
    assert await store.files_beyond(entries=0, size=0, before=PLENTY) == []
    await store.files_gone(["a.png"])
    await store.files_gone([])


async def test_files_are_counted_by_owner_and_in_all(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a.png", "b.png")
    await keep(store, clock, "c.png", owner="bob", size=5)
    assert await store.files_total("ann") == FilesTotal(entries=2, bytes=200, oldest=1_001.0)
    assert await store.files_total("bob") == FilesTotal(entries=1, bytes=5, oldest=1_003.0)
    assert await store.files_total(None) == FilesTotal(entries=3, bytes=205, oldest=1_001.0)
    await store.files_gone(["a.png", "c.png", "never.png"])
    assert await store.files_total("ann") == FilesTotal(entries=1, bytes=100, oldest=1_002.0)
    assert await store.files_total(None) == FilesTotal(entries=1, bytes=100, oldest=1_002.0)


async def test_jobs_and_files_are_counted_at_once(store: Store, clock: Clock) -> None:
    """Ours: `cache` asks for both on its hot way."""
    await made(store, "p", "a.png")
    await keep(store, clock, "b.png")
    assert await store.counts("ann") == (await store.totals("ann"), await store.files_total("ann"))
    assert await store.counts("bob") == (await store.totals("bob"), await store.files_total("bob"))


async def test_a_file_of_nobody_is_its_pictures_owners(store: Store) -> None:
    """Ours: found on disk and known no more, it is whose history has a picture of its name."""
    await made(store, "p", "a.png")
    await store.files_gone(["a.png"])
    for name in ("a.png", "b.png"):
        await store.file_kept("", name, 1000)
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
    await store.files_gone(["a.png"])

    async def kept() -> list[bool]:
        jobs = [await store.job("ann", job.history_id) for job in (one, two)]
        return [picture.kept for job in jobs if job for picture in job.pictures]

    assert await kept() == [False, True, False]
    await store.file_kept("ann", "a.png", 1000)
    assert await kept() == [True, True, True]
    assert (await store.totals("ann")).pictures == 3


async def test_the_oldest_go_first(store: Store, clock: Clock) -> None:
    await keep(store, clock, "c.png", "a.png", "d.png", "b.png")
    assert await store.files_beyond(entries=4, size=400, before=0) == []
    assert await store.files_beyond(entries=2, size=PLENTY, before=0) == ["c.png", "a.png"]
    assert await store.files_beyond(entries=PLENTY, size=399, before=0) == ["c.png"]
    assert await store.files_beyond(entries=3, size=250, before=0) == ["c.png", "a.png"]
    assert await store.files_beyond(entries=PLENTY, size=PLENTY, before=1_003.0) == ["c.png", "a.png"]
    assert await store.files_beyond(entries=1, size=PLENTY, before=1_002.0) == ["c.png", "a.png", "d.png"]


async def test_a_file_that_is_kept_again_is_new(store: Store, clock: Clock) -> None:
    """Ours: a picture that people go on from stays longer than one that nobody asks for."""
    await keep(store, clock, "a.png", "b.png", "a.png")
    assert await store.files_beyond(entries=1, size=PLENTY, before=0) == ["b.png"]
    assert (await store.files_total("ann")).entries == 2
    clock.now = 5.0
    await store.file_kept("ann", "a.png", 100)
    assert await store.files_beyond(entries=1, size=PLENTY, before=0) == ["b.png"]


async def test_the_newest_stays_unless_nothing_may(store: Store, clock: Clock) -> None:
    """Ours: a picture larger than all the room is shown before it goes; to clear is to clear, and old is old."""
    await keep(store, clock, "a.png", "b.png")
    assert await store.files_beyond(entries=5, size=1, before=0) == ["a.png"]
    assert await store.files_beyond(entries=0, size=PLENTY, before=0) == ["a.png", "b.png"]
    assert await store.files_beyond(entries=5, size=0, before=0) == ["a.png", "b.png"]
    assert await store.files_beyond(entries=5, size=PLENTY, before=clock.now + 1) == ["a.png", "b.png"]


async def test_one_owner_makes_room_for_itself_only(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a.png", "b.png")
    await keep(store, clock, "c.png", "d.png", owner="bob")
    assert await store.files_beyond(entries=1, size=PLENTY, before=0, owner="bob") == ["c.png"]
    assert await store.files_beyond(entries=0, size=0, before=0, owner="ann") == ["a.png", "b.png"]
    assert await store.files_beyond(entries=0, size=0, before=0, owner="carol") == []
    assert await store.files_beyond(entries=1, size=PLENTY, before=0) == ["a.png", "b.png", "c.png"]


async def test_what_is_spared_counts_and_stays(store: Store, clock: Clock) -> None:
    """Ours: others go in its place, so that the limit holds all the same."""
    await keep(store, clock, "a.png", "b.png", "c.png")
    assert await store.files_beyond(entries=2, size=PLENTY, before=0, spare={"a.png", "x.png"}) == ["b.png"]
    assert await store.files_beyond(entries=0, size=0, before=PLENTY, spare=["a.png", "b.png", "c.png"]) == []


async def test_a_file_that_a_working_job_refers_to_stays_until_the_job_ends(store: Store, clock: Clock) -> None:
    await keep(store, clock, "a.png", "b.png", "c.png")
    done = await begin(store, request=referring("a.png", "a.png", ""))
    failed = await begin(store, request=referring("a.png", "b.png"))
    assert await store.files_beyond(entries=0, size=0, before=PLENTY) == ["c.png"]
    await store.finish(done, [])
    assert await store.files_beyond(entries=0, size=0, before=PLENTY) == ["c.png"]
    await store.fail(failed, POLICY)
    assert await store.files_beyond(entries=0, size=0, before=PLENTY) == ["a.png", "b.png", "c.png"]


async def test_a_file_that_a_job_of_another_process_refers_to_stays(tmp_path: Path, clock: Clock) -> None:
    """Ours: one process makes room while another draws from a picture."""
    one, two = await open_sqlite(tmp_path, clock), await open_sqlite(tmp_path, clock)
    await keep(one, clock, "a.png", "b.png", "c.png")
    job = await begin(two, request=referring("a.png"))
    assert await one.files_beyond(entries=1, size=PLENTY, before=0) == ["b.png"]
    await two.finish(job, [])
    assert await one.files_beyond(entries=1, size=PLENTY, before=0) == ["a.png", "b.png"]
    await one.close()
    await two.close()


async def test_a_file_is_known_to_its_owner_alone(store: Store, clock: Clock) -> None:
    """Ours: a name that somebody else got hold of is as if it were not there."""
    await keep(store, clock, "a.png")
    assert await store.owns_file("ann", "a.png")
    assert not await store.owns_file("bob", "a.png")
    assert not await store.owns_file("ann", "b.png")
    await store.files_gone(["a.png"])
    assert not await store.owns_file("ann", "a.png")


async def test_a_name_leads_to_the_newest_picture_that_has_it(store: Store) -> None:
    """Ours: also when its bytes are gone, since they may be fetched again."""
    await made(store, "a fox", "a.png", "b.png")
    second = await made(store, "a red fox", "c.png", "b.png")
    assert await store.picture_of("ann", "b.png") == Parent(history_id=second.history_id, picture=2)
    await store.files_gone(["b.png"])
    assert await store.picture_of("ann", "b.png") == Parent(history_id=second.history_id, picture=2)
    assert await store.picture_of("bob", "b.png") is None
    assert await store.picture_of("ann", "d.png") is None
