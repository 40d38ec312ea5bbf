"""The index of files in the SQLite store: which bytes are kept, for whom, since when. In the writer's thread.

A name belongs to one owner: it is keyed by owner and bytes. So a file is the same for every picture, reference and
upload of that name, and whoever keeps it again makes it new.
"""

import json
import sqlite3
from collections.abc import Collection
from typing import Final

from service.images import Parent
from service.storage.sqlite_schema import transaction
from service.storage.store import FilesTotal

ENTER_FILE: Final = """
    INSERT INTO files (name, owner, size, kept_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET kept_at = max(kept_at, excluded.kept_at)
"""
FORGET_NOBODYS: Final = "DELETE FROM files WHERE name = ? AND owner = '' AND owner <> ?"
SELECT_OWNER: Final = "SELECT owner FROM pictures JOIN jobs USING (history_id) WHERE name = ? LIMIT 1"
FORGET_FILES: Final = "DELETE FROM files WHERE name IN (SELECT value FROM json_each(?))"
PICTURE_OF: Final = """
    SELECT history_id, position FROM pictures JOIN jobs USING (history_id) WHERE name = ? AND owner = ?
    ORDER BY history_id DESC, position LIMIT 1
"""
COUNT_ALL: Final = """
    SELECT coalesce(sum(entries), 0), coalesce(sum(bytes), 0), (SELECT min(kept_at) FROM files) FROM file_totals
"""
COUNT_OF_OWNER: Final = """
    SELECT coalesce(sum(entries), 0), coalesce(sum(bytes), 0), (SELECT min(kept_at) FROM files WHERE owner = ?1)
    FROM file_totals WHERE owner = ?1
"""
OLDEST_FIRST: Final = """
    SELECT name, size, kept_at, EXISTS (SELECT 1 FROM working_files WHERE working_files.name = files.name) FROM files
    {of_whom} ORDER BY kept_at, name
"""
OLDEST_OF_ALL: Final = OLDEST_FIRST.format(of_whom="")
OLDEST_OF_OWNER: Final = OLDEST_FIRST.format(of_whom="WHERE owner = ?")


def enter(connection: sqlite3.Connection, owner: str, name: str, size: int, now: float) -> None:
    """Put a file in, inside a transaction of the caller. What was nobody's is now this owner's."""
    connection.execute(FORGET_NOBODYS, (name, owner))
    connection.execute(ENTER_FILE, (name, owner, size, now))


def kept(connection: sqlite3.Connection, owner: str, name: str, size: int, now: float) -> None:
    """Put a file in that no picture uses yet; one of nobody is its pictures' owner's, if there are any."""
    with transaction(connection, "IMMEDIATE"):
        row = None if owner else connection.execute(SELECT_OWNER, (name,)).fetchone()
        enter(connection, row[0] if row else owner, name, size, now)


def gone(connection: sqlite3.Connection, names: Collection[str]) -> None:
    """Take files out; with that their pictures are kept no longer."""
    with transaction(connection, "IMMEDIATE"):
        connection.execute(FORGET_FILES, (json.dumps(list(names)),))


def picture_of(connection: sqlite3.Connection, owner: str, name: str) -> Parent | None:
    """The newest picture of this name; positions count from 0 in the table, and from 1 for people."""
    row = connection.execute(PICTURE_OF, (name, owner)).fetchone()
    return None if row is None else Parent(history_id=row[0], picture=row[1] + 1)


def total(connection: sqlite3.Connection, owner: str | None) -> FilesTotal:
    """Count those of an owner, or all."""
    query, of_whom = (COUNT_ALL, ()) if owner is None else (COUNT_OF_OWNER, (owner,))
    entries, size, oldest = connection.execute(query, of_whom).fetchone()
    return FilesTotal(entries=entries, bytes=size, oldest=oldest)


def beyond(
    connection: sqlite3.Connection, limits: tuple[int, int], before: float, owner: str | None, spare: Collection[str]
) -> list[str]:
    """Name the oldest files until what is left is within both limits, entries and bytes, and as new as `before`."""
    most_entries, most_bytes = limits
    query, of_whom = (OLDEST_OF_ALL, ()) if owner is None else (OLDEST_OF_OWNER, (owner,))
    spared = set(spare)
    named: list[str] = []
    with transaction(connection, "DEFERRED"):  # one moment for the sums and the files
        left = total(connection, owner)
        entries, size = left.entries, left.bytes
        newest_too = most_entries <= 0 or most_bytes <= 0
        rows = connection.execute(query, of_whom)
        for place, (name, file_size, kept_at, at_work) in enumerate(rows, start=1):
            too_much = (entries > most_entries or size > most_bytes) and (place < left.entries or newest_too)
            if not too_much and kept_at >= before:
                break
            if at_work or name in spared:
                continue
            named.append(name)
            entries, size = entries - 1, size - file_size
    return named
