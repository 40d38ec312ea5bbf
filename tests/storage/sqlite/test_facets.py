"""Facets of jobs: counts and words of the index follow the rows, whatever happens to these."""

import sqlite3
from collections import Counter
from pathlib import Path

from service.images import ImageRequest, JobState, Parent, Reference
from service.storage.sqlite import owners
from service.storage.sqlite.facets import Facets
from service.storage.sqlite.store import SqliteStore
from tests.stores import POLICY, Clock, begin, made, open_sqlite, picture


async def agree(store: SqliteStore) -> None:
    """Check that the counts are those of the rows, and that every row has the words of its facets."""

    def read(connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT owner, model, state, has_parents FROM jobs").fetchall()
        counts = connection.execute(
            "SELECT owner, model, state, has_parents, jobs FROM job_counts WHERE jobs"
        ).fetchall()
        assert {tuple(key): jobs for *key, jobs in counts} == Counter(rows)
        indexed = connection.execute("SELECT rowid, facets FROM prompts ORDER BY rowid").fetchall()
        assert indexed == connection.execute("SELECT id, facets FROM job_facets ORDER BY id").fetchall()
        assert all(facets for _, facets in indexed)

    await store.database.read(read)
    await store.database.write(lambda one: one.execute("INSERT INTO prompts (prompts) VALUES ('integrity-check')"))


async def test_facets_follow_a_job_to_its_end(tmp_path: Path, clock: Clock) -> None:
    store = await open_sqlite(tmp_path, clock)
    try:
        first = await made(store, "a fox", "a.png")
        await agree(store)
        parent = Reference(parent=Parent(history_id=first.history_id))
        child = await begin(store, request=ImageRequest(model="other", prompt="a fox", references=(parent,)))
        await agree(store)
        failed = await store.fail(child, POLICY, ["https://x.example/a.png"])
        await agree(store)
        await store.recover(failed, [picture("b.png")])
        await agree(store)
        await store.delete("ann", first.history_id)
        await agree(store)
        await store.clear("ann")
        await agree(store)
    finally:
        await store.close()


async def test_facets_follow_a_history_to_another_owner(tmp_path: Path, clock: Clock) -> None:
    """Ours: also the order of times, which rows that moved behind younger ones end."""
    store = await open_sqlite(tmp_path, clock)
    try:
        await made(store, "ann's fox", "a.png", owner="ann")
        clock.now += 100
        await made(store, "ben's fox", "b.png", owner="ben", model="other")
        await store.database.write(owners.give, "ann", "ben")
        await agree(store)
        page = await store.database.read(
            lambda one: one.execute("SELECT in_order FROM totals ORDER BY owner").fetchall()
        )
        assert page == [(1,), (0,)]
        assert [job.prompt for job in await store.jobs_with_pictures("ben", 9)] == ["ann's fox", "ben's fox"]
        await store.database.write(owners.give, "ben", "eve")
        await agree(store)
        assert [job.prompt for job in await store.jobs_with_pictures("eve", 9)] == ["ann's fox", "ben's fox"]
    finally:
        await store.close()


async def test_a_combination_is_counted_and_named(tmp_path: Path, clock: Clock) -> None:
    """Ours: names with signs of their own stay names, and those that no job has find nothing."""
    store = await open_sqlite(tmp_path, clock)
    try:
        odd = 'ann" OR o1'
        await made(store, "a fox", owner=odd, model="m* AND x")
        await made(store, "a fox", owner="ben")

        def read(connection: sqlite3.Connection) -> list[tuple[str | None, int]]:
            asked = [
                Facets(owner=odd),
                Facets(owner=odd, model="m* AND x", state=JobState.DONE, has_parents=False),
                Facets(owner=odd, model="m"),
                Facets(owner=odd, model="nobody's"),
                Facets(owner="nobody"),
            ]
            return [(each.word(connection), each.count(connection)) for each in asked]

        assert await store.database.read(read) == [("o1", 1), ("o1m2sdp0", 1), ("o1m4", 0), (None, 0), (None, 0)]
    finally:
        await store.close()
