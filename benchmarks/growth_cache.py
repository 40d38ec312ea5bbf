"""A cache of so many files: the look through all of them, one looked up, and most of them removed because of a limit.

Times are of the thread that works, so that what else the machine does meanwhile weighs on none: `loop_ms` is the
longest that one callback held the event loop, `write_ms` the longest transaction that writes.
"""

import asyncio
import os
import sqlite3
import tempfile
import time
from asyncio.events import Handle
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.growth_data import OWNER
from service.pipeline.clock_watch import ClockWatch
from service.pipeline.retention import Retention
from service.settings import Limits
from service.storage.disk import DiskFiles
from service.storage.sqlite.database import Database
from service.storage.sqlite.store import SqliteStore

LEFT: Final = 0.07
"""The part of the files that a lowered limit leaves."""

LINKS: Final = 30_000
"""Names of one file: file systems allow no more than 65,000."""

INSERT: Final = "INSERT INTO files (name, owner, size, drawn, stored_at) VALUES (?, ?, 1000, 0, ?)"
LOOKUPS: Final = 200


@dataclass
class Longest:
    """The longest that the loop, and the thread that writes, were held, in milliseconds."""

    loop_ms: float = 0.0
    write_ms: float = 0.0


@contextmanager
def watched() -> Iterator[Longest]:
    """Take the time of every callback of the loop, and of every write."""
    longest = Longest()
    run, write = Handle._run, Database._write

    def timed_run(handle: Handle) -> None:
        began = time.thread_time()
        run(handle)
        longest.loop_ms = max(longest.loop_ms, (time.thread_time() - began) * 1000)

    def timed_write(database: Database, work: Callable[[sqlite3.Connection], Any], until: float) -> Any:
        began = time.thread_time()
        try:
            return write(database, work, until)
        finally:
            longest.write_ms = max(longest.write_ms, (time.thread_time() - began) * 1000)

    setattr(Handle, "_run", timed_run)  # noqa: B010 - a type checker forbids to assign methods
    setattr(Database, "_write", timed_write)  # noqa: B010 - as above
    try:
        yield longest
    finally:
        setattr(Handle, "_run", run)  # noqa: B010 - as above
        setattr(Database, "_write", write)  # noqa: B010 - as above


async def measure(count: int) -> dict[str, float]:
    """Measure one cache, of files that nothing uses."""
    with tempfile.TemporaryDirectory() as folder:
        return await _measure(Path(folder), count)


async def _measure(data: Path, count: int) -> dict[str, float]:
    (data / "scratch").mkdir()
    files = await DiskFiles.open(data / "files", data / "scratch", b"k" * 32)
    store = await SqliteStore.open(data / "easel.db", "measuring", lambda _: True)
    await asyncio.to_thread(_fill, data, files, count)
    limits = Limits(entries=max(1, int(count * LEFT)), size=0, days=0, owner_entries=0, owner_size=0)
    retention = Retention(store, files, limits, lambda _: None, ClockWatch())
    try:
        with watched() as sweeping:
            swept = await _cpu_s(retention._check())
        name = _name(count // 2)
        looked_up = await _cpu_s(_look_up(store, files, name))
        with watched() as evicting:
            evicted = await _cpu_s(retention.enforce())
        left = await store.files_total(OWNER)
        assert left.entries == limits.entries, left  # noqa: S101 - nothing was measured otherwise
    finally:
        await store.close()
    return {
        "sweep_s": swept,
        "sweep_loop_ms": sweeping.loop_ms,
        "lookup_us": looked_up / LOOKUPS * 1e6,
        "evict_s": evicted,
        "evict_us_each": evicted / max(count - limits.entries, 1) * 1e6,
        "evict_loop_ms": evicting.loop_ms,
        "evict_write_ms": evicting.write_ms,
    }


async def _look_up(store: SqliteStore, files: DiskFiles, name: str) -> None:
    for _ in range(LOOKUPS):
        assert await store.owns_file(OWNER, name)  # noqa: S101 - as above
        assert await files.find(name)  # noqa: S101 - as above


async def _cpu_s(work: Any) -> float:
    began = time.process_time()
    await work
    return time.process_time() - began


def _name(number: int) -> str:
    """A name as they are minted, whose first digits spread files over folders."""
    return f"{number:032x}"[::-1] + ".png"


def _fill(data: Path, files: DiskFiles, count: int) -> None:
    """Enter the files, each a name of one of a few."""
    now = time.time() - 2 * count
    with closing(sqlite3.connect(data / "easel.db")) as connection, connection:
        connection.executemany(INSERT, ((_name(number), OWNER, now + number) for number in range(count)))
    for number in range(256):
        (data / "files" / f"{number:02x}").mkdir(exist_ok=True)
    for number in range(count):
        original = data / f"original-{number // LINKS}"
        if not original.exists():
            original.write_bytes(b"x" * 1000)
        os.link(original, files.path(_name(number)))
