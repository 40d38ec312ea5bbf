"""Questions about the history of an owner: pages of a search, short lists, counts, children. All only read.

1. Words are looked up in the full-text index, which knows owners too: the prompts of others slow no search down.
   Without words an index of the owner's jobs has all that is asked for, and no row is read to count.
2. Every list walks an index by row from its newest end, so that nothing is sorted, and stops when it has enough: the
   rows of an owner have the order of their numbers.
3. The number of all matches is read off the totals where nothing is asked for, else counted in an index.
4. Days are a stretch of rows but for clocks that were put back and histories that were taken over: an index of times
   gives the first and the last row, and only rows between them are looked at.

4. A picture is `kept` while the index of files has its name: nothing has to keep the two in step. One that was left at
   its image service (`images.AWAY`) is in no index, and counts as kept.

Each function runs inside one transaction of `Database`.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.costs import Usage
from service.images import Failure, Job, JobState, KeptPicture, Parent
from service.storage.sqlite.database import LARGEST_INTEGER, within_range
from service.storage.sqlite.files import files_total, id_after_newest
from service.storage.sqlite.words import match_expression
from service.storage.store import FilesTotal, Page, Search, Totals

SELECT_JOBS: Final = """
    SELECT id, history_id, owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason,
        failure_links, parameters, upstream, tasks, submitted, delivered_at, cost, cost_currency, estimated,
        input_tokens, output_tokens
    FROM jobs WHERE owner = ? AND id IN (SELECT value FROM json_each(?))
"""
SELECT_PICTURES: Final = """
    SELECT job_id, name, media_type, width, height, size, note, source, part,
        EXISTS (SELECT 1 FROM files WHERE files.name = pictures.name) OR pictures.name GLOB 'away-*'
    FROM pictures WHERE job_id IN (SELECT value FROM json_each(?)) ORDER BY job_id, position
"""
SELECT_PARENTS: Final = """
    SELECT job_id, parent, picture FROM lineage
    WHERE job_id IN (SELECT value FROM json_each(?)) ORDER BY job_id, position
"""
SELECT_TOTALS: Final = "SELECT working, done, failed, pictures, picture_bytes FROM totals WHERE owner = ?"
SELECT_CHILDREN: Final = """
    SELECT history_id, picture FROM lineage JOIN jobs ON jobs.id = job_id
    WHERE parent = ? AND lineage.owner = ? ORDER BY job_id, position
"""
SELECT_WITH_PICTURES: Final = """
    SELECT id FROM jobs WHERE owner = ? AND history_id <= ? AND EXISTS (
        SELECT 1 FROM pictures JOIN files USING (name) WHERE pictures.job_id = jobs.id
    )
    ORDER BY history_id DESC LIMIT ?
"""
SELECT_BEGINNING_IDS: Final = """
    SELECT history_id FROM jobs WHERE owner = ?1 AND substr(history_id, 1, length(?2)) = ?2
    ORDER BY history_id DESC LIMIT ?3
"""
SELECT_BEGINNING_NAMES: Final = """
    SELECT name FROM files WHERE owner = ?1 AND substr(name, 1, length(?2)) = ?2
    ORDER BY stored_at DESC, name DESC LIMIT ?3
"""
SELECT_ROW_BEFORE: Final = """
    SELECT id FROM jobs WHERE owner = ? AND history_id < ? ORDER BY history_id DESC LIMIT 1
"""
ALWAYS: Final = 1e15
"""Seconds that no clock shows."""

SELECT_STRETCH: Final = """
    SELECT count(*), min(id), max(id) FROM jobs WHERE owner = ? AND created_at >= ? AND created_at < ?
"""
SELECT_FILE: Final = "SELECT 1 FROM files WHERE name = ? AND owner = ?"
SELECT_PICTURE: Final = """
    SELECT history_id, position FROM pictures JOIN jobs ON jobs.id = job_id WHERE name = ? AND owner = ?
    ORDER BY job_id DESC, position LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class _Query:
    """A FROM clause with its conditions but for rows, their values, and the name of the column of rows."""

    source: str
    values: tuple[str | float, ...]
    id_column: str

    def count(self, connection: sqlite3.Connection, first: int, last: int) -> int:
        sql = f"SELECT count(*) {self.source} AND {self.id_column} BETWEEN ? AND ?"
        number: int = connection.execute(sql, (*self.values, first, last)).fetchone()[0]
        return number

    def ids(self, connection: sqlite3.Connection, first: int, last: int, limit: int) -> list[int]:
        sql = (
            f"SELECT {self.id_column} {self.source} AND {self.id_column} BETWEEN ? AND ? "
            f"ORDER BY {self.id_column} DESC LIMIT ?"
        )
        return [row[0] for row in connection.execute(sql, (*self.values, first, last, limit))]


def page(connection: sqlite3.Connection, owner: str, search: Search, limit: int, before: int | None) -> Page:
    """One page of a search."""
    limit = within_range(limit)
    first, last = _window(connection, owner, search)
    query, stretch = _query(owner, search), _stretch(connection, owner, search)
    if query is None or (stretch is not None and stretch.count == 0):
        return Page(jobs=[], more=False, total=0)
    if stretch is not None:
        first, last = max(first, stretch.first), min(last, stretch.last)
    total = _total(connection, owner, search, query, (first, last), stretch)
    page_last = last if before is None else min(last, _row_before(connection, owner, before))
    ids = query.ids(connection, first, page_last, min(limit + 1, LARGEST_INTEGER))
    jobs: list[Job] = jobs_of(connection, owner, ids[:limit])
    return Page(jobs=jobs, more=len(ids) > limit, total=total)


def children(connection: sqlite3.Connection, owner: str, history_id: int) -> list[tuple[int, int]]:
    """Jobs that started from a picture of this one, and the number of that picture."""
    return connection.execute(SELECT_CHILDREN, (history_id, owner)).fetchall()


def totals(connection: sqlite3.Connection, owner: str) -> Totals:
    """Jobs by state, and their pictures."""
    row = connection.execute(SELECT_TOTALS, (owner,)).fetchone() or (0, 0, 0, 0, 0)
    working, done, failed, pictures, picture_bytes = row
    return Totals(working=working, done=done, failed=failed, pictures=pictures, picture_bytes=picture_bytes)


def counts(connection: sqlite3.Connection, owner: str) -> tuple[Totals, FilesTotal]:
    """Jobs and files at one moment."""
    return totals(connection, owner), files_total(connection, owner)


def jobs_with_pictures(connection: sqlite3.Connection, owner: str, limit: int, before: int | None) -> list[Job]:
    """Jobs of which a picture's file is stored."""
    last = LARGEST_INTEGER if before is None else within_range(before - 1)
    rows = connection.execute(SELECT_WITH_PICTURES, (owner, last, within_range(limit))).fetchall()
    return jobs_of(connection, owner, [id_ for (id_,) in rows])


def history_ids(connection: sqlite3.Connection, owner: str, beginning: str, limit: int) -> list[int]:
    """Ids that begin with these digits."""
    rows = connection.execute(SELECT_BEGINNING_IDS, (owner, beginning, within_range(limit)))
    return [history_id for (history_id,) in rows]


def file_names(connection: sqlite3.Connection, owner: str, beginning: str, limit: int) -> list[str]:
    """Names of stored files that begin so."""
    rows = connection.execute(SELECT_BEGINNING_NAMES, (owner, beginning, within_range(limit)))
    return [name for (name,) in rows]


def owns_file(connection: sqlite3.Connection, owner: str, name: str) -> bool:
    """True for a stored file of this owner."""
    return connection.execute(SELECT_FILE, (name, owner)).fetchone() is not None


def picture_of(connection: sqlite3.Connection, owner: str, name: str) -> Parent | None:
    """The newest picture of this name; positions count from 0 in the table, and from 1 for people."""
    row = connection.execute(SELECT_PICTURE, (name, owner)).fetchone()
    return None if row is None else Parent(history_id=row[0], picture=row[1] + 1)


def _query(owner: str, search: Search) -> _Query | None:
    """The table to look in and its conditions; None for a text without any word."""
    conditions: list[str] = ["jobs.owner = ?"]
    values: list[str | float] = [owner]
    if search.model:
        conditions.append("jobs.model = ?")
        values.append(search.model)
    if search.state is not None:
        conditions.append("jobs.state = ?")
        values.append(search.state)
    if search.has_parents is not None:
        conditions.append("jobs.has_parents = ?")
        values.append(search.has_parents)
    for comparison, moment in ((">=", search.since), ("<", search.until)):
        if moment is not None:
            # The plus keeps SQLite from its index, and so from sorting: rows are walked by their number.
            conditions.append(f"+jobs.created_at {comparison} ?")
            values.append(moment)
    if not search.query.strip():
        source = f"FROM jobs WHERE {' AND '.join(conditions)}"
        return _Query(source=source, values=tuple(values), id_column="id")
    expression = match_expression(owner, search.query)
    if expression is None:
        return None
    if len(conditions) == 1:
        return _Query(source="FROM prompts WHERE prompts MATCH ?", values=(expression,), id_column="prompts.rowid")
    asked = " AND ".join(conditions)
    return _Query(
        source=f"FROM prompts CROSS JOIN jobs ON jobs.id = prompts.rowid WHERE prompts MATCH ? AND {asked}",
        values=(expression, *values),
        id_column="prompts.rowid",
    )


def _window(connection: sqlite3.Connection, owner: str, search: Search) -> tuple[int, int]:
    """The rows between which the asked-for jobs lie, both ends included."""
    first = 1 if search.newest is None else id_after_newest(connection, owner, within_range(search.newest)) + 1
    if search.beyond is None:
        return first, LARGEST_INTEGER
    return first, id_after_newest(connection, owner, within_range(search.beyond))


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    """The jobs of some days: their number, and their first and last row, between which others may lie."""

    count: int
    first: int
    last: int


def _stretch(connection: sqlite3.Connection, owner: str, search: Search) -> _Stretch | None:
    """The jobs of the days that are asked for; None where none are."""
    if search.since is None and search.until is None:
        return None
    since = -ALWAYS if search.since is None else search.since
    until = ALWAYS if search.until is None else search.until
    count, first, last = connection.execute(SELECT_STRETCH, (owner, since, until)).fetchone()
    return _Stretch(count=count, first=first or 0, last=last or 0)


def _row_before(connection: sqlite3.Connection, owner: str, history_id: int) -> int:
    """The row of the newest job of an owner with a smaller number, or 0."""
    row = connection.execute(SELECT_ROW_BEFORE, (owner, within_range(history_id))).fetchone()
    return row[0] if row else 0


def _total(  # noqa: PLR0913, PLR0917 - all that a number can be read off
    connection: sqlite3.Connection,
    owner: str,
    search: Search,
    query: _Query,
    window: tuple[int, int],
    stretch: _Stretch | None,
) -> int:
    if stretch is not None and search == Search(since=search.since, until=search.until):
        return stretch.count
    if search.is_filtered:
        return query.count(connection, *window)
    of_owner = totals(connection, owner)
    total = of_owner.working + of_owner.done + of_owner.failed
    newest = total if search.newest is None else min(total, within_range(search.newest))
    return max(0, newest - within_range(search.beyond or 0))


def jobs_of(connection: sqlite3.Connection, owner: str, ids: Sequence[int]) -> list[Job]:
    """The jobs of these rows that belong to the owner, newest first, with pictures and parents."""
    rows = connection.execute(SELECT_JOBS, (owner, json.dumps(ids))).fetchall()
    found = json.dumps([row[0] for row in rows])
    pictures: dict[int, list[KeptPicture]] = defaultdict(list)
    parents: dict[int, list[Parent]] = defaultdict(list)
    for id_, *picture in connection.execute(SELECT_PICTURES, (found,)):
        pictures[id_].append(_read_picture(picture))
    for id_, parent, number in connection.execute(SELECT_PARENTS, (found,)):
        parents[id_].append(Parent(history_id=parent, picture=number))
    jobs = [_read_job(row, tuple(pictures[id_]), tuple(parents[id_])) for id_, *row in rows]
    return sorted(jobs, key=lambda job: job.history_id, reverse=True)


def picture_row(job_id: int, position: int, picture: KeptPicture) -> tuple[str | int, ...]:
    """A row of `pictures`, in the order of `INSERT_PICTURE`."""
    return (
        job_id,
        position,
        picture.name,
        picture.media_type,
        picture.width,
        picture.height,
        picture.size,
        picture.note,
        picture.source,
        picture.part,
    )


def _read_picture(row: Sequence[Any]) -> KeptPicture:
    """A picture from the columns of `SELECT_PICTURES` after the first."""
    name, media_type, width, height, size, note, source, part, stored = row
    return KeptPicture(
        name=name,
        media_type=media_type,
        width=width,
        height=height,
        size=size,
        note=note,
        source=source,
        part=part,
        kept=bool(stored),
    )


def _read_job(row: Sequence[Any], pictures: tuple[KeptPicture, ...], parents: tuple[Parent, ...]) -> Job:
    """A job from the columns of `SELECT_JOBS` after the first."""
    history_id, owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason, *more = row
    failure_links, parameters, upstream, tasks, submitted, delivered_at, *used = more
    failure = Failure(kind=failure_kind, reason=failure_reason) if failure_kind is not None else None
    return Job(
        history_id=history_id,
        owner=owner,
        state=JobState(state),
        model=model,
        prompt=prompt,
        created_at=created_at,
        finished_at=finished_at,
        pictures=pictures,
        failure=failure if state == JobState.FAILED else None,
        shortfall=None if state == JobState.FAILED else failure,
        parameters=json.loads(parameters),
        upstream=upstream,
        tasks={int(part): task for part, task in sorted(json.loads(tasks).items())},
        submitted=submitted,
        links=tuple(json.loads(failure_links)),
        delivered_at=delivered_at,
        parents=parents,
        usage=_read_usage(used),
    )


def _read_usage(columns: Sequence[Any]) -> Usage | None:
    """Return the use of a job from its columns from `cost` on; None where nothing was told or estimated."""
    cost, currency, estimated, input_tokens, output_tokens = columns
    if cost is None and not input_tokens and not output_tokens:
        return None
    return Usage(
        cost=cost,
        currency=currency,
        estimated=bool(estimated),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )
