"""Deleting jobs from the SQLite store, and what of their files nothing uses then. In the writer's thread.

1. A file is used by a picture of a job that is left, by a job that works, and by an upload that nobody has used yet.
2. Pictures, words, lineage and counts go with a job by triggers. The lineage of its children stays: they say which
   number they came from, though it is gone.
3. `clear` deletes so many at a time: each takes a tenth of a millisecond, and others write too.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from service.images import JobState, WorkError
from service.storage.sqlite_schema import transaction

AT_ONCE: Final = 200
"""Jobs that one transaction deletes: some twenty milliseconds, during which nobody else writes."""

SELECT_STATE: Final = "SELECT state FROM jobs WHERE owner = ? AND history_id = ?"
SELECT_NAMES: Final = "SELECT DISTINCT name FROM pictures WHERE history_id = ?"
DELETE_JOB: Final = "DELETE FROM jobs WHERE owner = ? AND history_id = ?"
DELETE_ENDED: Final = """
    DELETE FROM jobs WHERE history_id IN (
        SELECT history_id FROM jobs
        WHERE owner = ? AND history_id <= ? AND state <> 'working' AND finished_at <= ? ORDER BY history_id LIMIT ?
    )
"""
NEWEST_ID: Final = """
    SELECT coalesce((SELECT history_id FROM jobs WHERE owner = ? ORDER BY history_id DESC LIMIT 1 OFFSET ?), 0)
"""
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
AGE_FILES: Final = "UPDATE files SET kept_at = 0 WHERE name IN (SELECT value FROM json_each(?))"


def delete(connection: sqlite3.Connection, owner: str, history_id: int) -> list[str] | None:
    """Delete one job that has ended; the names of its files that nothing uses now."""
    with transaction(connection, "IMMEDIATE"):
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
        return _unused(connection, owner, names)


def newest_id(connection: sqlite3.Connection, owner: str, keep: int) -> int:
    """Up to which id `clear_some` may go: so many newer ones stay, and what is begun from now on."""
    newest: int = connection.execute(NEWEST_ID, (owner, keep)).fetchone()[0]
    return newest


def clear_some(connection: sqlite3.Connection, owner: str, newest: int, ended_by: float) -> bool:
    """Delete some of the jobs that had ended by then; whether there may be more of them."""
    with transaction(connection, "IMMEDIATE"):
        return connection.execute(DELETE_ENDED, (owner, newest, ended_by, AT_ONCE)).rowcount == AT_ONCE


def unused_files(connection: sqlite3.Connection, owner: str) -> list[str]:
    """The names of this owner's files that nothing uses."""
    with transaction(connection, "IMMEDIATE"):
        names = [name for (name,) in connection.execute(SELECT_FILES, (owner,))]
        return _unused(connection, owner, names)


def unused_of(connection: sqlite3.Connection, owner: str, names: Sequence[str]) -> list[str]:
    """The same of some files."""
    with transaction(connection, "IMMEDIATE"):
        own = [name for (name,) in connection.execute(SELECT_SOME_FILES, (owner, json.dumps(names)))]
        return _unused(connection, owner, own)


def _unused(connection: sqlite3.Connection, owner: str, names: Sequence[str]) -> list[str]:
    """Those that nothing uses; they are the first to go from now on."""
    unused = [name for (name,) in connection.execute(SELECT_UNUSED, (json.dumps(names), owner))]
    connection.execute(AGE_FILES, (json.dumps(unused),))
    return unused
