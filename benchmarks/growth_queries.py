"""The queries of a history that clients cause, each with its name, on a connection and a history of so many jobs."""

import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from benchmarks.growth_data import ENDS, EVERY_S, OWNER
from service.images import JobState
from service.storage.sqlite import files, jobs, limits, queries, searches
from service.storage.store import Search

Ask: TypeAlias = Callable[[sqlite3.Connection, int], Any]

PAGE: Final = 60
"""Entries that the gallery asks for at once; `history` asks for `FEW`."""

FEW: Final = 5
LISTED: Final = 51
COMPLETED: Final = 1_000


def _page(connection: sqlite3.Connection, _: int, search: Search, limit: int = FEW) -> Any:
    return searches.page(connection, OWNER, search, limit, None)


def _middle(connection: sqlite3.Connection, count: int, search: Search) -> Any:
    return searches.page(connection, OWNER, search, PAGE, count // 2)


def _days(connection: sqlite3.Connection, count: int, **others: Any) -> Any:
    """Between the first and the last tenth of the time that the history covers."""
    span = count * EVERY_S
    search = Search(since=ENDS - 0.9 * span, until=ENDS - 0.1 * span, **others)
    return searches.page(connection, OWNER, search, PAGE, None)


QUERIES: Final[Mapping[str, Ask]] = {
    "list": partial(_page, search=Search(newest=50)),
    "page from the middle": partial(_middle, search=Search()),
    "by id": lambda one, count: jobs.jobs_between(one, OWNER, count // 2, count // 2, 1),
    "search, frequent word": partial(_page, search=Search(query="lighthouse ")),
    "search, rare word": partial(_page, search=Search(query="word77 ")),
    "search, two words": partial(_page, search=Search(query="fox snow ")),
    "search, Chinese": partial(_page, search=Search(query="一只猫")),
    "search, one character": partial(_page, search=Search(query="雪")),
    "beginning of 3 letters": partial(_page, search=Search(query="lig")),
    "beginning of 5 letters": partial(_page, search=Search(query="light")),
    "beginning of 6 letters": partial(_page, search=Search(query="lighth")),
    "beginning of 1 letter": partial(_page, search=Search(query="a")),
    "word + state": partial(_page, search=Search(query="lighthouse ", state=JobState.DONE)),
    "word + rare state": partial(_page, search=Search(query="lighthouse ", state=JobState.FAILED)),
    "model": partial(_page, search=Search(model="qwen-image")),
    "state": partial(_page, search=Search(state=JobState.FAILED)),
    "parents": partial(_page, search=Search(has_parents=True)),
    "model + state + parents": partial(_page, search=Search(model="kolors", state=JobState.FAILED, has_parents=True)),
    "archive + state": partial(_page, search=Search(beyond=50, state=JobState.DONE)),
    "days": _days,
    "days + model": partial(_days, model="flux-dev"),
    "all filters": partial(_days, query="lighthouse dusk", model="qwen-image", state=JobState.DONE, has_parents=True),
    "all filters from the middle": partial(
        _middle, search=Search(query="dusk", model="qwen-image", state=JobState.DONE, has_parents=False)
    ),
    "completion, no digit": lambda one, _: queries.history_ids(one, OWNER, "", COMPLETED),
    "completion, one digit": lambda one, _: queries.history_ids(one, OWNER, "7", COMPLETED),
    "completion, all digits": lambda one, count: queries.history_ids(one, OWNER, str(count - 1), COMPLETED),
    "names, no character": lambda one, _: queries.file_names(one, OWNER, "", COMPLETED),
    "names, one character": lambda one, _: queries.file_names(one, OWNER, "a", COMPLETED),
    "names, two characters": lambda one, _: queries.file_names(one, OWNER, "ab", COMPLETED),
    "pictured": lambda one, _: queries.jobs_with_pictures(one, OWNER, LISTED, None),
    "pictured, last page": lambda one, count: queries.jobs_with_pictures(one, OWNER, LISTED, count - count // 10 + 20),
    "children": lambda one, count: queries.children(one, OWNER, count // 3),
    "counts": lambda one, _: queries.counts(one, OWNER),
    "files of all": lambda one, _: files.files_total(one, None),
    "costs": lambda one, _: limits.costs(one, OWNER, 0),
}
