"""The index of stored files in the SQLite file: their owners, sizes and ages, and which of them nothing uses.

1. A name belongs to one owner, since it is keyed by owner and bytes: one row serves every picture, reference and upload
   of that name. Storing the file again makes it new.
2. A file is used by a picture of a job, by a job that works, and by an upload that no job has used yet.
3. Triggers delete pictures, words, lineage and counts of a job with it. The lineage of its children stays: they say
   which number they came from, though it is gone.

Each function runs inside one transaction of `Database`.
"""

import json
import sqlite3
from collections.abc import Collection
from typing import Final

from service.images import JobState, WorkError
from service.storage.store import FilesTotal

AT_ONCE: Final = 200
"""Jobs that one transaction deletes: some twenty milliseconds, during which no other process writes."""

FORGET_UNOWNED: Final = "DELETE FROM files WHERE name = ? AND owner = '' AND owner <> ?"
INSERT_FILE: Final = """
    INSERT INTO files (name, owner, size, stored_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET stored_at = max(stored_at, excluded.stored_at)
"""
SELECT_OWNER: Final = "SELECT owner FROM pictures JOIN jobs USING (history_id) WHERE name = ? LIMIT 1"
FORGET_FILES: Final = "DELETE FROM files WHERE name IN (SELECT value FROM json_each(?))"
COUNT_ALL: Final = """
    SELECT coalesce(sum(entries), 0), coalesce(sum(bytes), 0), (SELECT min(stored_at) FROM files) FROM file_totals
"""
COUNT_OF_OWNER: Final = """
    SELECT coalesce(sum(entries), 0), coalesce(sum(bytes), 0), (SELECT min(stored_at) FROM files WHERE owner = ?1)
    FROM file_totals WHERE owner = ?1
"""
OLDEST_FIRST: Final = """
    SELECT name, size, stored_at, EXISTS (SELECT 1 FROM working_files WHERE working_files.name = files.name) FROM files
    {of_whom} ORDER BY stored_at, name
"""
OLDEST_OF_ALL: Final = OLDEST_FIRST.format(of_whom="")
OLDEST_OF_OWNER: Final = OLDEST_FIRST.format(of_whom="WHERE owner = ?")
SELECT_FILES: Final = "SELECT name FROM files WHERE owner = ? ORDER BY name"
SELECT_SOME_FILES: Final = "SELECT name FROM files WHERE owner = ? AND name IN (SELECT value FROM json_each(?))"
SELECT_UNUSED: Final = """
    SELECT candidate.value FROM json_each(?) AS candidate
    WHERE NOT EXISTS (SELECT 1 FROM pictures WHERE name = candidate.value)
        AND NOT EXISTS (SELECT 1 FROM working_files WHERE name = candidate.value)
        AND candidate.value NOT IN (
            SELECT uploaded.value FROM uploads, json_each(nullif(uploads.names, '')) AS uploaded
            WHERE uploads.owner = ? AND uploads.used_at IS NULL
        )
"""
AGE_FILES: Final = "UPDATE files SET stored_at = 0 WHERE name IN (SELECT value FROM json_each(?))"
SELECT_STATE: Final = "SELECT state FROM jobs WHERE owner = ? AND history_id = ?"
SELECT_NAMES: Final = "SELECT DISTINCT name FROM pictures WHERE history_id = ?"
DELETE_JOB: Final = "DELETE FROM jobs WHERE owner = ? AND history_id = ?"
DELETE_ENDED: Final = """
    DELETE FROM jobs WHERE history_id IN (
        SELECT history_id FROM jobs
        WHERE owner = ? AND history_id <= ? AND state <> 'working' AND finished_at <= ? ORDER BY history_id LIMIT ?
    )
"""
NTH_NEWEST: Final = "SELECT history_id FROM jobs WHERE owner = ? ORDER BY history_id DESC LIMIT 1 OFFSET ?"


def add_file(connection: sqlite3.Connection, owner: str, name: str, size: int, now: float) -> None:
    """Enter a stored file. Without an owner it gets that of the pictures of its name, if there are any."""
    row = None if owner else connection.execute(SELECT_OWNER, (name,)).fetchone()
    owner = row[0] if row else owner
    connection.execute(FORGET_UNOWNED, (name, owner))
    connection.execute(INSERT_FILE, (name, owner, size, now))


def forget_files(connection: sqlite3.Connection, names: Collection[str]) -> None:
    """Take removed files out of the index."""
    connection.execute(FORGET_FILES, (json.dumps(list(names)),))


def files_total(connection: sqlite3.Connection, owner: str | None) -> FilesTotal:
    """Count the files of an owner, or with None those of everybody."""
    query, values = (COUNT_ALL, ()) if owner is None else (COUNT_OF_OWNER, (owner,))
    entries, size, oldest = connection.execute(query, values).fetchone()
    return FilesTotal(entries=entries, bytes=size, oldest=oldest)


def files_over_limits(
    connection: sqlite3.Connection, limits: tuple[int, int], before: float, owner: str | None, spare: Collection[str]
) -> list[str]:
    """Name the oldest files, until the rest is within both limits (entries, bytes) and as new as `before`."""
    most_entries, most_bytes = limits
    query, values = (OLDEST_OF_ALL, ()) if owner is None else (OLDEST_OF_OWNER, (owner,))
    total = files_total(connection, owner)
    entries, size = total.entries, total.bytes
    newest_too = most_entries <= 0 or most_bytes <= 0
    named: list[str] = []
    for place, (name, file_size, stored_at, at_work) in enumerate(connection.execute(query, values), start=1):
        too_much = (entries > most_entries or size > most_bytes) and (place < total.entries or newest_too)
        if not too_much and stored_at >= before:
            break
        if at_work or name in spare:
            continue
        named.append(name)
        entries, size = entries - 1, size - file_size
    return named


def unused_files(connection: sqlite3.Connection, owner: str, names: Collection[str] | None = None) -> list[str]:
    """The files of an owner, or those of them with these names, that nothing uses; they are the first to go now."""
    if names is None:
        rows = connection.execute(SELECT_FILES, (owner,))
    else:
        rows = connection.execute(SELECT_SOME_FILES, (owner, json.dumps(list(names))))
    return _age_unused(connection, owner, [name for (name,) in rows])


def delete_job(connection: sqlite3.Connection, owner: str, history_id: int) -> list[str] | None:
    """Delete one job that has ended; returns the names of its files that nothing uses now, or None without a job."""
    row = connection.execute(SELECT_STATE, (owner, history_id)).fetchone()
    if row is None:
        return None
    if row[0] == JobState.WORKING:
        raise WorkError(
            f"history_id {history_id} is still being made and cannot be deleted. Call `history` with it to wait "
            "for its end, then delete it.",
            kind="working",
        )
    names = [name for (name,) in connection.execute(SELECT_NAMES, (history_id,))]
    connection.execute(DELETE_JOB, (owner, history_id))
    return _age_unused(connection, owner, names)


def id_after_newest(connection: sqlite3.Connection, owner: str, count: int) -> int:
    """The id of the first job that is not among so many newest of the owner, or 0."""
    row = connection.execute(NTH_NEWEST, (owner, count)).fetchone()
    return row[0] if row else 0


def delete_some_jobs(connection: sqlite3.Connection, owner: str, last: int, ended_by: float) -> bool:
    """Delete `AT_ONCE` of the jobs up to the id `last` that had ended by a time; true when there may be more."""
    return connection.execute(DELETE_ENDED, (owner, last, ended_by, AT_ONCE)).rowcount == AT_ONCE


def _age_unused(connection: sqlite3.Connection, owner: str, names: Collection[str]) -> list[str]:
    unused = [name for (name,) in connection.execute(SELECT_UNUSED, (json.dumps(list(names)), owner))]
    connection.execute(AGE_FILES, (json.dumps(unused),))
    return unused
