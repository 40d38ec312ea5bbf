"""Threads that read, each on a connection of its own, in the order in which they are asked.

They are fewer and simpler than those of `ThreadPoolExecutor`, whose bookkeeping takes longer than a short query.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeAlias

Reading: TypeAlias = Callable[[sqlite3.Connection], None]
"""A piece of work that hands its outcome on by itself, and raises nothing."""


class ReaderThreads:
    """As many threads as connections, which they own until `close`."""

    def __init__(self, name: str, connections: Sequence[sqlite3.Connection]) -> None:
        self._asked: SimpleQueue[Reading | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(each,), name=f"sqlite-{name}", daemon=True)
            for each in connections
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, reading: Reading) -> None:
        """Have the next free thread do it."""
        self._asked.put(reading)

    def close(self) -> None:
        """Finish what was asked, and close the connections. Blocks."""
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self, connection: sqlite3.Connection) -> None:
        while (reading := self._asked.get()) is not None:
            reading(connection)
        connection.close()
