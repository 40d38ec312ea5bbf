"""The queries of the page, checked: a search of the history, a list of pictures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from service.gallery.archive import MOST
from service.images import JobState
from service.storage.store import Search

LARGEST_PAGE: Final = 100
LONGEST: Final = 500
"""Characters of a query."""

NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
OFFSET: Final = re.compile(r"-?[0-9]{1,3}", re.ASCII)
ANSWERS: Final[Mapping[str, bool]] = {"yes": True, "no": False}
NAMES: Final = frozenset({"before", "limit", "query", "model", "state", "parents", "from", "to", "offset"})


class QueryError(Exception):
    """A part of a query cannot be read: its name, and what would be right."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"`{name}` {problem}")
        self.name = name


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One page of the history: the search, the most jobs, and the number before which it begins."""

    search: Search
    limit: int
    before: int | None


def read_search(query: Mapping[str, str]) -> Asked:
    """Return the page that the query asks for; raises `QueryError`."""
    for name, value in query.items():
        if name not in NAMES:
            raise QueryError(name[:40], f"is not known; there are {', '.join(sorted(NAMES))}.")
        if len(value) > LONGEST or "\0" in value:
            raise QueryError(name, f"may have {LONGEST} characters, and no NUL.")
    before, limit = _number(query, "before"), _number(query, "limit")
    if limit is not None and not 1 <= limit <= LARGEST_PAGE:
        raise QueryError("limit", f"must be 1 to {LARGEST_PAGE}.")
    return Asked(search=_search(query), limit=limit or LARGEST_PAGE // 2, before=before)


def _search(query: Mapping[str, str]) -> Search:
    state, parents = query.get("state", ""), query.get("parents", "")
    if state and state not in {each.value for each in JobState}:
        raise QueryError("state", f"is “{state[:40]}”; it can be {', '.join(each.value for each in JobState)}.")
    if parents and parents not in ANSWERS:
        raise QueryError("parents", f"is “{parents[:40]}”; it can be yes or no.")
    since, until = _day(query, "from", 0), _day(query, "to", 1)
    if since is not None and until is not None and until <= since:
        raise QueryError("to", "is before `from`: choose a later day.")
    return Search(
        query=query.get("query", ""),
        model=query.get("model", ""),
        state=JobState(state) if state else None,
        has_parents=ANSWERS.get(parents),
        since=since,
        until=until,
    )


def read_pictures(asked: object) -> list[tuple[int, int]]:
    """Return a list of pictures, each a `history_id` and a number; raises `QueryError`."""
    pictures: list[tuple[int, int]] = []
    for each in asked if isinstance(asked, list) else []:
        match each:
            case {"history_id": int(history_id), "picture": int(number)} if history_id > 0 and number > 0:
                pictures.append((history_id, number))
            case _:
                raise QueryError("pictures", 'must be a list such as [{"history_id": 4, "picture": 1}].')
    if not 1 <= len(pictures) <= MOST:
        raise QueryError("pictures", f"must name 1 to {MOST} pictures.")
    return list(dict.fromkeys(pictures))


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not NUMBER.fullmatch(text):
        raise QueryError(name, f"is “{text[:40]}”, which is no number.")
    return int(text)


def _day(query: Mapping[str, str], name: str, after: int) -> float | None:
    """Return the first moment of a day of the person's, or with `after` that of the next one.

    `offset` is what their clock is behind UTC, in minutes, as browsers count it.
    """
    text, offset = query.get(name, ""), query.get("offset", "0")
    if not text:
        return None
    if not OFFSET.fullmatch(offset):
        raise QueryError("offset", f"is “{offset[:40]}”, which is no number of minutes.")
    try:
        day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC) + timedelta(days=after)
    except (ValueError, OverflowError) as error:
        raise QueryError(name, f"is “{text[:40]}”, which is no day such as 2026-11-28.") from error
    return day.timestamp() + int(offset) * 60
