"""A move there and back: everything is as it was, and a move that is cut short leaves nothing half-done."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.storage.arrivals import DiskArrivals
from service.storage.disk import DiskFiles
from service.storage.moving.mover import Moved, Place, move
from service.storage.moving.postgresql_records import PostgresRecords
from service.storage.moving.records import FILES, JOBS, TABLES, MoveError, RecordWriter, Rows, Table
from service.storage.moving.sqlite_records import FolderRecords
from service.storage.opened import open_storage
from service.storage_urls import DatabaseUrl
from tests.installation import contents, fill
from tests.scale.postgres import Server


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[DatabaseUrl]:
    async with postgres_server.database() as url:
        yield DatabaseUrl(url=url, password="", shown="the database")


async def place(folder: Path, records: PostgresRecords | FolderRecords | None = None) -> Place:
    """A place with the pictures in a folder, and the records there too or elsewhere."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    return Place(
        records=records or FolderRecords(folder),
        files=await DiskFiles.open(folder / "files", scratch, b"k" * 32),
        arrivals=await DiskArrivals.open(folder / "arrived", scratch),
    )


def quietly(*_: int) -> None:
    """Tell nobody of the progress."""


async def moved(old: Place, new: Place) -> Moved:
    return await move(old, new, quietly, records=True, files=True)


async def test_everything_is_the_same_after_a_move_there_and_back(tmp_path: Path, database: DatabaseUrl) -> None:
    """Ours: ids, links, owners, tokens, tasks, uploads and sessions go on, in whichever place."""
    await fill(tmp_path / "old")
    before = contents(tmp_path / "old")
    assert all(before.rows.values()), "something of everything"
    away = await place(tmp_path / "away", PostgresRecords(database))
    there = await moved(await place(tmp_path / "old"), away)
    assert there.rows["jobs"] == 7
    assert not there.pictures.missing
    back = await moved(away, await place(tmp_path / "back"))
    assert back.rows == there.rows
    (tmp_path / "back" / "secret").write_bytes(before.secret)
    after = contents(tmp_path / "back")
    assert {name: after.rows[name] for name in before.rows if after.rows[name] != before.rows[name]} == {}
    assert after == before
    assert contents(tmp_path / "old") == before, "and the old place is as it was"


async def test_a_service_goes_on_with_what_came_back(tmp_path: Path, database: DatabaseUrl) -> None:
    """Ours: triggers, counters and the index of words work as in a folder that never moved."""
    await fill(tmp_path / "old")
    away = await place(tmp_path / "away", PostgresRecords(database))
    await moved(await place(tmp_path / "old"), away)
    await moved(away, await place(tmp_path / "back"))
    (tmp_path / "back" / "secret").write_bytes((tmp_path / "old" / "secret").read_bytes())
    async with contextlib.AsyncExitStack() as stack:
        old = await open_storage(tmp_path / "old", stack)
        back = await open_storage(tmp_path / "back", stack)
        for each in (old, back):
            claimed = await each.store.claim()
            assert [job.tasks for job in claimed] == [{0: "task-7"}]
            assert await each.arrivals.read(claimed[0])
            assert await each.store.delete("ann", 2) is not None
        assert await back.store.counts("ann") == await old.store.counts("ann")
        assert await back.store.counts("ben") == await old.store.counts("ben")


class BrokenError(Exception):
    """The fault by which a test breaks a move."""


class BrokenRecords(FolderRecords):
    """The records of a folder, of which one table cannot be written."""

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[RecordWriter]:
        async with super().writing() as writer:
            yield BrokenWriter(writer)


class BrokenWriter(RecordWriter):
    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer

    async def write(self, table: Table, rows: AsyncIterator[Rows]) -> None:
        await self._writer.write(table, rows)
        if table == TABLES[-1]:
            raise BrokenError

    async def count(self, table: Table) -> int:
        return await self._writer.count(table)

    async def complete(self) -> None:
        await self._writer.complete()


async def test_a_move_that_breaks_leaves_no_record_and_goes_on_later(tmp_path: Path) -> None:
    await fill(tmp_path / "old")
    before = contents(tmp_path / "old")
    old = await place(tmp_path / "old")
    with pytest.raises(BrokenError):
        await moved(old, await place(tmp_path / "new", BrokenRecords(tmp_path / "new")))
    assert not [each.name for each in (tmp_path / "new").iterdir() if each.name.startswith("easel.db")]
    again = await moved(old, await place(tmp_path / "new"))
    assert (again.pictures.copied, again.pictures.pictures) == (0, len(before.rows["files"]))
    (tmp_path / "new" / "secret").write_bytes(before.secret)
    assert contents(tmp_path / "new") == before


async def test_a_place_that_is_in_use_is_refused_before_anything_is_copied(
    tmp_path: Path, database: DatabaseUrl
) -> None:
    await fill(tmp_path / "old")
    await fill(tmp_path / "other")
    old = await place(tmp_path / "old")
    with pytest.raises(MoveError, match="is there already"):
        await moved(old, await place(tmp_path / "other"))
    away = await place(tmp_path / "away", PostgresRecords(database))
    await moved(old, away)
    with pytest.raises(MoveError, match="has records already, in totals: name an empty database"):
        await moved(await place(tmp_path / "other"), away)
    assert len(list((tmp_path / "away" / "files").glob("*/*"))) == len(list((tmp_path / "old" / "files").glob("*/*")))


async def test_a_picture_that_is_gone_is_told_and_taken_out_of_the_index(tmp_path: Path, database: DatabaseUrl) -> None:
    """Ours: the history says so of it, as it does of one that was removed for want of room."""
    await fill(tmp_path / "old")
    lost = min((tmp_path / "old" / "files").glob("*/*"))
    lost.unlink()
    away = await place(tmp_path / "away", PostgresRecords(database))
    outcome = await moved(await place(tmp_path / "old"), away)
    assert outcome.pictures.missing == [lost.name]
    async with PostgresRecords(database).reading() as reader:
        names = {row[0] async for batch in reader.batches(FILES) for row in batch}
    assert lost.name not in names
    assert len(names) == outcome.pictures.pictures


async def test_pictures_alone_are_moved_where_the_records_stay(tmp_path: Path) -> None:
    """Ours: a bucket beside a data folder is a step of its own. Smaller copies are made anew, and counted then."""
    await fill(tmp_path / "old")
    before = contents(tmp_path / "old")
    async with contextlib.AsyncExitStack() as stack:
        storage = await open_storage(tmp_path / "old", stack)
        name = next(iter(before.pictures))
        await storage.store.add_derived(name, 500)
        owner = await storage.store.owner_of_file(name)
        counted = (await storage.store.files_total(owner)).bytes
    old = await place(tmp_path / "old")
    new = Place(records=old.records, files=(await place(tmp_path / "new")).files, arrivals=old.arrivals)
    outcome = await move(old, new, quietly, records=False, files=True)
    assert (outcome.rows, outcome.pictures.copied) == ({}, len(before.rows["files"]))
    async with contextlib.AsyncExitStack() as stack:
        storage = await open_storage(tmp_path / "old", stack)
        assert (await storage.store.files_total(owner)).bytes == counted - 500
    assert contents(tmp_path / "old") == before


async def test_a_table_that_lost_a_row_is_told_and_nothing_is_kept(tmp_path: Path) -> None:
    """Ours: numbers are compared before the new place counts."""
    await fill(tmp_path / "old")

    class Losing(BrokenWriter):
        async def write(self, table: Table, rows: AsyncIterator[Rows]) -> None:
            await self._writer.write(table, without_last(rows) if table == JOBS else rows)

    class LosingRecords(FolderRecords):
        @contextlib.asynccontextmanager
        async def writing(self) -> AsyncIterator[RecordWriter]:
            async with super().writing() as writer:
                yield Losing(writer)

    async def without_last(rows: AsyncIterator[Rows]) -> AsyncIterator[Any]:
        async for batch in rows:
            yield batch[:-1]

    with pytest.raises(MoveError, match="6 of 7 rows of jobs were copied"):
        await moved(await place(tmp_path / "old"), await place(tmp_path / "new", LosingRecords(tmp_path / "new")))
    assert not (tmp_path / "new" / "easel.db").exists()
