"""The SQLite file of a data folder, which several processes may share: its connections, threads and transactions.

1. One thread owns the connection that writes. Writes of this process wait there for one another, and only for other
   processes by a lock of the file. A read has a connection of its own, and waits for no write; one that may take more
   than some milliseconds (`read_at_length`) waits only for others of its kind, and no other waits for it.
2. Every piece of work is one transaction: wholly done or not at all, and it sees one moment of the file.
3. A write is seen by every read that begins after it was awaited: in WAL mode a transaction reads all that was
   committed before it (sqlite.org/wal.html#concurrency). With `synchronous=FULL` a committed write survives a power
   cut (sqlite.org/pragma.html#pragma_synchronous).
4. A cancelled caller takes nothing back: work that was handed over is done.
5. While nothing is written, the log is brought into the file and emptied, so that even a plain copy of the one file,
   which nobody should take of a running service, has the history (`empty_log`).
"""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Concatenate, Final, Literal, ParamSpec, Self, TypeAlias, TypeVar

from service.images import WorkError
from service.storage.data_folder import DataFolderError, make_private_file
from service.storage.file_system import check_mode
from service.storage.sqlite.schema import create_tables
from service.storage.sqlite.upgrade import CONVERSIONS, TIMEOUT_S, Conversions, needs_upgrade, upgrade
from service.troubles import GONE, OTHER, described, storage_error, trouble_of

P = ParamSpec("P")
R = TypeVar("R")

Reading: TypeAlias = Callable[[sqlite3.Connection], None]
"""A piece of work that hands its outcome on by itself, and raises nothing."""

READERS: Final = 2
"""Connections for short reads; there is another one for long ones."""

BUSY_TIMEOUT_S: Final = 4.0
"""Longest wait of a write for those before it, here and in other processes. Each takes milliseconds.

A caller is told within ten seconds, also one that waits a second time, for the row that says how its job ended.
"""

SWITCH_TIMEOUT_S: Final = 4.0
"""Longest wait for other processes that start at the same moment; each takes milliseconds."""

IDLE_S: Final = 2.0
"""Seconds between two looks at the log. After one of them without a write the log is emptied."""

UNUSABLE: Final = "The history could not be read or written"

LARGEST_INTEGER: Final = 2**63 - 1
"""The largest number that SQLite keeps. A `history_id` beyond it is nobody's."""


class ReaderThreads:
    """Threads that read, each on a connection of its own until `close`, in the order in which they are asked.

    They are fewer and simpler than those of `ThreadPoolExecutor`, whose bookkeeping takes longer than a short query.
    """

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


class Database:
    """One file, open for reading and writing."""

    def __init__(self, path: Path, writer: sqlite3.Connection, readers: list[sqlite3.Connection]) -> None:
        """Take over the connections; the last of `readers` is for long reads."""
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._file = _identity(path)
        self._writer = writer
        self._write_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-writer")
        self._readers = ReaderThreads("reader", readers[:-1])
        self._long_readers = ReaderThreads("long-reader", readers[-1:])
        self._closed: Future[None] | None = None

    @classmethod
    async def open(cls, path: Path, conversions: Conversions = CONVERSIONS) -> Self:
        """Connect to the file; make its tables where it is new, and convert those of an earlier release.

        Raises `DataFolderError` for a file that cannot be used, also for one of a version that cannot be converted.
        """
        writer, *readers = await asyncio.to_thread(_connect_all, path, conversions)
        return cls(path, writer, readers)

    def write(
        self, work: Callable[Concatenate[sqlite3.Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Do `work` on the writing connection, in one transaction that no other write interrupts."""
        until = time.monotonic() + BUSY_TIMEOUT_S
        return self._written(partial(self._write, lambda one: work(one, *args, **kwargs), until))

    def read(
        self, work: Callable[Concatenate[sqlite3.Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Do `work` on a reading connection: all its queries see the file as it was at one moment."""
        return self._outcome(self._readers, partial(_reading, work, args, kwargs))

    def read_at_length(
        self, work: Callable[Concatenate[sqlite3.Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Do `work` as `read` does, where it may take long: short reads do not wait for it."""
        return self._outcome(self._long_readers, partial(_reading, work, args, kwargs))

    def changes_elsewhere(self) -> asyncio.Future[int]:
        """Return a number that changes whenever another process has written to the file."""
        return self._written(lambda: self._writer.execute("PRAGMA data_version").fetchone()[0])

    async def keep_log_empty(self, look_s: float = IDLE_S) -> None:
        """Empty the log whenever nothing was written to it between two looks, until cancelled."""
        seen = (0, 0)
        while True:
            await asyncio.sleep(look_s)
            now = await asyncio.to_thread(_stamp, self._log)
            if now[0] and now == seen:
                with contextlib.suppress(WorkError):  # the disk may be full for a while, which is logged
                    await self.empty_log()
            seen = now

    async def empty_log(self) -> bool:
        """Bring all of the log into the file, and make it empty; False while a reader or writer is in the way."""
        return await self._written(self._empty_log)

    async def close(self) -> None:
        """Finish the work that was handed over, then let go of the file. Safe to call twice."""
        if self._closed is None:
            self._closed = self._write_thread.submit(self._close_connections)
            self._write_thread.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closed))

    def _written(self, work: Callable[[], R]) -> asyncio.Future[R]:
        """Have the writing thread do the work. Its future has a `WorkError` where SQLite or the disk refuses."""
        loop, outcome = self._future()
        self._write_thread.submit(_settle, loop, outcome, work)
        return outcome

    def _outcome(self, threads: ReaderThreads, work: Callable[[sqlite3.Connection], R]) -> asyncio.Future[R]:
        """Have a reading thread do the work. Its future is as for a write."""
        loop, outcome = self._future()
        threads.submit(lambda one: _settle(loop, outcome, partial(work, one)))
        return outcome

    def _future(self) -> tuple[asyncio.AbstractEventLoop, asyncio.Future[Any]]:
        if self._closed is not None:
            raise RuntimeError("the store is closed")
        loop = asyncio.get_running_loop()
        return loop, loop.create_future()

    def _write(self, work: Callable[[sqlite3.Connection], R], until: float) -> R:
        """Do the work, unless its turn or that of another process does not come until a monotonic time."""
        if _identity(self._path) != self._file:
            raise storage_error(UNUSABLE, GONE)  # what is written to a file without a name is lost at the end
        left_s = min(max(until - time.monotonic(), 0), BUSY_TIMEOUT_S)
        self._writer.execute(f"PRAGMA busy_timeout = {left_s * 1000:.0f}")
        return transact(self._writer, "IMMEDIATE", work)

    def _empty_log(self) -> bool:
        self._writer.execute("PRAGMA busy_timeout = 0")  # nobody waits for this: it is tried again
        busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def _close_connections(self) -> None:
        """Close readers first: the last connection to close writes the log back into the file."""
        self._readers.close()
        self._long_readers.close()
        self._writer.close()


def _reading(
    work: Callable[..., R], args: tuple[Any, ...], kwargs: Mapping[str, Any], connection: sqlite3.Connection
) -> R:
    return transact(connection, "DEFERRED", lambda one: work(one, *args, **kwargs))


def _settle(loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[R], work: Callable[[], R]) -> None:
    """Do the work in this thread, and hand its outcome to the loop: in half the time of `asyncio.wrap_future`."""
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is awaited
        settle: Callable[[], None] = partial(outcome.set_exception, _refusal(error))
    else:
        settle = partial(outcome.set_result, result)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(lambda: None if outcome.cancelled() else settle())


def _refusal(error: BaseException) -> BaseException:
    """Return the error of the disk or of SQLite that an exception means; a mistake of ours stays as it is."""
    if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)):
        return error  # whatever the disk does
    if not isinstance(error, (sqlite3.Error, OSError, MemoryError)):
        return error
    refusal = storage_error(UNUSABLE, trouble_of(error) or OTHER, error)
    refusal.__cause__ = error
    return refusal


def transact(
    connection: sqlite3.Connection, kind: Literal["DEFERRED", "IMMEDIATE"], work: Callable[[sqlite3.Connection], R]
) -> R:
    """Do all of the work, or nothing. Writers use IMMEDIATE: a read that becomes a write cannot wait its turn."""
    connection.execute(f"BEGIN {kind}")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled it back already
            connection.execute("ROLLBACK")
        raise
    return result


def within_range(number: int) -> int:
    """Bring any integer into the range that SQLite keeps; neither 0 nor the largest is ever the id of a job."""
    return max(0, min(number, LARGEST_INTEGER))


def _connect_all(path: Path, conversions: Conversions) -> list[sqlite3.Connection]:
    """The writing connection, then the reading ones, the last of them for long reads.

    Connections that were opened before a failure are closed.
    """
    opened: list[sqlite3.Connection] = []
    make_private_file(path)
    try:
        opened.append(_connect(path))
        _prepare(opened[0], path, conversions)
        for _ in range(READERS + 1):
            opened.append(_connect(path))
            opened[-1].execute("PRAGMA query_only = ON")
    except BaseException as error:
        for connection in opened:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise DataFolderError(path, described(error)) from error
        raise
    return opened


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and number of the file that a path names now; None where it names none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, which any one thread at a time may use."""
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection, path: Path, conversions: Conversions) -> None:
    if needs_upgrade(connection, path, conversions):
        connection.execute(f"PRAGMA busy_timeout = {TIMEOUT_S * 1000}")
        transact(connection, "IMMEDIATE", lambda one: upgrade(one, path, conversions))
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
    check_mode(_switch_to_wal(connection), path)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    transact(connection, "IMMEDIATE", create_tables)


def _stamp(path: Path) -> tuple[int, int]:
    """Return size and time of writing of a file; zeros for one that is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _switch_to_wal(connection: sqlite3.Connection) -> str:
    """Return the journal mode that the file has then.

    Bug: the busy timeout does not hold for a switch that meets another process's, so it is tried again here.
    """
    deadline = time.monotonic() + SWITCH_TIMEOUT_S
    while True:
        try:
            mode: str = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return mode
