"""Finding jobs in the SQLite store: by words, model, state, and how new they are. In the writer's thread.

1. Words are asked of the full-text index, which knows owners too: what others wrote makes nobody's search slower.
   Without words an index of the owner's jobs has all that is asked for, and no row is read to count.
2. Both walk by id, so that the newest come first without sorting.
3. How many there are in all: read off the totals where nothing is asked for, else counted in an index.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from service.images import Job
from service.storage.sqlite_rows import LARGEST_INTEGER, jobs_of, within_range
from service.storage.sqlite_schema import transaction
from service.storage.sqlite_words import match_expression
from service.storage.store import Page, Search

COUNT_JOBS: Final = "SELECT working + done + failed FROM totals WHERE owner = ?"
NTH_NEWEST: Final = """
    SELECT history_id FROM jobs WHERE owner = ? ORDER BY history_id DESC LIMIT 1 OFFSET ?
"""
"""The id of the first job that is not among so many newest."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Where jobs are looked for: a FROM clause with its conditions but for ids, its values, and the column of ids."""

    source: str
    values: tuple[str, ...]
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
    """One page of what is searched for."""
    limit = within_range(limit)
    with transaction(connection, "DEFERRED"):  # one moment for all queries: other processes write too
        first, last = _window(connection, owner, search)
        found = _found(owner, search)
        if found is None:
            return Page(jobs=[], more=False, total=0)
        total = _total(connection, owner, search, found, (first, last))
        page_last = last if before is None else min(last, within_range(before - 1))
        ids = found.ids(connection, first, page_last, min(limit + 1, LARGEST_INTEGER))
        jobs: list[Job] = jobs_of(connection, owner, ids[:limit])
        return Page(jobs=jobs, more=len(ids) > limit, total=total)


def _found(owner: str, search: Search) -> _Found | None:
    """Where to look; None where nothing can be found."""
    conditions, values = ["owner = ?"], [owner]
    if search.model:
        conditions.append("model = ?")
        values.append(search.model)
    if search.state is not None:
        conditions.append("state = ?")
        values.append(search.state)
    if not search.query.strip():
        return _Found(
            source=f"FROM jobs WHERE {' AND '.join(conditions)}", values=tuple(values), id_column="history_id"
        )
    expression = match_expression(owner, search.query)
    if expression is None:
        return None
    if len(conditions) == 1:
        return _Found(source="FROM prompts WHERE prompts MATCH ?", values=(expression,), id_column="prompts.rowid")
    asked = " AND ".join(f"jobs.{condition}" for condition in conditions)
    return _Found(
        source=f"FROM prompts CROSS JOIN jobs ON history_id = prompts.rowid WHERE prompts MATCH ? AND {asked}",
        values=(expression, *values),
        id_column="prompts.rowid",
    )


def _window(connection: sqlite3.Connection, owner: str, search: Search) -> tuple[int, int]:
    """The ids between which the asked-for jobs lie, both ends included."""
    first = 1 if search.newest is None else _next_after(connection, owner, search.newest) + 1
    last = LARGEST_INTEGER if search.beyond is None else _next_after(connection, owner, search.beyond)
    return first, last


def _next_after(connection: sqlite3.Connection, owner: str, newest: int) -> int:
    """The id of the job that follows so many newest, or 0."""
    row = connection.execute(NTH_NEWEST, (owner, within_range(newest))).fetchone()
    return row[0] if row else 0


def _total(connection: sqlite3.Connection, owner: str, search: Search, found: _Found, window: tuple[int, int]) -> int:
    if search.query.strip() or search.model or search.state is not None:
        return found.count(connection, *window)
    (total,) = connection.execute(COUNT_JOBS, (owner,)).fetchone() or (0,)
    newest = total if search.newest is None else min(total, within_range(search.newest))
    return max(0, newest - within_range(search.beyond or 0))
