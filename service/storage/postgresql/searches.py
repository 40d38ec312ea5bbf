"""Pages of a history: the jobs of an owner that match a search. The search itself is `migrations/0003_search.sql`."""

from functools import lru_cache
from typing import Any, Final

from service.storage import store
from service.storage.postgresql.database import Connection
from service.storage.postgresql.jobs import read
from service.storage.postgresql.values import LARGEST_INTEGER, dumped, loaded, within_range
from service.storage.records.words import LISTED, Term, query_terms
from service.storage.store import Page, Search

SEARCH_JOBS: Final = "SELECT search_jobs($1)"
PAGES_KEPT: Final = 64
MOST_KEPT: Final = 50_000
"""Characters of a page that is kept: to read the jobs takes five times as long as to compare it."""

NOTHING: Final = Page(jobs=[], more=False, total=0)


async def page(connection: Connection, owner: str, search: Search, limit: int, before: int | None) -> Page:
    """One page of a search."""
    words = _words(search.query) if search.query.strip() else {}
    if words is None:
        return NOTHING
    wanted = min(within_range(limit) + 1, LARGEST_INTEGER)
    most = store.COUNTED_WORDS if words else store.COUNTED
    asked = {
        "owner": owner,
        "model": search.model or None,
        "state": search.state,
        "has_parents": search.has_parents,
        "newest": None if search.newest is None else within_range(search.newest),
        "beyond": None if search.beyond is None else within_range(search.beyond),
        "since": search.since,
        "until": search.until,
        "before": None if before is None else within_range(before),
        "wanted": wanted,
        "most": most,
        **words,
    }
    told: str = await connection.fetchval(SEARCH_JOBS, dumped(asked))
    return (_kept_page if len(told) <= MOST_KEPT else _page)(told, wanted, most)


def _page(told: str, wanted: int, most: int) -> Page:
    """Read a page as the database tells it."""
    counted, is_whole, jobs = loaded(told)
    found = [read(each) for each in jobs]
    return Page(
        jobs=found[: wanted - 1], more=len(found) == wanted, total=counted if is_whole else most, at_least=not is_whole
    )


_kept_page = lru_cache(maxsize=PAGES_KEPT)(_page)
"""The same; of a page that is told as before the jobs are those that were read then. Nobody changes a job."""


def _words(query: str) -> dict[str, Any] | None:
    """Return the tokens that a prompt has, and what must stand in its words besides; None for a query without words.

    The index has lists of short beginnings. Of a longer one it has that of its first letters, and the words tell more;
    so they do where several have to stand behind each other.
    """
    terms = query_terms(query)
    if not terms:
        return None
    tokens: dict[str, None] = {}
    behind: list[str] = []
    for term in terms:
        words = term.words.split(" ")
        tokens |= dict.fromkeys(_beginning(term) if term.is_beginning else words)
        if len(words) > 1 or (term.is_beginning and len(term.words) > max(LISTED)):
            behind.append(f" {term.words}{'' if term.is_beginning else ' '}")
    return {"tokens": list(tokens), "behind": behind}


def _beginning(term: Term) -> list[str]:
    return [f"*{term.words[: max(LISTED)]}"]
