"""Threads that read, each on a connection of its own."""

import sqlite3
import threading

import pytest

from service.storage.sqlite.reader_threads import ReaderThreads


@pytest.fixture
def connections() -> list[sqlite3.Connection]:
    return [sqlite3.connect(":memory:", check_same_thread=False) for _ in range(2)]


def test_all_connections_read_at_once_and_end_closed(connections: list[sqlite3.Connection]) -> None:
    threads = ReaderThreads("test", connections)
    meeting = threading.Barrier(3, timeout=60)
    seen: list[sqlite3.Connection] = []

    def meet(connection: sqlite3.Connection) -> None:
        seen.append(connection)
        meeting.wait()

    threads.submit(meet)
    threads.submit(meet)
    meeting.wait()
    threads.close()
    assert sorted(map(id, seen)) == sorted(map(id, connections))
    for each in connections:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            each.execute("SELECT 1")


def test_what_was_asked_before_the_end_is_done_in_its_order(connections: list[sqlite3.Connection]) -> None:
    threads = ReaderThreads("test", connections[:1])
    done: list[int] = []
    for number in range(100):
        threads.submit(lambda _, number=number: done.append(number))  # type: ignore[misc]
    threads.close()
    assert done == list(range(100))
