"""Short lists and single facts of a history."""

from dataclasses import replace

import pytest

from service.storage.store import Store
from tests.stores import POLICY, Clock, begin, made, picture


async def test_jobs_with_a_picture_that_is_kept_come_newest_first_and_whole(store: Store) -> None:
    first = await made(store, "first", "a.png", "b.png")
    await store.fail(await begin(store), POLICY)
    lost = await made(store, "lost", "c.png")
    last = await made(store, "last", "d.png", "e.png")
    await begin(store)
    await made(store, "foreign", "f.png", owner="bob")
    await store.forget_files(["a.png", "c.png"])
    assert await store.jobs_with_pictures("ann", 9) == [last, await store.job("ann", first.history_id)]
    assert await store.jobs_with_pictures("ann", 1) == [last]
    assert [job.prompt for job in await store.jobs_with_pictures("ann", 9, last.history_id)] == ["first"]
    assert await store.jobs_with_pictures("ann", 9, lost.history_id) == await store.jobs_with_pictures(
        "ann", 9, last.history_id
    )
    assert await store.jobs_with_pictures("ann", 9, first.history_id) == []


@pytest.mark.parametrize("before", [0, -5, 2**80])
async def test_any_number_is_a_place_to_go_on_from(store: Store, before: int) -> None:
    """Ours: it comes out of a cursor that a client gave."""
    job = await made(store, "a", "a.png")
    assert await store.jobs_with_pictures("ann", 9, before) == ([job] if before > 0 else [])


async def test_ids_are_found_by_their_first_digits(store: Store) -> None:
    for number in range(12):
        await begin(store, "bob" if number == 9 else "ann")
    assert await store.history_ids("ann", "1", 9) == [11, 10, 1]
    assert await store.history_ids("ann", "1", 2) == [11, 10]
    assert await store.history_ids("ann", "11", 9) == [11]
    assert await store.history_ids("ann", "", 9) == [11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert await store.history_ids("bob", "", 9) == [1]


async def test_names_are_found_by_how_they_begin_newest_first(store: Store, clock: Clock) -> None:
    for name in ("ab1.png", "ab2.png", "b.png"):
        clock.now += 1
        await store.add_file("ann", name, 10)
    await store.add_file("bob", "ab3.png", 10)
    assert await store.file_names("ann", "ab", 9) == ["ab2.png", "ab1.png"]
    assert await store.file_names("ann", "", 1) == ["b.png"]
    assert await store.file_names("bob", "ab", 9) == ["ab3.png"]


@pytest.mark.parametrize("beginning", ["%", "*", "_", "?", "[a", "'", "A"])
async def test_no_character_stands_for_others(store: Store, beginning: str) -> None:
    await made(store, "a", "a.png")
    assert await store.file_names("ann", beginning, 9) == []
    assert await store.history_ids("ann", beginning, 9) == []


async def test_a_file_belongs_to_whom_it_is_kept_for(store: Store) -> None:
    """Ours: of a picture, a reference or an upload alike, as long as it is kept."""
    await made(store, "a", "a.png")
    await store.add_file("ann", "b.png", 10)
    assert [await store.owns_file("ann", name) for name in ("a.png", "b.png", "c.png")] == [True, True, False]
    assert [await store.owns_file("bob", name) for name in ("a.png", "b.png")] == [False, False]
    await store.forget_files(["a.png"])
    assert not await store.owns_file("ann", "a.png")


async def test_ids_of_any_length_are_found(store: Store) -> None:
    for number in range(120):
        await begin(store)
        assert (number + 1) in await store.history_ids("ann", str(number + 1), 1000)
    assert await store.history_ids("ann", "11", 1000) == [*range(119, 109, -1), 11]
    assert await store.history_ids("ann", "12", 1000) == [120, 12]
    assert await store.history_ids("ann", "0", 9) == await store.history_ids("ann", "9" * 30, 9) == []


async def test_a_job_is_pictured_as_long_as_one_of_its_pictures_is_there(store: Store) -> None:
    """Ours: whatever came first, the file or the row; also when a picture is fetched again under another name."""

    async def pictured() -> list[int]:
        return [job.history_id for job in await store.jobs_with_pictures("ann", 9)]

    await store.add_file("ann", "early.png", 10)
    one = await made(store, "early", "early.png", "second.png")
    two = await made(store, "shares a picture", "second.png")
    assert await pictured() == [2, 1]
    await store.forget_files(["second.png"])
    assert await pictured() == [1]
    await store.add_file("ann", "second.png", 10)
    assert await pictured() == [2, 1]
    await store.forget_files(["early.png", "second.png"])
    assert await pictured() == []
    await store.restore_picture(one, 0, picture("again.png"))
    assert await pictured() == [1]
    await store.restore_picture(one, 0, replace(picture("elsewhere.png"), kept=False))
    assert await pictured() == []
    await store.add_file("ann", "second.png", 10)
    await store.delete("ann", two.history_id)
    assert await pictured() == [1]
