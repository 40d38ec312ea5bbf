"""The writer of the log: lines wait in memory for a thread, so that a slow or unread standard error holds up no call.

MCP lets a client leave the standard error of its server alone, and a pipe that nobody reads takes 64 kB. Lines beyond
`ROOM` are dropped and counted, and a line in the place of the gap says how many. Warnings and errors have a quarter of
the room to themselves; they are written at once, the rest a few at a time, which costs fewer changes of thread.
"""

import logging
import os
import select
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TextIO

ROOM: Final = 4_000_000
"""Characters that wait at most, with `OVERHEAD` for each line."""

OVERHEAD: Final = 500
"""Bytes, about, that a record takes beside its text."""

AT_ONCE: Final = 100
"""Lines that are written together at most: the thread formats them while the loop waits for the interpreter."""

GATHER_S: Final = 0.02
"""Seconds that a line waits for others, unless it is a warning."""

FLUSH_S: Final = 2.0
"""Seconds that the end of the process waits at most for a standard error that takes nothing."""


class LogWriter(logging.Handler):
    """A handler that cleans, formats and writes in a thread of its own.

    `settle` takes from a record, and from the context in which it is logged, all that the thread needs; `clean` changes
    the record in the thread. A forked child begins anew: lines that wait are its parent's, and so is the thread.
    """

    def __init__(
        self,
        stream: TextIO | None,
        settle: Callable[[logging.LogRecord], None],
        clean: Callable[[logging.LogRecord], object],
    ) -> None:
        super().__init__()
        self.dropped = 0
        self._write = _writer_to(stream)
        self._settle = settle
        self._clean = clean
        self._ended = False
        self._begin()
        self._start()  # at once: where memory runs out, there is none for a thread either
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        assert self.lock is not None, "a handler has one"  # noqa: S101 - its type covers one without
        self._changed = threading.Condition(self.lock)
        self._thread: threading.Thread | None = None
        self._lines: list[logging.LogRecord] = []
        self._taken = 0
        self._missing = 0
        self._is_urgent = False

    def emit(self, record: logging.LogRecord) -> None:
        """Let a record wait for the thread, or drop it. The caller, `handle`, holds the lock."""
        self._settle(record)
        if self._ended:
            self._put([record])
            return
        is_urgent = record.levelno >= logging.WARNING
        size = _size_of(record)
        if self._taken + size > (ROOM if is_urgent else ROOM * 3 // 4):
            self._drop(1)
            return
        was_idle = not self._lines
        if self._missing:
            self._tell_gap()
        self._lines.append(record)
        self._taken += size
        if is_urgent or was_idle:
            self._is_urgent |= is_urgent
            self._changed.notify_all()
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """Wait until every line is written, `FLUSH_S` seconds at most."""
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._taken, FLUSH_S)

    def close(self) -> None:
        """Write what waits; from now on, as while the interpreter ends, lines are written where they are logged."""
        self.flush()
        with self._changed:
            self._ended = not self._taken
            self._changed.notify_all()
        super().close()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread to give: the lines wait for the next one that is logged
            return
        self._thread = thread

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        self._missing += lines

    def _tell_gap(self) -> None:
        """Put a line in the place of those that were dropped."""
        words = f"{self._missing} lines of the log are missing here: standard error did not take them fast enough."
        line = logging.LogRecord(__name__, logging.WARNING, __file__, 0, words, None, None)
        self._lines.append(line)
        self._taken += _size_of(line)
        self._missing = 0

    def _run(self) -> None:
        while batch := self._next():
            size = sum(map(_size_of, batch))
            written = self._put(batch)
            with self._changed:
                self._taken -= size
                if not written:
                    self._drop(len(batch))
                elif self._missing and not self._taken:
                    self._tell_gap()
                self._changed.notify_all()

    def _next(self) -> list[logging.LogRecord]:
        """Return the next lines, when there are some; none when no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._ended)
            if not self._is_urgent:
                self._changed.wait(GATHER_S)
            batch = self._lines[:AT_ONCE]
            del self._lines[:AT_ONCE]
            self._is_urgent = bool(self._lines)
            return batch

    def _put(self, batch: list[logging.LogRecord]) -> bool:
        """Write lines; return whether somebody took them."""
        lines = []
        for record in batch:
            try:
                self._clean(record)
                lines.append(self.format(record) + "\n")
            except Exception:  # noqa: BLE001 - formatting runs code of whoever logs, and the thread goes on
                self.handleError(record)
        try:
            self._write("".join(lines))
        except (OSError, ValueError):
            return False
        return True


def _size_of(record: logging.LogRecord) -> int:
    return OVERHEAD + len(record.msg) + len(record.exc_text or "")


def _writer_to(stream: TextIO | None) -> Callable[[str], None]:
    """Return a function that writes a text whole: past the buffer of the stream, whose lock `print` may wait for."""
    if stream is None:  # the process was started without one
        return lambda text: None  # noqa: ARG005 - the signature of the others
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):  # of a stream in memory
        return partial(_write_and_flush, stream)
    return partial(_write_all, descriptor, stream.encoding or "utf-8")


def _write_and_flush(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _write_all(descriptor: int, encoding: str, text: str) -> None:
    data = memoryview(text.encode(encoding, "backslashreplace"))
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # whoever started the process opened it so, and shares it
            select.select([], [descriptor], [])
