"""The records of an installation as rows that every engine can read and write, and the contracts of both sides.

1. `TABLES` names all that is moved. Indexes of words and the like follow from it, and each engine makes its own.
2. A writer is all or nothing: until it is left in order, the new place has no records at all. So a move that was
   killed is begun anew, without a trace.
3. Smaller copies of pictures are not moved, and count for nothing until they are made again.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Rows: TypeAlias = Sequence[Sequence[Any]]
"""Rows with the columns of their table: truth values as such, times as seconds, and JSON as texts."""

BATCH: Final = 500
"""Rows that are held at once."""


class MoveError(Exception):
    """A move cannot be made: what is wrong, and what would be right. One line."""


@dataclass(frozen=True)
class Table:
    """A table and its columns, those that are true or false among them."""

    name: str
    columns: tuple[str, ...]
    flags: frozenset[str] = frozenset()

    @property
    def listed(self) -> str:
        """The columns as SQL has them."""
        return ", ".join(self.columns)


def _table(name: str, columns: str, flags: str = "") -> Table:
    return Table(name, tuple(columns.split()), frozenset(flags.split()))


JOBS: Final = _table(
    "jobs",
    "id owner history_id state model prompt parameters upstream fingerprint lease parts tasks submitted counted price "
    "currency rates costed cost cost_currency estimated input_tokens output_tokens created_at finished_at delivered_at "
    "failure_kind failure_reason failure_links has_parents",
    "estimated has_parents",
)
FILES: Final = _table("files", "name owner size drawn stored_at", "drawn")
TASKS: Final = _table("tasks", "id owner ended expires_at lease record messages", "ended")
ENDED_SESSIONS: Final = _table("ended_sessions", "digest expires_at taken", "taken")
"""In a data folder these are files (`disk_sessions`)."""

TABLES: Final = (
    _table("totals", "owner newest latest in_order working done failed pictures picture_bytes", "in_order"),
    JOBS,
    _table("pictures", "job_id position name media_type width height size note source part"),
    _table("lineage", "job_id position owner parent picture"),
    _table("working_files", "name job_id fresh", "fresh"),
    FILES,
    _table("old_files", "old_name name"),
    _table(
        "uploads",
        "id owner request prompt created_at expires_at names picture paints used_at history_id",
        "paints",
    ),
    _table("daily_use", "day owner pictures received failed seconds"),
    _table("daily_costs", "day owner model currency cost estimated"),
    _table("job_counts", "owner model state has_parents jobs", "has_parents"),
    _table("pauses", "owner since until"),
    TASKS,
    _table("tokens", "digest name created_at expires_at revoked_at"),
    _table("imports", "owner digest"),
    _table("old_entries", "owner identity"),
    ENDED_SESSIONS,
)
"""Rows that others refer to come before those."""


class RecordReader(ABC):
    """The records of the old place, as they were at one moment, which nobody changes as long as this is open."""

    @abstractmethod
    async def count(self, table: Table) -> int:
        """The number of rows in a table."""

    @abstractmethod
    def batches(self, table: Table) -> AsyncIterator[Rows]:
        """All rows of a table, some at a time."""

    @abstractmethod
    async def forget_derived(self) -> None:
        """Let smaller copies count for nothing, where the records stay and their pictures are moved."""


class RecordWriter(ABC):
    """The records of the new place, which has none before."""

    @abstractmethod
    async def write(self, table: Table, rows: AsyncIterator[Rows]) -> None:
        """Write all rows of a table."""

    @abstractmethod
    async def count(self, table: Table) -> int:
        """The number of rows that were written to a table."""

    @abstractmethod
    async def complete(self) -> None:
        """Make what follows from the tables: counts, indexes of words, and the like."""


class Records(ABC):
    """The records of an installation, wherever they are. `shown` tells a person where, without a secret."""

    shown: str

    @abstractmethod
    async def check_empty(self) -> None:
        """Raise `MoveError` where there are some, or where they cannot be made."""

    @abstractmethod
    def reading(self) -> AbstractAsyncContextManager[RecordReader]:
        """Open them for reading. Raises `MoveError` where there are none, or while a service runs on them."""

    @abstractmethod
    def writing(self) -> AbstractAsyncContextManager[RecordWriter]:
        """Begin them anew; all is kept when the block ends in order. Raises `MoveError` where there are some."""
