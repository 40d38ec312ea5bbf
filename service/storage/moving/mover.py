"""The steps of a move from one place to another, and their order.

1. Whatever can be refused is refused before anything is copied: a service that runs, a new place that is in use.
2. Pictures first, which take long: those that lie there already are left, so that a move that was cut short goes on.
3. Then what has arrived for jobs that still work, and the records, in one step that is whole or never was. The numbers
   of rows are compared before it is.
4. The old place stays as it is, and is still what counts until the new one has everything.
"""

import json
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from typing import Any

from service.images import Job, JobState
from service.storage.files import NAME, Arrivals, Files
from service.storage.moving.pictures import Advance, Copied, copy_pictures
from service.storage.moving.records import (
    FILES,
    JOBS,
    TABLES,
    MoveError,
    RecordReader,
    Records,
    RecordWriter,
    Rows,
    Table,
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One of the two places of an installation."""

    records: Records
    files: Files
    arrivals: Arrivals


@dataclass(kw_only=True)
class Moved:
    """The outcome: pictures, and the number of rows of each table; no table where the records stay where they are."""

    pictures: Copied
    rows: dict[str, int] = field(default_factory=dict)


async def move(old: Place, new: Place, advance: Advance, *, records: bool, files: bool) -> Moved:
    """Copy the records of a place to another one, or its pictures, or both. Raises `MoveError`."""
    if records:
        await new.records.check_empty()
    async with old.records.reading() as reader:
        wanted = await _stored(reader)
        copied = Copied(pictures=len(wanted), size=sum(wanted.values()))
        if files:
            copied = await copy_pictures(old.files, new.files, wanted, advance)
            await reader.forget_derived() if not records else None
        for job in await _working(reader):
            for part, pictures in (await old.arrivals.read(job)).items():
                await new.arrivals.keep(job, pictures, part)
        if not records:
            return Moved(pictures=copied)
        async with new.records.writing() as writer:
            return Moved(pictures=copied, rows=await _copy_records(reader, writer, copied.missing))


async def _copy_records(reader: RecordReader, writer: RecordWriter, missing: Collection[str]) -> dict[str, int]:
    """Copy all tables; return the rows of each. Raises `MoveError` where a number of rows is not the same then."""
    for table in TABLES:
        rows = reader.batches(table)
        await writer.write(table, _without(rows, missing) if table == FILES else rows)
    await writer.complete()
    counts = {}
    for table in TABLES:
        wanted = await reader.count(table) - (len(missing) if table == FILES else 0)
        counts[table.name] = await writer.count(table)
        if counts[table.name] != wanted:
            raise MoveError(f"{counts[table.name]} of {wanted} rows of {table.name} were copied, so none is kept")
    return counts


async def _without(rows: AsyncIterator[Rows], missing: Collection[str]) -> AsyncIterator[Rows]:
    """Yield rows of files without those that are gone: the history says so of their pictures."""
    gone = frozenset(missing)
    async for batch in rows:
        yield [row for row in batch if row[0] not in gone]


async def _stored(reader: RecordReader) -> dict[str, int]:
    """Return the names and sizes of all pictures in the index."""
    at = FILES.columns.index("size")
    return {row[0]: row[at] async for row in _each(reader, FILES) if NAME.fullmatch(row[0])}


async def _working(reader: RecordReader) -> list[Job]:
    """Return the jobs that a stop left at work, as far as their arrivals need them."""
    found = []
    async for row in _each(reader, JOBS):
        values = dict(zip(JOBS.columns, row, strict=True))
        if values["state"] == JobState.WORKING:
            found.append(
                Job(
                    history_id=values["history_id"],
                    owner=values["owner"],
                    state=JobState.WORKING,
                    model=values["model"],
                    prompt=values["prompt"],
                    created_at=values["created_at"],
                    parameters=json.loads(values["parameters"]),
                )
            )
    return found


async def _each(reader: RecordReader, table: Table) -> AsyncIterator[Any]:
    async for batch in reader.batches(table):
        for row in batch:
            yield row
