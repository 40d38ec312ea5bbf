"""What an owner has, as short lists, for what is offered beside the tools. In the writer's thread.

Each walks one index of the owner from its newest end, and stops when it has enough.
"""

import sqlite3
from typing import Final

from service.images import Job
from service.storage.sqlite_rows import LARGEST_INTEGER, jobs_of, within_range
from service.storage.sqlite_schema import transaction

SELECT_PICTURED: Final = """
    SELECT history_id FROM jobs WHERE owner = ? AND history_id <= ? AND EXISTS (
        SELECT 1 FROM pictures JOIN files USING (name) WHERE pictures.history_id = jobs.history_id
    )
    ORDER BY history_id DESC LIMIT ?
"""
SELECT_BEGINNING_IDS: Final = """
    SELECT history_id FROM jobs WHERE owner = ?1 AND substr(history_id, 1, length(?2)) = ?2
    ORDER BY history_id DESC LIMIT ?3
"""
SELECT_BEGINNING_NAMES: Final = """
    SELECT name FROM files WHERE owner = ?1 AND substr(name, 1, length(?2)) = ?2
    ORDER BY kept_at DESC, name DESC LIMIT ?3
"""
SELECT_FILE: Final = "SELECT 1 FROM files WHERE name = ? AND owner = ?"


def pictured(connection: sqlite3.Connection, owner: str, limit: int, before: int | None) -> list[Job]:
    """Jobs of which a picture is kept."""
    last = LARGEST_INTEGER if before is None else within_range(before - 1)
    with transaction(connection, "DEFERRED"):  # one moment for both queries: other processes write too
        ids = [row[0] for row in connection.execute(SELECT_PICTURED, (owner, last, within_range(limit)))]
        return jobs_of(connection, owner, ids)


def history_ids(connection: sqlite3.Connection, owner: str, beginning: str, limit: int) -> list[int]:
    """Ids that begin with these digits."""
    rows = connection.execute(SELECT_BEGINNING_IDS, (owner, beginning, within_range(limit)))
    return [history_id for (history_id,) in rows]


def file_names(connection: sqlite3.Connection, owner: str, beginning: str, limit: int) -> list[str]:
    """Names of files that begin so."""
    rows = connection.execute(SELECT_BEGINNING_NAMES, (owner, beginning, within_range(limit)))
    return [name for (name,) in rows]


def owns_file(connection: sqlite3.Connection, owner: str, name: str) -> bool:
    """Whether a file is kept for this owner."""
    return connection.execute(SELECT_FILE, (name, owner)).fetchone() is not None
