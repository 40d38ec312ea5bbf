"""Pictures that have arrived from an image service and are not in the history yet: names, form, and their folder.

Downloading a picture takes a moment, examining it another, and both may have to wait; a crash meanwhile would lose what
is paid for. So the URLs of an answer are stored before the first download, and all bytes before they are examined: the
next start, or another replica, finishes the job from them. They go when its row tells how the job ended.

There is one for each part of a job: a line of JSON, a list with the size, the note, the source and the use of each
picture, and then the bytes of all. A part of it, as a power cut may leave, is told by the sizes. In the data folder it
is a file, which gets its name before it is fsynced: a killed process loses it no more from then on.
"""

import asyncio
import hashlib
import logging
import os
import re
import secrets
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import orjson

from service.costs import Usage
from service.images import Job, Picture
from service.storage.data_folder import PRIVATE_FOLDER, needing, write_early
from service.storage.files import Arrivals
from service.troubles import OTHER, storage_error, trouble_of

logger = logging.getLogger(__name__)

NAME: Final = re.compile(r"([0-9a-f]{32}-[0-9]+)(\.[1-9][0-9]*)?")
"""The first group is the name of the job."""

MOST_HEAD: Final = 1024 * 1024
"""Bytes of the line of JSON: some URLs and sentences."""


def arrival_name(owner: str, history_id: int) -> str:
    """Return the name of a job, which is that of its first part; those of others end in their number.

    The owner's name, which may have any characters, is a digest in it.
    """
    return f"{hashlib.sha256(owner.encode()).hexdigest()[:32]}-{history_id}"


def part_name(owner: str, history_id: int, part: int) -> str:
    """Return the name of a part of a job, counted from 0."""
    return f"{arrival_name(owner, history_id)}{f'.{part}' if part else ''}"


@dataclass(frozen=True)
class _Entry:
    """The entry of one picture in the line of JSON. `size` counts its bytes."""

    size: int
    note: str
    source: str
    usage: Mapping[str, Any] | None = None


def packed(pictures: Sequence[Picture]) -> list[bytes]:
    """Return the bytes of a part, in pieces."""
    head = [_Entry(len(each.data), each.note, each.source, _used(each)) for each in pictures]
    return [orjson.dumps(head), b"\n", *[each.data for each in pictures]]


def unpacked(file: BinaryIO, name: str) -> list[Picture]:
    """Return the pictures of a part; none where it is damaged, which is logged by its name."""
    try:
        head = [_Entry(**each) for each in orjson.loads(file.readline(MOST_HEAD))]
        found = [_picture(each, file.read(each.size)) for each in head]
        is_whole = [len(each.data) for each in found] == [each.size for each in head] and not file.read(1)
    except (OSError, ValueError, TypeError) as error:
        logger.warning("%s cannot be read: %s", name, error)
        return []
    if not is_whole:
        logger.warning("%s cannot be read: a part of it is missing", name)
    return found if is_whole else []


def _used(picture: Picture) -> Mapping[str, Any] | None:
    return None if picture.usage is None else asdict(picture.usage)


def _picture(entry: _Entry, data: bytes) -> Picture:
    usage = Usage(**entry.usage) if entry.usage else None
    return Picture(data=data, note=entry.note, source=entry.source, usage=usage)


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
