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
from collections.abc import Collection, Mapping
from typing import Final

from service.images import JobState
from service.settings import Limits
from service.storage.records.removal import NAMED_AT_ONCE, Kind, files_to_remove
from service.storage.store import FilesTotal, OwnedFile, still_made

AT_ONCE: Final = 200
"""Jobs that one transaction deletes: some twenty milliseconds, during which no other process writes."""

FORGET_UNOWNED: Final = "DELETE FROM files WHERE name = ? AND owner = '' AND owner <> ?"
INSERT_FILE: Final = """
    INSERT INTO files (name, owner, size, drawn, stored_at)
    SELECT new.name, owner, size, EXISTS (SELECT 1 FROM pictures WHERE pictures.name = new.name),
        max(new.stored_at, (SELECT coalesce(max(stored_at), 0) FROM files))
    FROM (SELECT ? AS name, ? AS owner, ? AS size, ? AS stored_at) AS new WHERE true
    ON CONFLICT (name) DO UPDATE SET stored_at = max(stored_at, excluded.stored_at), drawn = excluded.drawn
"""
"""A file is never older than one before it, also when the clock was set back: the oldest go first."""

SELECT_OWNER: Final = "SELECT owner FROM pictures JOIN jobs ON jobs.id = job_id WHERE name = ? LIMIT 1"
FIND_FILE: Final = "SELECT 1 FROM files WHERE name = ?"
SELECT_FILE_OWNER: Final = "SELECT owner FROM files WHERE name = ?"
ADD_DERIVED: Final = "UPDATE files SET derived = derived + ? WHERE name = ?"
FORGET_FILES: Final = "DELETE FROM files WHERE name IN (SELECT value FROM json_each(?))"
COUNT_ALL: Final = """
    SELECT coalesce(sum(entries), 0), coalesce(sum(bytes), 0), (SELECT min(stored_at) FROM files) FROM file_totals
"""
COUNT_OF_OWNER: Final = """
    SELECT coalesce(sum(entries), 0), coalesce(sum(bytes), 0), (SELECT min(stored_at) FROM files WHERE owner = ?)
    FROM file_totals WHERE owner = ?
"""
NEWEST_TIME: Final = "SELECT coalesce(max(stored_at), 0) FROM files"
ANSWERS: Final[Mapping[Kind, str]] = {
    Kind.TOO_OLD: """
        SELECT owner, name, size + derived FROM limited_files WHERE stored_at < :before ORDER BY stored_at, name
    """,
    Kind.HELD: """
        SELECT owner, entries - coalesce(old_entries, 0), bytes - coalesce(old_bytes, 0)
        FROM file_totals LEFT JOIN (
            SELECT owner, count(*) AS old_entries, sum(size + derived) AS old_bytes FROM files
            WHERE stored_at <> 0 AND name IN (SELECT name FROM old_files) GROUP BY owner
        ) USING (owner)
        WHERE entries > 0
    """,
    Kind.UNUSED: "SELECT owner, count(*), sum(size + derived) FROM unused_files GROUP BY owner",
    Kind.UNUSED_OF: "SELECT name, size + derived FROM unused_files WHERE owner = :owner ORDER BY stored_at, name",
    Kind.IDLE_OF: "SELECT name, size + derived FROM limited_files WHERE owner = :owner ORDER BY stored_at, name",
    Kind.NEWEST: "SELECT name FROM files ORDER BY stored_at DESC, name DESC LIMIT 1",
    Kind.NEWEST_OF: "SELECT name FROM files WHERE owner = :owner ORDER BY stored_at DESC, name DESC LIMIT 1",
}
"""The statements that answer the questions of a removal. Rows are read when they are wanted."""

BEYOND_NEWEST: Final = """
    SELECT name FROM idle_files WHERE owner = :owner AND (stored_at, name) <= (
        SELECT stored_at, name FROM files WHERE owner = :owner ORDER BY stored_at DESC, name DESC LIMIT 1 OFFSET :count
    )
    ORDER BY stored_at, name LIMIT :most
"""
FILES_AFTER: Final = "SELECT name FROM files WHERE name > ? ORDER BY name LIMIT ?"
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
SELECT_STATE: Final = "SELECT id, state FROM jobs WHERE owner = ? AND history_id = ?"
SELECT_NAMES: Final = "SELECT DISTINCT name FROM pictures WHERE job_id = ?"
DELETE_JOB: Final = "DELETE FROM jobs WHERE id = ?"
DELETE_ENDED: Final = """
    DELETE FROM jobs WHERE id IN (
        SELECT id FROM jobs WHERE owner = ? AND id <= ? AND state <> 'working' AND finished_at <= ? ORDER BY id LIMIT ?
    )
"""
NTH_NEWEST: Final = "SELECT id FROM jobs WHERE owner = ? ORDER BY id DESC LIMIT 1 OFFSET ?"


def add_file(connection: sqlite3.Connection, owner: str, name: str, size: int, now: float) -> bool:
    """Enter a stored file; true when it was not there. Without an owner it gets that of the pictures of its name."""
    was_there = connection.execute(FIND_FILE, (name,)).fetchone() is not None
    row = None if owner else connection.execute(SELECT_OWNER, (name,)).fetchone()
    owner = row[0] if row else owner
    connection.execute(FORGET_UNOWNED, (name, owner))
    connection.execute(INSERT_FILE, (name, owner, size, now))
    return not was_there


def add_derived(connection: sqlite3.Connection, name: str, size: int) -> None:
    """Count the bytes of a derivative with the file that it was made from."""
    connection.execute(ADD_DERIVED, (size, name))


def owner_of_file(connection: sqlite3.Connection, name: str) -> str | None:
    """The owner of a stored file; None where the index does not know it."""
    row = connection.execute(SELECT_FILE_OWNER, (name,)).fetchone()
    return None if row is None else row[0]


def newest_file(connection: sqlite3.Connection) -> float:
    """The time at which the newest file was stored."""
    newest: float = connection.execute(NEWEST_TIME).fetchone()[0]
    return newest


def forget_files(connection: sqlite3.Connection, names: Collection[str]) -> None:
    """Take removed files out of the index."""
    connection.execute(FORGET_FILES, (json.dumps(list(names)),))


def files_total(connection: sqlite3.Connection, owner: str | None) -> FilesTotal:
    """Count the files of an owner, or with None those of everybody."""
    query, values = (COUNT_ALL, ()) if owner is None else (COUNT_OF_OWNER, (owner, owner))
    entries, size, oldest = connection.execute(query, values).fetchone()
    return FilesTotal(entries=entries, bytes=size, oldest=oldest)


def files_beyond_newest(connection: sqlite3.Connection, owner: str, count: int) -> list[str]:
    """The oldest files of an owner behind the `count` newest, without those that a working job refers to."""
    values = {"owner": owner, "count": count, "most": NAMED_AT_ONCE}
    return [name for (name,) in connection.execute(BEYOND_NEWEST, values)]


def files_after(connection: sqlite3.Connection, name: str, limit: int) -> list[str]:
    """The first files behind a name."""
    return [each for (each,) in connection.execute(FILES_AFTER, (name, limit))]


def files_over_limits(
    connection: sqlite3.Connection, limits: Limits, before: float, spare: Collection[str]
) -> list[OwnedFile]:
    """Name the files to remove: the too old ones, then those for which an owner, or all together, have no room."""
    choice = files_to_remove(limits, before, spare)
    question = next(choice)
    while True:
        values = {"owner": question.owner, "before": question.before, "most": question.most}
        try:
            question = choice.send(connection.execute(ANSWERS[question.kind], values))
        except StopIteration as chosen:
            named: list[OwnedFile] = chosen.value
            return named


def unused_files(connection: sqlite3.Connection, owner: str, names: Collection[str] | None = None) -> list[str]:
    """The files of an owner, or those of them with these names, that nothing uses; they are the first to go now."""
    if names is None:
        rows = connection.execute(SELECT_FILES, (owner,))
    else:
        rows = connection.execute(SELECT_SOME_FILES, (owner, json.dumps(list(names))))
    return age_unused(connection, owner, [name for (name,) in rows])


def delete_job(connection: sqlite3.Connection, owner: str, history_id: int) -> list[str] | None:
    """Delete one job that has ended; returns the names of its files that nothing uses now, or None without a job."""
    row = connection.execute(SELECT_STATE, (owner, history_id)).fetchone()
    if row is None:
        return None
    id_, state = row
    if state == JobState.WORKING:
        raise still_made(history_id)
    names = [name for (name,) in connection.execute(SELECT_NAMES, (id_,))]
    connection.execute(DELETE_JOB, (id_,))
    return age_unused(connection, owner, names)


def id_after_newest(connection: sqlite3.Connection, owner: str, count: int) -> int:
    """The row of the first job that is not among so many newest of the owner, or 0."""
    row = connection.execute(NTH_NEWEST, (owner, count)).fetchone()
    return row[0] if row else 0


def delete_some_jobs(connection: sqlite3.Connection, owner: str, last: int, ended_by: float) -> bool:
    """Delete `AT_ONCE` of the jobs up to the row `last` that had ended by a time; true when there may be more."""
    return connection.execute(DELETE_ENDED, (owner, last, ended_by, AT_ONCE)).rowcount == AT_ONCE


def age_unused(connection: sqlite3.Connection, owner: str, names: Collection[str]) -> list[str]:
    """Make those of an owner's files that nothing uses the oldest of all, and return their names."""
    unused = [name for (name,) in connection.execute(SELECT_UNUSED, (json.dumps(list(names)), owner))]
    connection.execute(AGE_FILES, (json.dumps(unused),))
    return unused
