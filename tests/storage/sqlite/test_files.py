"""The index of files beyond the contract: uploads that wait, other processes, and rows deleted by hand."""

import json
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import pytest

from service.images import ImageRequest, Job, Parent, Reference
from service.settings import Limits
from service.storage.sqlite.files import delete_some_jobs, id_after_newest
from service.storage.store import Store, Totals
from tests.stores import POLICY, Clock, begin, made, open_sqlite

COUNT_ROWS = """
    SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM pictures), (SELECT count(*) FROM prompts),
        (SELECT count(*) FROM lineage), (SELECT count(*) FROM working_files)
"""
UPLOAD = """
    INSERT INTO uploads (id, owner, request, prompt, created_at, expires_at, names, used_at)
    VALUES (?, 'ann', '', '', 1, 2, ?, ?)
"""
NOTHING = Totals(working=0, done=0, failed=0, pictures=0, picture_bytes=0)


def referring(*names: str, parent: Job | None = None) -> ImageRequest:
    from_whom = Parent(history_id=parent.history_id) if parent else None
    references = tuple(Reference(name=name, parent=from_whom) for name in names)
    return ImageRequest(model="m", prompt="p", references=references)


async def keep(store: Store, clock: Clock, *names: str, owner: str = "ann", size: int = 100) -> None:
    """Keep files, one second after the other."""
    for name in names:
        clock.now += 1
        await store.add_file(owner, name, size)


async def over(store: Store, before: float = 0, spare: Collection[str] = (), **limits: int) -> list[str]:
    """The names of the files over these limits."""
    return [each.name for each in await store.files_over_limits(Limits(**limits), before, spare)]


async def test_an_upload_that_waits_goes_in_its_turn_and_not_first(tmp_path: Path, clock: Clock) -> None:
    """Attack: without that, whoever fills the room with pictures would take every upload of the others away."""
    store = await open_sqlite(tmp_path, clock)
    await keep(store, clock, "waiting.png", owner="ann")
    await store.database.write(lambda each: each.execute(UPLOAD, ("waiting", json.dumps(["waiting.png"]), None)))
    await made(store, "p", *(f"{number}.png" for number in range(9)), owner="bob")
    assert await over(store, entries=5) == [f"{number}.png" for number in range(5)]
    await store.close()


async def test_a_picture_that_a_mask_is_painted_over_stays(tmp_path: Path, clock: Clock) -> None:
    """Ours: for want of room others go first; whoever deletes it has it deleted."""
    store = await open_sqlite(tmp_path, clock)
    await store.database.write(lambda connection: connection.executemany(UPLOAD, [("open", "", None)]))
    await store.database.write(lambda connection: connection.execute("UPDATE uploads SET picture = 'board.png'"))
    for name in ("board.png", "loose.png"):
        await store.add_file("ann", name, 10)
    await made(store, "one", "newest.png")
    assert await over(store, entries=2) == ["loose.png"]
    assert await store.unused_files("ann", ["board.png"]) == ["board.png"]
    await store.close()


async def test_what_ends_or_begins_while_a_history_is_cleared_stays(tmp_path: Path, clock: Clock) -> None:
    """Ours: nobody loses a picture that came after they asked."""
    store = await open_sqlite(tmp_path, clock)
    before, working = await made(store, "before"), await begin(store)
    newest = await store.database.read(id_after_newest, "ann", 0)
    begun_later = await made(store, "begun later")
    clock.now += 1
    ended_later = await store.finish(working, [])
    assert not await store.database.write(delete_some_jobs, "ann", newest, before.created_at)
    assert await store.jobs("ann", 10) == [begun_later, ended_later]
    await store.close()


@pytest.mark.parametrize("foreign_keys", ["ON", "OFF"])
async def test_rows_deleted_by_hand_take_theirs_along(tmp_path: Path, clock: Clock, foreign_keys: str) -> None:
    """Ours: the triggers are in the file, so that it stays right whoever writes it."""
    store = await open_sqlite(tmp_path, clock)
    parent = await made(store, "a fox", "a.png", "b.png")
    await begin(store, request=referring("a.png", parent=parent))
    await store.fail(await begin(store), POLICY)
    left = await made(store, "a hen", "a.png", owner="bob")
    with closing(sqlite3.connect(tmp_path / "easel.sqlite3", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA foreign_keys = {foreign_keys}")
        connection.execute("DELETE FROM jobs WHERE owner = 'ann'")
        rows = connection.execute(COUNT_ROWS).fetchone()
    assert rows == (1, 1, 1, 0, 0)
    assert await store.totals("ann") == NOTHING
    assert await store.totals("bob") == Totals(working=0, done=1, failed=0, pictures=1, picture_bytes=1000)
    assert await store.jobs("bob", 10) == [left]
    await store.close()
