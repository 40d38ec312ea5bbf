"""Results of reads that are kept in memory as long as nobody, in whichever process, has committed anything.

SQLite tells by a number that another connection has changed the file (sqlite.org/pragma.html#pragma_data_version). To
ask for it takes a few system calls and waits for nobody, so that the loop asks by itself; the way to a thread and back
takes ten times as long. The number is asked for before the read: a result is never older than its number.

One look serves all reads in one round of the loop. Each belongs to a message that came before the round began, so that
whatever its sender knew to be written is older than the look.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Hashable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

R = TypeVar("R")

MOST: Final = 64
"""Results that are kept at most; all go when anything is written."""


class KeptReads:
    """The results that hold for the file as it is now. The connection serves the loop alone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version: int | None = None
        self._kept: dict[Hashable, Any] = {}
        self._has_looked = False

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Connect to a file of which SQLite has the tables already."""
        return cls(await asyncio.to_thread(_connect, path))

    async def get(self, key: Hashable, read: Callable[[], Awaitable[R]], is_small: Callable[[R], bool]) -> R:
        """Return the kept result of a key, or read it, and keep it where it is small. Nobody changes a result."""
        version = self._look()
        if version is not None and key in self._kept:
            kept: R = self._kept[key]
            return kept
        result = await read()
        if version is not None and version == self._version and is_small(result):
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[key] = result
        return result

    def close(self) -> None:
        """Let go of the file. Reads are kept no more."""
        self._connection.close()

    def _look(self) -> int | None:
        """Return the number of the file in this round, without the results of another one; None where nobody knows."""
        if self._has_looked:
            return self._version
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:  # the read that follows has words for it
            return None
        if version != self._version:
            self._version = version
            self._kept.clear()
        self._has_looked = True
        asyncio.get_running_loop().call_soon(self._begin_round)
        return version

    def _begin_round(self) -> None:
        self._has_looked = False


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection
