"""The data folder: the error that names it, its privacy, and bytes that are whole after a crash.

A new file becomes durable in this order: write it somewhere else on the same file system, fsync it, give it its name
in one step (rename or link), fsync the folder that holds the name. Without the last step a power cut may forget the
name: fsync(2) says that it "does not necessarily ensure that the entry in the directory has also reached disk".

All of it blocks: call it at start, or in a thread.
"""

import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from service.troubles import described

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
"""Prompts, pictures and the secret are for the account that runs the service, whatever the umask is."""

OTHERS: Final = 0o077
"""The rights of everybody but the owner."""

ENTRIES: Final = frozenset({
    "arrived", "easel.db", "easel.db-journal", "easel.db-shm", "easel.db-wal", "ended-sessions", "files", "running",
    "secret",
})  # fmt: skip
"""All that the service makes in its data folder, beside the copies that an upgrade leaves."""

COPY: Final = re.compile(r"easel\.db\.v[0-9]+\.bak(\.part)?")
"""The names of these copies (`sqlite/upgrade.py`)."""

logger = logging.getLogger(__name__)


class DataFolderError(Exception):
    """The service cannot start with this data folder. The message names the path, the reason and the setting."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason} (EASEL_DATA_DIR names the data folder)")


@contextmanager
def needing(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses inside into a `DataFolderError` about `path`."""
    try:
        yield
    except PermissionError as error:
        raise DataFolderError(path, f"{error.strerror}{foreign_owner(path)}") from error
    except OSError as error:
        raise DataFolderError(path, described(error)) from error


def foreign_owner(path: Path, *, uid: int | None = None) -> str:
    """Name the other user that owns a path, or the folder it is to be made in, and the cure; "" where there is none.

    Container engines make a folder that is mounted from the host belong to root. `uid` is by default that of this
    process.
    """
    if os.name == "nt":
        return ""
    uid = os.geteuid() if uid is None else uid
    for folder in (path, *path.absolute().parents):
        try:
            owner = folder.stat().st_uid
        except OSError:
            continue
        cure = f"chown -R {uid} {folder}, or mount it with :U in podman"
        return f"; {folder} belongs to uid {owner}, this process is uid {uid}: {cure}" if owner != uid else ""
    return ""


def make_private(data: Path) -> None:
    """Take the rights of all others off the data folder and all that the service made in it, also in earlier versions.

    Anything else in the folder stays as it is, and then the folder itself does: somebody else may have to reach it.
    Where the file system refuses, as some that are mounted from a host do, a warning says what others can read.
    """
    if os.name == "nt":
        return
    with needing(data):
        names = {entry.name for entry in data.iterdir()}
    ours = {name for name in names if name in ENTRIES or COPY.fullmatch(name)}
    foreign = sorted(names - ours - {"lost+found"})
    left = [path for name in sorted(ours) for path in _closed_below(data / name)]
    if not foreign and not _close(data):
        left.insert(0, data)
    if left:
        logger.warning(
            "Other users of this machine can read %s%s, and this process may not change that: chmod -R go= %s, or use "
            "another EASEL_DATA_DIR.", left[0], f" and {len(left) - 1} more" if len(left) > 1 else "", data,
        )  # fmt: skip
    elif foreign and data.stat().st_mode & OTHERS:
        logger.warning(
            "Other users of this machine can look into %s, which also holds %s: use a folder of its own, or take their "
            "rights off it: chmod go= %s.", data, foreign[0], data,
        )  # fmt: skip


def _closed_below(path: Path) -> Iterator[Path]:
    """Take the rights of others off a path and all below it; yield those that could not be closed."""
    if not _close(path):
        yield path
    if path.is_dir() and not path.is_symlink():
        with suppress(OSError):  # another process may remove what it made
            for entry in sorted(path.iterdir()):
                yield from _closed_below(entry)


def _close(path: Path) -> bool:
    """Take the rights of others off a plain file or folder; return True where they have none, or it is neither.

    No link is followed, and a file with a second name may be somebody else's.
    """
    found = _status(path)
    if found is None or not found.st_mode & OTHERS:
        return True
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~OTHERS)
        finally:
            os.close(descriptor)
    found = _status(path)
    return found is None or not found.st_mode & OTHERS


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a folder, or of a plain file with one name; None for anything else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    is_ours = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
    return found if is_ours else None


def make_private_file(path: Path) -> None:
    """Make an empty file that others cannot read, where there is none: SQLite gives its log the rights of the file."""
    with needing(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))


def open_new(path: Path) -> BinaryIO:
    """Create a file that only this account may read, and open it for writing."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb")


def write_durably(path: Path, data: bytes) -> None:
    """Create `path` with these bytes, on disk when this returns. The name itself is durable after `sync_folder`."""
    with open_new(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_early(path: Path, draft: Path, parts: Iterable[bytes]) -> None:
    """Create or replace `path` by way of `draft`; its name and these bytes are on disk when this returns.

    It gets its name before that: a process that is killed meanwhile loses nothing of what was written.
    """
    try:
        with open_new(draft) as file:
            file.writelines(parts)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    with path.open("r+b") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Windows opens no folders, and NTFS journals names by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
