"""The data folder: the error that names it, and bytes that are whole or absent after a crash.

A new file becomes durable in this order: write it somewhere else on the same file system, fsync it, give it its name
in one step (rename or link), fsync the folder that holds the name. Without the last step a power cut may forget the
name: fsync(2) says that it "does not necessarily ensure that the entry in the directory has also reached disk".

All of it blocks: call it at start, or in a thread.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
"""Prompts, pictures and the secret are for the account that runs the service. A folder that exists stays as it is."""


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
        raise DataFolderError(path, error.strerror or str(error)) from error


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


def write_durably(path: Path, data: bytes) -> None:
    """Create `path` with these bytes, on disk when this returns. The name itself is durable after `sync_folder`."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Windows opens no folders, and NTFS journals names by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
