"""Pages of a history: the jobs of an owner that match a search, newest first, and their number.

1. Words are looked up in the full-text index together with the facets (`facets`); without words an index of the facets
   has all that is asked for. So every list is walked from its newest end, sorts nothing, and stops when it has enough:
   the rows of an owner have the order of their numbers.
2. The number of matches is read off counts where only facets are asked for. Else it is counted up to `COUNTED`: to
   count a million takes as long as a hundred pages, and tells a person no more.
3. Days are a stretch of rows, found at both ends in an index of times, as long as the clock never ran backwards
   (`totals.in_order`). Else, as in a history that was taken over behind another, each row's time is looked at too.

Each function runs inside one transaction of `Database`.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from service.storage import store
from service.storage.records.words import LISTED, query_terms
from service.storage.sqlite.database import LARGEST_INTEGER, within_range
from service.storage.sqlite.facets import Facets
from service.storage.sqlite.files import id_after_newest
from service.storage.sqlite.rows import found_jobs, jobs_of
from service.storage.store import Page, Search

WORDS_OF_BEGINNING: Final = 40
"""Words that a beginning may have to be looked up as these. More are left to the index, which merges all lists."""

SELECT_STATE: Final = "SELECT working + done + failed, in_order FROM totals WHERE owner = ?"
SELECT_ROW_BEFORE: Final = """
    SELECT id FROM jobs WHERE owner = ? AND history_id < ? ORDER BY history_id DESC LIMIT 1
"""
SELECT_FIRST: Final = "SELECT id FROM jobs WHERE owner = ? AND created_at >= ? ORDER BY created_at, id LIMIT 1"
SELECT_LAST: Final = "SELECT id FROM jobs WHERE owner = ? AND created_at < ? ORDER BY created_at DESC, id DESC LIMIT 1"
SELECT_STRETCH: Final = "SELECT min(id), max(id) FROM jobs WHERE owner = ? AND created_at >= ? AND created_at < ?"
SELECT_WORD: Final = "SELECT term FROM indexed_words WHERE term >= ? LIMIT 1"

ALWAYS: Final = 1e15
"""Seconds that no clock shows."""

NOTHING: Final = Page(jobs=[], more=False, total=0)


@dataclass(frozen=True, kw_only=True)
class _Query:
    """Rows that match, but for their limits: SELECT statements that find them together, and the values of each."""

    selects: Sequence[str]
    values: Sequence[Sequence[str | float]]
    id_column: str = "id"

    def within(self, first: int, last: int) -> tuple[str, list[str | float]]:
        """Return one statement for those of a stretch of rows, without an order, and its values."""
        between = f"AND {self.id_column} BETWEEN ? AND ?"
        values = [value for each in self.values for value in (*each, first, last)]
        return " UNION ALL ".join(f"{each} {between}" for each in self.selects), values

    def newest(self, first: int, last: int, limit: int) -> tuple[str, list[str | float]]:
        """Return the statement for the newest of a stretch of rows, and its values."""
        statement, values = self.within(first, last)
        return f"{statement} ORDER BY id DESC LIMIT ?", [*values, limit]

    def ids(self, connection: sqlite3.Connection, first: int, last: int, limit: int) -> list[int]:
        """Return the newest of a stretch of rows."""
        statement, values = self.newest(first, last, limit)
        return [id_ for (id_,) in connection.execute(statement, values)]

    def count(self, connection: sqlite3.Connection, first: int, last: int, most: int) -> int:
        """Count those of a stretch of rows, up to `most`."""
        statement, values = self.within(first, last)
        sql = f"SELECT count(*) FROM ({statement} LIMIT ?)"  # noqa: S608 - our own statement
        number: int = connection.execute(sql, (*values, most)).fetchone()[0]
        return number


def page(connection: sqlite3.Connection, owner: str, search: Search, limit: int, before: int | None) -> Page:
    """One page of a search."""
    entries, in_order = connection.execute(SELECT_STATE, (owner,)).fetchone() or (0, True)
    facets = _facets(owner, search)
    first, last = _window(connection, owner, search, entries)
    if search.since is not None or search.until is not None:
        days = (_stretch if in_order else _loose_stretch)(connection, owner, search)
        first, last = max(first, days[0]), min(last, days[1])
    query = _query(connection, facets, search, looks_at_times=not in_order) if first <= last else None
    if query is None:
        return NOTHING
    total = _counted(connection, facets, search, entries)
    most = store.COUNTED_WORDS if search.query.strip() else store.COUNTED
    wanted = min(within_range(limit) + 1, LARGEST_INTEGER)
    if before is None and search.query.strip():  # the lists of words are gone through once
        ids = query.ids(connection, first, last, max(wanted, most + 1))
        jobs, counted = jobs_of(connection, owner, ids[:wanted]), len(ids)
    else:
        counted = query.count(connection, first, last, most + 1) if total is None else total
        page_last = last if before is None else min(last, _row_before(connection, owner, before))
        jobs = found_jobs(connection, owner, *query.newest(first, page_last, wanted))
    at_least = total is None and counted > most
    return Page(
        jobs=jobs[: wanted - 1], more=len(jobs) == wanted, total=most if at_least else counted, at_least=at_least
    )


def _facets(owner: str, search: Search) -> Facets:
    return Facets(owner=owner, model=search.model or None, state=search.state, has_parents=search.has_parents)


def _query(connection: sqlite3.Connection, facets: Facets, search: Search, *, looks_at_times: bool) -> _Query | None:
    """Return the query of a search; None for words, or a name, that nothing has."""
    times = [
        (f"AND +jobs.created_at {comparison} ?", moment)
        for comparison, moment in ((">=", search.since), ("<", search.until))
        if looks_at_times and moment is not None
    ]
    conditions, moments = " ".join(each for each, _ in times), [moment for _, moment in times]
    if not search.query.strip():
        walks = facets.walks()
        selects = [f"SELECT id FROM jobs WHERE {each} {conditions}" for each, _ in walks]  # noqa: S608 - our own
        return _Query(selects=selects, values=[(*values, *moments) for _, values in walks])
    words = match_expression(search.query, lambda each: _words(connection, each))
    expression = None if words is None else facets.expression(connection, words)
    if expression is None:
        return None
    joined = "CROSS JOIN jobs ON jobs.id = prompts.rowid" if times else ""
    select = f"SELECT prompts.rowid AS id FROM prompts {joined} WHERE prompts MATCH ? {conditions}"  # noqa: S608 - as above
    return _Query(selects=[select], values=[(expression, *moments)], id_column="prompts.rowid")


def _words(connection: sqlite3.Connection, beginning: str) -> list[str] | None:
    """Return the words of all prompts that begin so, or None where they are many."""
    found: list[str] = []
    while len(found) <= WORDS_OF_BEGINNING:
        row = connection.execute(SELECT_WORD, (f"{found[-1]}\x01" if found else beginning,)).fetchone()
        if row is None or not row[0].startswith(beginning):
            return found
        found.append(row[0])
    return None


def _window(connection: sqlite3.Connection, owner: str, search: Search, entries: int) -> tuple[int, int]:
    """The rows between which the asked-for jobs lie, both ends included."""

    def after(count: int) -> int:
        return 0 if count >= entries else id_after_newest(connection, owner, count)

    first = 1 if search.newest is None else after(within_range(search.newest)) + 1
    return first, LARGEST_INTEGER if search.beyond is None else after(within_range(search.beyond))


def _stretch(connection: sqlite3.Connection, owner: str, search: Search) -> tuple[int, int]:
    """The rows of the days that are asked for, in a history whose rows have the order of their times."""
    first, last = 1, LARGEST_INTEGER
    if search.since is not None:
        row = connection.execute(SELECT_FIRST, (owner, search.since)).fetchone()
        first = LARGEST_INTEGER if row is None else row[0]
    if search.until is not None:
        row = connection.execute(SELECT_LAST, (owner, search.until)).fetchone()
        last = 0 if row is None else row[0]
    return first, last


def _loose_stretch(connection: sqlite3.Connection, owner: str, search: Search) -> tuple[int, int]:
    """The first and the last row of the days that are asked for, between which others may lie."""
    since = -ALWAYS if search.since is None else search.since
    until = ALWAYS if search.until is None else search.until
    first, last = connection.execute(SELECT_STRETCH, (owner, since, until)).fetchone()
    return first or LARGEST_INTEGER, last or 0


def _row_before(connection: sqlite3.Connection, owner: str, history_id: int) -> int:
    """The row of the newest job of an owner with a smaller number, or 0."""
    row = connection.execute(SELECT_ROW_BEFORE, (owner, within_range(history_id))).fetchone()
    return row[0] if row else 0


def _counted(connection: sqlite3.Connection, facets: Facets, search: Search, entries: int) -> int | None:
    """Return the number of matches where it is known; None where it has to be counted."""
    if search.query.strip() or search.since is not None or search.until is not None:
        return None
    newest = entries if search.newest is None else min(entries, within_range(search.newest))
    if not search.is_filtered:
        return max(0, newest - within_range(search.beyond or 0))
    if newest == entries and not search.beyond:
        return facets.count(connection)
    return None


def match_expression(query: str, words_of: Callable[[str], Sequence[str] | None]) -> str | None:
    """Return the expression for all words of a query; None for a query without words, or with one of no prompt.

    The index keeps a list for each beginning of `LISTED` letters (`prefix` of the table); of a longer one `words_of`
    tells the words, or None for very many.
    """
    terms: list[str] = []
    for term in query_terms(query):
        if not term.is_beginning:
            terms.append(f'"{term.words}"')
            continue
        words = None if len(term.words) in LISTED else words_of(term.words)
        if words is not None and not words:
            return None
        # FTS5 merges the lists of all words of a beginning before it finds a row; those of given words it does not.
        either = f'"{term.words}"*' if words is None else " OR ".join(f'"{each}"' for each in words)
        terms.append(f"({either})")
    return " AND ".join(terms) or None
