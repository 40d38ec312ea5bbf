"""Kept results of reads: the same object while nothing was written, and never an old one."""

from pathlib import Path

import pytest

from service.storage.sqlite import kept_reads
from service.storage.sqlite.kept_reads import KeptReads
from service.storage.sqlite.store import LONGEST_KEPT, SqliteStore
from service.storage.store import Search
from tests.stores import Clock, begin, made, open_sqlite

ALL = Search()


@pytest.fixture
async def here(tmp_path: Path) -> SqliteStore:
    return await open_sqlite(tmp_path, Clock(1_000.0))


async def test_what_nobody_changed_is_not_read_again(here: SqliteStore) -> None:
    await made(here, "a red fox", "a.png")
    page, counts = await here.page("ann", ALL, 5), await here.counts("ann")
    assert await here.page("ann", ALL, 5) is page
    assert await here.counts("ann") is counts
    assert await here.page("ann", ALL, 4) is not page
    await here.close()


async def test_a_change_is_seen_by_the_next_read(here: SqliteStore) -> None:
    first = await made(here, "a red fox", "a.png")
    assert (await here.page("ann", ALL, 5)).total == 1
    assert (await here.counts("ann"))[1].entries == 1
    working = await begin(here)
    assert (await here.page("ann", ALL, 5)).jobs[0].history_id == working.history_id
    await here.delete("ann", first.history_id)
    assert [job.history_id for job in (await here.page("ann", ALL, 5)).jobs] == [working.history_id]
    assert (await here.counts("ann"))[0].working == 1
    await here.close()


async def test_a_change_of_another_process_is_seen_too(here: SqliteStore, tmp_path: Path) -> None:
    """Ours: commands such as `history delete` work beside the service on the same file."""
    there = await open_sqlite(tmp_path, Clock(1_000.0))
    await made(here, "a red fox", "a.png")
    assert (await here.page("ann", ALL, 5)).total == 1
    await made(there, "a blue fox", "b.png")
    assert (await here.page("ann", ALL, 5)).total == 2
    assert (await here.counts("ann"))[1].entries == 2
    await there.close()
    await here.close()


async def test_a_result_that_was_overtaken_by_a_write_is_not_kept(here: SqliteStore, tmp_path: Path) -> None:
    kept = await KeptReads.open(tmp_path / "easel.sqlite3")

    async def overtaken() -> int:
        await made(here, "a red fox", "a.png")
        assert await kept.get("other", _two, lambda _: True) == 2
        return 1

    assert await kept.get("one", overtaken, lambda _: True) == 1
    assert await kept.get("one", _two, lambda _: True) == 2
    kept.close()
    await here.close()


async def _two() -> int:
    return 2


async def test_owners_do_not_see_what_was_kept_for_others(here: SqliteStore) -> None:
    await made(here, "a red fox", "a.png", owner="ann")
    assert (await here.page("ann", ALL, 5)).total == 1
    assert (await here.page("ben", ALL, 5)).total == 0
    assert (await here.counts("ben"))[1].entries == 0
    await here.close()


async def test_long_prompts_are_read_again(here: SqliteStore) -> None:
    """Ours: the memory is bounded; a thousand people may look at theirs."""
    await made(here, "fox " * LONGEST_KEPT, "a.png")
    assert await here.page("ann", ALL, 5) is not await here.page("ann", ALL, 5)
    await here.close()


async def test_so_many_results_are_kept(here: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_reads, "MOST", 3)
    for limit in range(1, 8):
        await here.page("ann", ALL, limit)
    assert len(here._kept._kept) <= 3
    await here.close()


async def test_a_closed_file_has_its_own_words(here: SqliteStore) -> None:
    await here.close()
    with pytest.raises(RuntimeError, match="closed"):
        await here.counts("ann")
