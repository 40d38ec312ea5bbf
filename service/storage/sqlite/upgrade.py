"""The upgrade of a database that an earlier release wrote: a copy beside it, then a conversion in one transaction.

1. `CONVERSIONS` holds one step for each earlier release, by the version of the tables that it starts from; a file goes
   through all steps from its own version on. A version without a step, of a development version or of a newer
   release, is refused and stays untouched.
2. The copy, `easel.db.v9.bak` beside `easel.db` for tables of version 9, is whole and on disk before anything changes.
3. Of several processes that start at once one converts, and the others wait for its lock and find the work done.
4. All steps are one transaction: after a crash, or an error, the file is as it was.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final, TypeAlias

from service.storage.data_folder import DataFolderError, make_private_file, sync_folder
from service.storage.sqlite.schema import VERSION, version_of
from service.troubles import described

logger = logging.getLogger(__name__)

Conversions: TypeAlias = Mapping[int, Callable[[sqlite3.Connection], object]]
"""By a version of the tables, the step that brings them to the next version, inside a transaction of the caller."""

CONVERSIONS: Final[Conversions] = {}
"""Every step. The first release writes `VERSION`, so that there is none before it to convert."""

TIMEOUT_S: Final = 600
"""Longest wait for another process that converts the same file."""


def needs_upgrade(connection: sqlite3.Connection, path: Path, conversions: Conversions = CONVERSIONS) -> bool:
    """Tell that the tables are of an earlier version that can be converted; raises `DataFolderError` for any other."""
    version = version_of(connection)
    if version in (0, VERSION):
        return False
    if version > VERSION:
        raise DataFolderError(
            path,
            f"a newer version of this service wrote it (tables {version}, this version knows {VERSION}); run that "
            f"version, or put back {backup_of(path, VERSION).name} or another backup of this version, or use another "
            "folder",
        )
    if not all(step in conversions for step in range(version, VERSION)):
        raise DataFolderError(
            path,
            f"a development version of this service wrote it (tables {version}, this version knows {VERSION}), which "
            "cannot be read; use another folder, or remove the file to begin with an empty history",
        )
    return True


def upgrade(connection: sqlite3.Connection, path: Path, conversions: Conversions = CONVERSIONS) -> None:
    """Copy the file, then convert its tables, inside a writing transaction of the caller.

    Does nothing where another process has converted it meanwhile. Raises `DataFolderError`; the caller rolls back.
    """
    if not needs_upgrade(connection, path, conversions):
        return
    version = version_of(connection)
    copy = backup_of(path, version)
    logger.warning("%s has tables %d: it is copied to %s, then brought to %d", path, version, copy.name, VERSION)
    try:
        copy_database(path, copy)
        for step in range(version, VERSION):
            conversions[step](connection)
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise sqlite3.IntegrityError("rows refer to rows that are not there")
    except (sqlite3.Error, OSError) as error:
        raise DataFolderError(
            path,
            f"its tables could not be brought from {version} to {VERSION} and stay as they were: {described(error)}",
        ) from error
    connection.execute(f"PRAGMA user_version = {VERSION}")


def backup_of(path: Path, version: int) -> Path:
    """The path of the copy that an upgrade leaves of tables of a version."""
    return path.with_name(f"{path.name}.v{version}.bak")


def copy_database(source: Path, target: Path) -> None:
    """Copy the database at one moment, whatever others write meanwhile, on disk when this returns. Blocks.

    VACUUM INTO takes the log in, leaves no log beside the copy, and works while another connection holds the lock of
    writers (sqlite.org/lang_vacuum.html). A target that is there is replaced in one step. Raises `sqlite3.Error` and
    `OSError`.
    """
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    make_private_file(draft)  # it may be there, if it is empty
    try:
        with closing(sqlite3.connect(source, isolation_level=None)) as connection:
            connection.execute("VACUUM INTO ?", (os.fspath(draft),))
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)
