"""Pages of a history: the jobs of an owner that match a search. The search itself is `migrations/0003_search.sql`."""

from collections.abc import Mapping
from typing import Any, Final

from service.storage import store
from service.storage.postgresql.database import Connection, first_row
from service.storage.postgresql.jobs import read
from service.storage.postgresql.kept_reads import Found
from service.storage.postgresql.values import LARGEST_INTEGER, dumped, loaded, plain, within_range
from service.storage.records.words import LISTED, Term, query_terms
from service.storage.store import Page, Search

SEARCH_JOBS: Final = "SELECT search_jobs($1), version_of($2)"
"""Both see one moment."""

NOTHING: Final = Page(jobs=[], more=False, total=0)


def question(owner: str, search: Search, limit: int, before: int | None) -> Mapping[str, Any] | None:
    """Return what the search in the database is asked for one page; None where signs without a word find nothing."""
    words = _words(search.query) if search.query.strip() else {}
    if words is None:
        return None
    return {
        "owner": owner,
        "model": search.model or None,
        "state": search.state,
        "has_parents": search.has_parents,
        "newest": None if search.newest is None else within_range(search.newest),
        "beyond": None if search.beyond is None else within_range(search.beyond),
        "since": search.since,
        "until": search.until,
        "before": None if before is None else within_range(before),
        "wanted": min(within_range(limit) + 1, LARGEST_INTEGER),
        "most": store.COUNTED_WORDS if words else store.COUNTED,
        **words,
    }


async def page(connection: Connection, asked: Mapping[str, Any]) -> Found[Page]:
    """The page that a question asks for."""
    told, version = await first_row(connection, SEARCH_JOBS, dumped(asked), plain(asked["owner"]))
    counted, is_whole, jobs = loaded(told)
    found = [read(each) for each in jobs]
    wanted = asked["wanted"]
    answer = Page(
        jobs=found[: wanted - 1],
        more=len(found) == wanted,
        total=counted if is_whole else asked["most"],
        at_least=not is_whole,
    )
    return Found(version, len(told), answer)


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
