"""The queries of a history that clients cause, each with its name, by a store and the number of its jobs.

Both engines are asked the same of the same history (`growth_data`).
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from benchmarks.growth_data import ENDS, EVERY_S, OWNER
from service.images import JobState
from service.storage.store import Search, Store

Ask: TypeAlias = Callable[[Store, int], Awaitable[object]]

PAGE: Final = 60
"""Entries that the gallery asks for at once; `history` asks for `FEW`."""

FEW: Final = 5
LISTED: Final = 51
COMPLETED: Final = 1_000


def _page(store: Store, _: int, search: Search, limit: int = FEW) -> Awaitable[object]:
    return store.page(OWNER, search, limit)


def _middle(store: Store, count: int, search: Search) -> Awaitable[object]:
    return store.page(OWNER, search, PAGE, count // 2)


def _days(store: Store, count: int, **others: Any) -> Awaitable[object]:
    """Between the first and the last tenth of the time that the history covers."""
    span = count * EVERY_S
    return store.page(OWNER, Search(since=ENDS - 0.9 * span, until=ENDS - 0.1 * span, **others), PAGE)


QUERIES: Final[Mapping[str, Ask]] = {
    "list": partial(_page, search=Search(newest=50)),
    "page from the middle": partial(_middle, search=Search()),
    "by id": lambda store, count: store.job(OWNER, count // 2),
    "search, frequent word": partial(_page, search=Search(query="lighthouse ")),
    "search, rare word": partial(_page, search=Search(query="word77 ")),
    "search, no such word": partial(_page, search=Search(query="xylophone ")),
    "search, two words": partial(_page, search=Search(query="fox snow ")),
    "search, two words that never meet": partial(_page, search=Search(query="fox violin ")),
    "search, Chinese": partial(_page, search=Search(query="一只猫")),
    "search, Chinese, two characters": partial(_page, search=Search(query="狐狸")),
    "search, one character": partial(_page, search=Search(query="雪")),
    "search, Chinese and English": partial(_page, search=Search(query="一座灯塔 linocut ")),
    "search, Chinese that is not there": partial(_page, search=Search(query="飞机")),
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
    "completion, no digit": lambda store, _: store.history_ids(OWNER, "", COMPLETED),
    "completion, one digit": lambda store, _: store.history_ids(OWNER, "7", COMPLETED),
    "completion, all digits": lambda store, count: store.history_ids(OWNER, str(count - 1), COMPLETED),
    "names, no character": lambda store, _: store.file_names(OWNER, "", COMPLETED),
    "names, one character": lambda store, _: store.file_names(OWNER, "a", COMPLETED),
    "names, two characters": lambda store, _: store.file_names(OWNER, "ab", COMPLETED),
    "pictured": lambda store, _: store.jobs_with_pictures(OWNER, LISTED),
    "pictured, last page": lambda store, count: store.jobs_with_pictures(OWNER, LISTED, count - count // 10 + 20),
    "children": lambda store, count: store.children(OWNER, count // 3),
    "counts": lambda store, _: store.counts(OWNER),
    "files of all": lambda store, _: store.files_total(None),
    "costs": lambda store, _: store.costs(OWNER, 0),
    "drawn today": lambda store, _: store.drawn_today(OWNER),
    "working": lambda store, _: store.working(),
    "newest file": lambda store, _: store.newest_file(),
}
