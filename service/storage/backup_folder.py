"""The folder of a backup: its marks, its digests, and the copies in it, each whole under its name.

`backup.json` marks the folder, so that no other one is taken for a backup. `SHA256SUMS` has the digest of each picture,
in the form of sha256sum(1). The rest lies as in a data folder: `easel.db`, `secret`, `files/`, and two small folders.

All of it blocks.
"""

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from service.storage.data_folder import PRIVATE_FILE, PRIVATE_FOLDER, DataFolderError, open_new, sync_folder
from service.storage.files import NAME as PICTURE
from service.storage.sqlite.files import FORGET_FILES
from service.troubles import described

MARK: Final = "backup.json"
SUMS: Final = "SHA256SUMS"
LOCK: Final = "lock"
DATABASE: Final = "easel.db"
NEW_DATABASE: Final = "easel.db.new"
SECRET: Final = "secret"  # noqa: S105 - the name of a file
SMALL_FOLDERS: Final = ("arrived", "ended-sessions")
"""Folders of which every file is copied. The sessions that ended stay ended."""

CHUNK_BYTES: Final = 1024 * 1024
FORGET_DERIVED: Final = "UPDATE files SET derived = 0 WHERE derived"
SELECT_STORED: Final = "SELECT name, size FROM files ORDER BY name"


class BackupError(Exception):
    """A backup, or a restoration, cannot be made: what is wrong, and what would be right. One line."""


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Turn what the disk or SQLite refuses inside into a `BackupError`."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{what}: {described(error)}") from error
    except DataFolderError as error:
        raise BackupError(str(error)) from error


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep other backups out of a folder; raises `BackupError` while there is one."""
    lock = FileLock(target / LOCK, mode=PRIVATE_FILE, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BackupError(f"another backup into {target} is under way; wait for its end") from error
    try:
        yield
    finally:
        lock.release()


def stored_in(path: Path) -> dict[str, int]:
    """Return the names in the index of files, and their sizes in bytes."""
    with closing(reading(path)) as connection:
        return {name: size for name, size in connection.execute(SELECT_STORED) if PICTURE.fullmatch(name)}


def reading(path: Path) -> sqlite3.Connection:
    """Open a database without the right to write to it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def forget(path: Path, names: Iterable[str]) -> None:
    """Take pictures out of the index of a copy, on disk when this returns. Derivatives are not copied, nor counted."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(FORGET_DERIVED)
        connection.execute(FORGET_FILES, (json.dumps(list(names)),))


def copy_small(source: Path, target: Path) -> None:
    """Copy the secret and all files of the small folders."""
    copy(source / SECRET, target / SECRET)
    for folder in SMALL_FOLDERS:
        (target / folder).mkdir(PRIVATE_FOLDER, exist_ok=True)
        plain = [each for each in (source / folder).glob("*") if each.is_file() and not each.is_symlink()]
        for each in plain:
            with suppress(FileNotFoundError):  # its job has ended since
                copy(each, target / folder / each.name)
        sync_folder(target / folder)


def copy_picture(source: Path, target: Path, name: str, size: int) -> str | None:
    """Copy one picture; return its digest, None for one that is not there, or of another size than it should be."""
    if not is_there(source, name, size):
        return None
    copied = place(target, name)
    for folder in (copied.parent.parent, copied.parent):
        folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
    try:
        digest = copy(place(source, name), copied)
    except FileNotFoundError:  # removed since the look
        return None
    sync_folder(copied.parent)
    return digest


def copy(source: Path, target: Path) -> str:
    """Copy a file, on disk and whole under its name when this returns. Return its SHA-256 digest."""
    digest, draft = hashlib.sha256(), target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        with source.open("rb") as read, open_new(draft) as written:
            while chunk := read.read(CHUNK_BYTES):
                digest.update(chunk)
                written.write(chunk)
            written.flush()
            os.fsync(written.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return digest.hexdigest()


def place(folder: Path, name: str) -> Path:
    """Return the path of a picture in a data folder, or in a backup."""
    return folder / "files" / name[:2] / name


def is_there(folder: Path, name: str, size: int) -> bool:
    """Tell that a picture of this size lies in a folder."""
    found = place(folder, name)
    return found.is_file() and not found.is_symlink() and found.stat().st_size == size


def size_of(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def read_sums(folder: Path) -> dict[str, str]:
    """Return the digests of the pictures by name; a line that is none is passed over."""
    if not (folder / SUMS).is_file():
        return {}
    text = (folder / SUMS).read_text(encoding="ascii", errors="replace")
    return {found[2]: found[1] for found in re.finditer(r"^([0-9a-f]{64})  files/../(\S+)$", text, re.MULTILINE)}


def write_sums(folder: Path, sums: dict[str, str]) -> None:
    """Write the digests of the pictures, by name."""
    lines = (f"{digest}  files/{name[:2]}/{name}\n" for name, digest in sorted(sums.items()))
    write(folder / SUMS, "".join(lines))


def write(path: Path, text: str) -> None:
    """Write a file, whole and on disk when this returns, in the place of one that is there."""
    draft = path.with_name(f"{path.name}.part")
    draft.unlink(missing_ok=True)
    with open_new(draft) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)
