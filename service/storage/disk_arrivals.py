"""Arrivals as files of the data folder: one for each part of a job.

A file gets its name before it is fsynced: a killed process loses it no more from then on.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Collection, Sequence
from pathlib import Path
from typing import Self

from service.images import Job, Picture
from service.storage.arrivals import NAME, arrival_name, packed, part_name, unpacked
from service.storage.data_folder import PRIVATE_FOLDER, needing, write_early
from service.storage.files import Arrivals
from service.troubles import OTHER, storage_error, trouble_of

logger = logging.getLogger(__name__)


class DiskArrivals(Arrivals):
    """Keeps what arrived in a folder that several processes may share."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        self._scratch = scratch

    @classmethod
    async def open(cls, folder: Path, scratch: Path) -> Self:
        """Use `folder`, made if need be, with `scratch` for temporary files. Raises `DataFolderError`."""

        def make() -> None:
            with needing(folder):
                folder.mkdir(PRIVATE_FOLDER, exist_ok=True)

        await asyncio.to_thread(make)
        return cls(folder, scratch)

    async def keep(self, job: Job, pictures: Sequence[Picture], part: int = 0) -> None:
        path, draft = self._path(job, part), self._scratch / secrets.token_hex(8)
        try:
            await asyncio.to_thread(write_early, path, draft, packed(pictures))
        except (OSError, MemoryError, RuntimeError) as error:  # the last where no thread can be started
            raise storage_error("What arrived could not be stored", trouble_of(error) or OTHER, error) from error

    def read(self, job: Job) -> Awaitable[dict[int, list[Picture]]]:
        return asyncio.to_thread(self._read, job)

    def remove(self, job: Job) -> Awaitable[None]:
        return asyncio.to_thread(self._remove, [self._path(job, part) for part in range(job.count)])

    async def listing(self) -> frozenset[str]:
        files = await self._files()
        return frozenset(found[1] for each in files if (found := NAME.fullmatch(each)))

    async def remove_ended(self, names: Collection[str], working: Collection[tuple[str, int]]) -> None:
        ended = frozenset(names) - {arrival_name(owner, history_id) for owner, history_id in working}
        left = [each for each in await self._files() if (found := NAME.fullmatch(each)) and found[1] in ended]
        await asyncio.to_thread(self._remove, [self._folder / each for each in left])

    def _files(self) -> Awaitable[list[str]]:
        return asyncio.to_thread(os.listdir, self._folder)

    def _path(self, job: Job, part: int) -> Path:
        return self._folder / part_name(job.owner, job.history_id, part)

    def _read(self, job: Job) -> dict[int, list[Picture]]:
        found = {part: self._read_part(self._path(job, part)) for part in range(job.count)}
        return {part: pictures for part, pictures in found.items() if pictures}

    def _read_part(self, path: Path) -> list[Picture]:
        try:
            with path.open("rb") as file:
                return unpacked(file, str(path))
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.warning("%s cannot be read: %s", path, error)
            return []

    def _remove(self, paths: Sequence[Path]) -> None:
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:  # the next start removes it
                logger.warning("%s cannot be removed: %s", path, error.strerror)
