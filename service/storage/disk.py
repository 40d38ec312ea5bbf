"""Pictures as files: `files/<first two digits>/<name>` under the data folder.

1. Bytes are written and fsynced in the folder of this process, then renamed into place, then the folder is fsynced.
   Whatever lies under `files/` is whole.
2. A derivative lies beside its picture, and goes with it. Whoever keeps one looks for the picture afterwards, and
   whoever removes a picture looks for derivatives afterwards: one of the two sees the other.
3. A name that somebody gives is matched against the one form that we mint before it becomes a path, and what lies
   there counts only if it is a plain file in a plain folder: no link is followed, nor removed.
"""

import asyncio
import logging
import os
import secrets
import stat
from collections.abc import AsyncIterator, Collection, Hashable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

from service.storage.data_folder import PRIVATE_FOLDER, needing, sync_folder, write_durably
from service.storage.file_system import share_of
from service.storage.files import (
    DERIVATIVES,
    NAME,
    NAME_OR_DERIVED,
    Derivative,
    Files,
    ListedFile,
    OpenRange,
    StoredFile,
    media_type_of,
    mint,
)
from service.troubles import OTHER, storage_error, trouble_of

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 256 * 1024


class DiskRange(OpenRange):
    """A range of a file on a local disk."""

    def __init__(self, file: BinaryIO, span: range) -> None:
        self.disk_file: BinaryIO = file
        self._span = span

    async def chunks(self) -> AsyncIterator[bytes]:
        for at in range(self._span.start, self._span.stop, CHUNK_BYTES):
            chunk = await asyncio.to_thread(self._read_at, at, min(CHUNK_BYTES, self._span.stop - at))
            if not chunk:
                return
            yield chunk

    async def close(self) -> None:
        self.disk_file.close()

    def _read_at(self, start: int, length: int) -> bytes:
        self.disk_file.seek(start)
        return self.disk_file.read(length)


class DiskFiles(Files):
    """Keeps pictures in a folder that several processes may share."""

    def __init__(self, folder: Path, scratch: Path, key: bytes, *, on_share: bool = False) -> None:
        """Use a folder. `on_share`: a look at one of its files may have to wait for the network."""
        self._folder = folder
        self._on_share = on_share
        self._scratch = scratch
        self._key = key

    @classmethod
    async def open(cls, folder: Path, scratch: Path, key: bytes) -> Self:
        """Use `folder`, made if need be, with `scratch` for temporary files and `key` for names.

        Raises `DataFolderError` when a file cannot be written to one and renamed into the other.
        """
        await asyncio.to_thread(_check, folder, scratch)
        return cls(folder, scratch, key, on_share=bool(await asyncio.to_thread(share_of, folder)))

    async def keep(self, owner: str, data: bytes, media_type: str) -> str:
        try:
            return await asyncio.to_thread(self._keep, owner, data, media_type)
        except OSError as error:
            raise storage_error("The picture could not be stored", trouble_of(error) or OTHER, error) from error

    async def keep_named(self, name: str, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._keep_named, name, data)
        except OSError as error:
            raise storage_error("The picture could not be stored", trouble_of(error) or OTHER, error) from error

    async def keep_derived(self, name: str, derivative: Derivative, data: bytes) -> bool:
        try:
            return await asyncio.to_thread(self._keep_derived, name, derivative.of(name), data)
        except OSError as error:
            raise storage_error("A smaller copy could not be stored", trouble_of(error) or OTHER, error) from error

    async def find(self, name: str) -> StoredFile | None:
        media_type = media_type_of(name)
        found = None if media_type is None else await asyncio.to_thread(_plain_file, self.path(name))
        return None if found is None or media_type is None else StoredFile(media_type=media_type, size=found.st_size)

    def stamp(self, name: str) -> Hashable | None:
        if self._on_share or NAME_OR_DERIVED.fullmatch(name) is None:
            return None
        folder = f"{self._folder}/{name[:2]}"
        try:  # as `_plain_file`, without paths, which cost more than the two looks
            is_folder, file = stat.S_ISDIR(os.lstat(folder).st_mode), os.lstat(f"{folder}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        is_plain = is_folder and stat.S_ISREG(file.st_mode)
        return (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns) if is_plain else None

    async def read(self, name: str) -> bytes | None:
        return await asyncio.to_thread(self._read, name)

    async def open_range(self, name: str, span: range) -> OpenRange | None:
        opening = asyncio.get_running_loop().run_in_executor(None, self._open, name)
        try:
            file = await asyncio.shield(opening)
        except asyncio.CancelledError:  # the thread goes on
            opening.add_done_callback(_close)
            raise
        return None if file is None else DiskRange(file, span)

    async def remove(self, names: Collection[str]) -> list[str]:
        return await asyncio.to_thread(lambda: [name for name in names if self._remove(name)])

    async def listing(self) -> list[ListedFile]:
        return await asyncio.to_thread(lambda: list(self._list()))

    def path(self, name: str) -> Path:
        """The path of the file that this name has, or would have. It has the form that `NAME_OR_DERIVED` checks."""
        return self._folder / name[:2] / name

    def _keep(self, owner: str, data: bytes, media_type: str) -> str:
        name = mint(self._key, owner, data, media_type)
        self._keep_named(name, data)
        return name

    def _keep_named(self, name: str, data: bytes) -> None:
        path = self.path(name)
        found = _plain_file(path)
        if found is None or found.st_size != len(data):
            path.parent.mkdir(PRIVATE_FOLDER, exist_ok=True)
            self._put(path, data)
        # Also for a file that was there: another process may have renamed it a moment ago and not come this far.
        sync_folder(path.parent)
        sync_folder(self._folder)

    def _keep_derived(self, name: str, derived: str, data: bytes) -> bool:
        if NAME.fullmatch(name) is None or _plain_file(self.path(name)) is None:
            return False
        self._put(self.path(derived), data)
        if _plain_file(self.path(name)) is None:  # removed meanwhile, perhaps before the derivative was there
            self.path(derived).unlink(missing_ok=True)
            return False
        return True

    def _put(self, path: Path, data: bytes) -> None:
        draft = self._scratch / secrets.token_hex(8)
        try:
            write_durably(draft, data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _read(self, name: str) -> bytes | None:
        file = self._open(name)
        if file is None:
            return None
        with file:
            try:
                return file.read()
            except OSError as error:
                logger.warning("%s cannot be read: %s", self.path(name), error.strerror)
                return None

    def _open(self, name: str) -> BinaryIO | None:
        """The file behind a name, opened unbuffered as `sendfile` needs it; a link is not followed."""
        if NAME_OR_DERIVED.fullmatch(name) is None:
            return None
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # each system lacks one
        try:
            if _plain_file(self.path(name)) is None:
                return None
            return os.fdopen(os.open(self.path(name), flags), "rb", buffering=0)
        except FileNotFoundError:  # removed since the look
            return None
        except OSError as error:
            logger.warning("%s cannot be read: %s", self.path(name), error.strerror)
            return None

    def _remove(self, name: str) -> bool:
        """Remove a file of ours; return True when none lies there any more."""
        if NAME.fullmatch(name) is None:
            return True
        path = self.path(name)
        try:
            self._remove_derived(name)
            if _plain_file(path) is not None:
                path.unlink(missing_ok=True)  # another process may make room at the same moment
                self._remove_derived(name)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", path, error.strerror)
            return False
        return True

    def _remove_derived(self, name: str) -> None:
        for each in DERIVATIVES:
            self.path(each.of(name)).unlink(missing_ok=True)

    def _list(self) -> Iterator[ListedFile]:
        for folder in self._folder.iterdir():
            if not stat.S_ISDIR(folder.lstat().st_mode):
                continue
            for path in folder.iterdir():
                found = _plain_file(path) if NAME.fullmatch(path.name) and path == self.path(path.name) else None
                if found is not None:
                    yield ListedFile(name=path.name, size=found.st_size, written_at=found.st_mtime)


def _close(opening: asyncio.Future[BinaryIO | None]) -> None:
    """Close a file that nobody waits for any more."""
    if not opening.cancelled() and opening.exception() is None and (file := opening.result()) is not None:
        file.close()


def _plain_file(path: Path) -> os.stat_result | None:
    """Return the status of a plain file in a plain folder; None for anything else."""
    try:
        folder, file = path.parent.lstat(), path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return file if stat.S_ISDIR(folder.st_mode) and stat.S_ISREG(file.st_mode) else None


def _check(folder: Path, scratch: Path) -> None:
    """Do once what `keep` will do: a full disk, a foreign owner or a second file system shows now, not after paying."""
    with needing(folder):
        folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
        draft = scratch / "probe"
        write_durably(draft, b"probe")
        draft.replace(folder / "probe")
        (folder / "probe").unlink(missing_ok=True)  # another process may check at the same moment
