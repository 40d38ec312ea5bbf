"""The models file on disk: read at start, looked at every few seconds, read again when it has changed.

A file that cannot be used any more changes nothing: the last good one stays, and the log says why, once for each
change of the file. Looking at it and reading it happen in a thread, since the file may lie on a slow disk.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, TypeAlias

from service.image_models.models import Models, ModelsError, read_models

logger = logging.getLogger(__name__)

EVERY_S: Final = 2.0
"""A person who has saved the file and turns to the client finds it read."""

Stamp: TypeAlias = tuple[int, int, int] | None
"""Time of writing, length and inode of a file, which tell that it has changed. None: there is no file."""


class ModelsFile:
    """One models file. `models` is its last good reading."""

    def __init__(self, path: Path, upstreams: Collection[str], models: Models, stamp: Stamp) -> None:
        self.path = path
        self.models = models
        self._upstreams = upstreams
        self._seen = stamp

    @classmethod
    async def open(cls, path: Path, upstreams: Collection[str]) -> "ModelsFile":
        """Read the file for the first time; raises `ModelsError`, which then names no path, or OSError."""
        stamp = await asyncio.to_thread(_stamp, path)
        models = await asyncio.to_thread(_read, path, upstreams)
        return cls(path, upstreams, models, stamp)

    async def refresh(self) -> bool:
        """Read the file if it has changed since the last time; whether other models are on offer now."""
        # The stamp is taken first: what is written while we read is seen as a change the next time.
        stamp = await asyncio.to_thread(_stamp, self.path)
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            models = await asyncio.to_thread(_read, self.path, self._upstreams)
        except (ModelsError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            logger.warning("%s cannot be used, what it last said stays: %s", self.path.name, why)
            return False
        if models == self.models:
            return False
        self.models = models
        logger.info("%s has changed: %d models, default %s", self.path.name, len(models.ids), models.default)
        return True

    async def watch(self, on_change: Callable[[Models], None], every_s: float = EVERY_S) -> None:
        """Call `on_change` each time that other models are on offer, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if await self.refresh():
                on_change(self.models)


def _read(path: Path, upstreams: Collection[str]) -> Models:
    return read_models(path.read_bytes(), upstreams)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
