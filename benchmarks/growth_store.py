"""A store on a connection of the measurer's, whose queries are done at once by the thread that asks, and are not kept.

So all that SQLite does for a query can be told from what a service does beside it.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from benchmarks.growth_data import ENDS
from service.bounds.limits import UNLIMITED
from service.storage.sqlite.database import Database
from service.storage.sqlite.kept_reads import KeptReads
from service.storage.sqlite.store import SqliteStore
from service.storage.store import Store

R = TypeVar("R")


def store_on(connection: sqlite3.Connection) -> Store:
    """Return a store for reading, of which no method waits."""
    return SqliteStore(
        _Here(connection), _Nothing(), "", lambda _: True, lambda: ENDS, allowances=UNLIMITED, arrivals=None
    )


def answer(work: Awaitable[R]) -> R:
    """Do what a method of such a store has begun, and return its result."""
    try:
        next(work.__await__())
    except StopIteration as done:
        result: R = done.value
        return result
    raise RuntimeError("it waits for something")


class _Here(Database):
    """All reads in the thread of the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def read(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # it waits for no thread
        return work(self._connection, *args, **kwargs)

    read_at_length = read  # type: ignore[assignment]  # as above


class _Nothing(KeptReads):
    """Reads again each time."""

    def __init__(self) -> None:
        """Need no connection."""

    async def get(self, _: Hashable, read: Callable[[], Awaitable[R]], __: Callable[[R], bool]) -> R:
        return await read()
