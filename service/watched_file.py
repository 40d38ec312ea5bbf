"""A file that is read at start, looked at every second, and read again when it has changed.

A change counts once two looks have found the same: a script may write in steps, and half a file may read well.

A file that cannot be used any more changes nothing: the last good reading stays, and the log says why, once for each
change of the file. One that cannot be read at that moment, as without a free descriptor, is read again at every look.
Both happen in a thread, since the file may lie on a slow disk.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

from service.settings_reader import SettingsError

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
"""A person who has saved the file and turns to the client finds it read."""

Stamp: TypeAlias = tuple[int, int, int] | None
"""Time of writing, length and inode of a file, which tell that it has changed. None: there is no file."""

Reading = TypeVar("Reading")


class WatchedFile(Generic[Reading]):
    """One file. `last_good` is its last good reading; two readings that are equal are no change.

    The reader raises ValueError for bytes that cannot be used; its message is shown, so there must be no secret in it.
    """

    def __init__(self, path: Path, read: Callable[[bytes], Reading], last_good: Reading, stamp: Stamp) -> None:
        self.path = path
        self.last_good = last_good
        self._read = read
        self._seen = stamp
        """The stamp of the file as it was read last."""
        self._told = stamp
        """The stamp with which the log has said that the file cannot be used, or of the last good reading."""
        self._looked = stamp

    @classmethod
    async def open(cls, setting: str, path: Path, read: Callable[[bytes], Reading]) -> "WatchedFile[Reading]":
        """Read the file of a setting for the first time; raises `SettingsError` with its name and path."""
        try:
            stamp = await asyncio.to_thread(_stamp, path)
            return cls(path, read, await asyncio.to_thread(_load, path, read), stamp)
        except (ValueError, OSError) as error:
            raise SettingsError(setting, f"{path}: {_problem(error)}") from error

    async def refresh(self) -> bool:
        """Read the file if it has changed since the last time; return whether it says something else now."""
        # The stamp is taken first: what is written while we read is seen as a change the next time.
        stamp = await asyncio.to_thread(_stamp, self.path)
        if stamp == self._seen:
            return False
        try:
            reading = await asyncio.to_thread(_load, self.path, self._read)
        except (ValueError, OSError) as error:
            if isinstance(error, ValueError):
                self._seen = stamp
            if stamp != self._told:
                logger.warning("%s cannot be used, what it last said stays: %s", self.path.name, _problem(error))
            self._told = stamp
            return False
        self._seen = self._told = stamp
        if reading == self.last_good:
            return False
        self.last_good = reading
        return True

    async def refresh_settled(self) -> bool:
        """Refresh if the file is as the last look of this kind found it, and so is not being written."""
        before, self._looked = self._looked, await asyncio.to_thread(_stamp, self.path)
        return self._looked == before and self._looked != self._seen and await self.refresh()

    async def watch(self, on_change: Callable[[Reading], None], every_s: float = EVERY_S) -> None:
        """Call `on_change` each time that the file says something else, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if await self.refresh_settled():
                on_change(self.last_good)


def _problem(error: ValueError | OSError) -> str:
    return error.strerror or "cannot be read" if isinstance(error, OSError) else str(error)


def _load(path: Path, read: Callable[[bytes], Reading]) -> Reading:
    return read(path.read_bytes())


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
