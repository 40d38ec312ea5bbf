"""Ended sessions as small files in the data folder: one for each period, one line for each session.

A period's file is removed when all of its ids have expired. What one process alone may end has an empty file besides,
named after the period and the id. A look is a `stat` of two files, microseconds without a
wait for the disk, and reads on only when a file has grown; that is why it may happen on the loop. Requests come faster
than that, so the end that another process noted is seen after `LOOK_S` at the latest.
"""

import asyncio
import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from service.storage.data_folder import PRIVATE_FILE, PRIVATE_FOLDER, needing, sync_folder
from service.storage.ended_sessions import EndedSessions

PERIOD_S: Final = 30 * 24 * 3600
"""As long as a session id lives: an id that is alive expires in this period or the next."""

LOOK_S: Final = 0.1
"""Time between two looks at the files. No client can tell it from the time that its DELETE was under way."""


DIGEST: Final = re.compile("[0-9a-f]{64}")


class DiskSessions(EndedSessions):
    """The ended sessions of one folder."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        """Use `folder`, made if need be, and remove the files of past periods. Blocks; raises `DataFolderError`."""
        self._folder = folder
        self._clock = clock
        self._looked = 0.0
        self._read: dict[int, int] = {}
        self._ended: dict[int, set[str]] = {}
        with needing(folder):
            folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
            for file in folder.iterdir():
                period = file.name.partition(".")[0]
                if period.isdecimal() and int(period) < self._period():
                    file.unlink(missing_ok=True)

    def contains(self, session_id: str) -> bool:
        now = self._clock()
        periods = int(now // PERIOD_S), int(now // PERIOD_S) + 1
        if not self._looked <= now < self._looked + LOOK_S:  # a clock may be put back as well
            self._looked = now
            for period in periods:
                self._catch_up(period)
        ended = [self._ended[period] for period in periods if period in self._ended]
        if not ended:
            return False
        digest = _digest(session_id)
        return any(digest in each for each in ended)

    async def add(self, session_id: str, expires: float) -> None:
        try:
            await asyncio.to_thread(self._append, int(expires // PERIOD_S), _digest(session_id))
        finally:
            self._looked = 0.0

    async def take(self, session_id: str, expires: float) -> bool:
        digest = _digest(session_id)
        try:
            await asyncio.to_thread(self._claim, f"{int(expires // PERIOD_S)}.{digest}")
        except FileExistsError:
            return False
        await self.add(session_id, expires)
        return True

    def _claim(self, name: str) -> None:
        """Make an empty file of this name, which one process alone can (open(2), O_EXCL)."""
        os.close(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))

    def _append(self, period: int, digest: str) -> None:
        # One short write in append mode: lines of several processes do not mix (write(2), O_APPEND). The line break
        # before keeps it apart from a line that a full disk or a power cut left unfinished.
        line = f"\n{digest}\n".encode()
        file = os.open(self._folder / str(period), os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
        try:
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        finally:
            os.close(file)
        sync_folder(self._folder)

    def _catch_up(self, period: int) -> None:
        path, known = self._folder / str(period), self._read.get(period, 0)
        try:
            if path.stat().st_size == known:
                return
            with path.open("rb") as file:
                file.seek(known)
                lines = file.read()
        except FileNotFoundError:
            return
        whole = lines[: lines.rfind(b"\n") + 1]
        self._ended.setdefault(period, set()).update(whole.decode("ascii", "replace").split())
        self._read[period] = known + len(whole)

    def _period(self) -> int:
        return int(self._clock() // PERIOD_S)


def all_ends(folder: Path) -> Iterator[tuple[bytes, float, bool]]:
    """Yield the ends in a folder: the digest, when it may be forgotten, and whether it is of a thing for one use.

    Files are read meanwhile, without a thread.
    """
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.name.isdecimal():
            ends = (int(file.name) + 1) * PERIOD_S - 1.0
            for digest in sorted(set(file.read_text("ascii", "replace").split())):
                if DIGEST.fullmatch(digest):
                    yield bytes.fromhex(digest), ends, (folder / f"{file.name}.{digest}").exists()


def write_ends(folder: Path, ends: Iterable[Sequence[Any]]) -> None:
    """Write ends as `all_ends` yields them to a folder, made if need be. Files are written without a thread."""
    folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
    for digest, expires, is_taken in ends:
        period = int(expires // PERIOD_S)
        lines = {str(period): f"\n{digest.hex()}\n"} | ({f"{period}.{digest.hex()}": ""} if is_taken else {})
        for name, line in lines.items():
            file = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
            os.write(file, line.encode())
            os.close(file)


def _digest(session_id: str) -> str:
    """The form in which an id is stored, so that nobody who reads the file can use the session."""
    return hashlib.sha256(session_id.encode()).hexdigest()
