"""Rows read as jobs: in how many statements. What they hold is in the tests of the store."""

import sqlite3
from pathlib import Path

from service.images import ImageRequest, Parent, Reference
from service.storage.sqlite import searches
from service.storage.store import Search
from tests.stores import Clock, begin, made, open_sqlite, picture


async def test_a_page_takes_a_statement_for_its_rows_and_one_for_parents(tmp_path: Path, clock: Clock) -> None:
    """Ours: a statement costs as much as some rows, and most entries have no parents."""
    store = await open_sqlite(tmp_path, clock)
    try:
        first = await made(store, "a fox", "a.png", "b.png")
        assert [each.name for each in first.pictures] == ["a.png", "b.png"]

        def asked(connection: sqlite3.Connection) -> list[str]:
            said: list[str] = []
            connection.set_trace_callback(said.append)
            searches.page(connection, "ann", Search(newest=50), 5, None)
            connection.set_trace_callback(None)
            return said

        assert len(await store.database.read(asked)) == 2
        parent = Reference(parent=Parent(history_id=first.history_id, picture=2))
        child = await begin(store, request=ImageRequest(model="m", prompt="a red fox", references=(parent,)))
        assert len(await store.database.read(asked)) == 3
        done = await store.finish(child, [picture("c.png")])
        page = await store.page("ann", Search(), 5)
        assert page.jobs == [done, first]
        assert done.parents == (Parent(history_id=first.history_id, picture=2),)
    finally:
        await store.close()
