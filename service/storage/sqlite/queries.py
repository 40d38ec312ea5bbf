"""Short lists, counts and single facts of an owner's history. All only read.

Every list walks an index from its newest end, so that nothing is sorted, and stops when it has enough.

Each function runs inside one transaction of `Database`.
"""

import re
import sqlite3
from typing import Final

from service.images import Job, Parent
from service.storage.sqlite.database import LARGEST_INTEGER, within_range
from service.storage.sqlite.files import files_total
from service.storage.sqlite.rows import found_jobs
from service.storage.store import FilesTotal, Totals

SELECT_TOTALS: Final = "SELECT working, done, failed, pictures, picture_bytes FROM totals WHERE owner = ?"
SELECT_CHILDREN: Final = """
    SELECT history_id, picture FROM lineage JOIN jobs ON jobs.id = job_id
    WHERE parent = ? AND lineage.owner = ? ORDER BY job_id, position
"""
SELECT_WITH_PICTURES: Final = """
    SELECT job_id AS id FROM kept_jobs
    WHERE owner = ? AND job_id <= (
        SELECT id FROM jobs WHERE owner = ? AND history_id <= ? ORDER BY history_id DESC LIMIT 1
    )
    ORDER BY job_id DESC LIMIT ?
"""
SELECT_IDS_BETWEEN: Final = """
    SELECT history_id FROM jobs WHERE owner = ? AND history_id BETWEEN ? AND ? ORDER BY history_id DESC LIMIT ?
"""
MOST_DIGITS: Final = len(str(LARGEST_INTEGER))
SELECT_NEWEST_NAMES: Final = """
    SELECT name FROM files WHERE owner = ? AND instr(name, ?) = 1
    ORDER BY stored_at DESC, name DESC LIMIT ?
"""
SELECT_NAMES_BETWEEN: Final = """
    SELECT name FROM files WHERE +owner = ? AND name >= ? AND name < ?
    ORDER BY stored_at DESC, name DESC LIMIT ?
"""
"""The plus keeps SQLite from the index of owners, which has the names by age."""

AFTER_EVERY_NAME: Final = "\U0010ffff"
SELECT_FILE: Final = "SELECT 1 FROM files WHERE name = ? AND owner = ?"
SELECT_PICTURE: Final = """
    SELECT history_id, position FROM pictures JOIN jobs ON jobs.id = job_id WHERE name = ? AND owner = ?
    ORDER BY job_id DESC, position LIMIT 1
"""


def children(connection: sqlite3.Connection, owner: str, history_id: int) -> list[tuple[int, int]]:
    """Jobs that started from a picture of this one, and the number of that picture."""
    return connection.execute(SELECT_CHILDREN, (history_id, owner)).fetchall()


def totals(connection: sqlite3.Connection, owner: str) -> Totals:
    """Jobs by state, and their pictures."""
    row = connection.execute(SELECT_TOTALS, (owner,)).fetchone() or (0, 0, 0, 0, 0)
    working, done, failed, pictures, picture_bytes = row
    return Totals(working=working, done=done, failed=failed, pictures=pictures, picture_bytes=picture_bytes)


def counts(connection: sqlite3.Connection, owner: str) -> tuple[Totals, FilesTotal]:
    """Jobs and files at one moment."""
    return totals(connection, owner), files_total(connection, owner)


def jobs_with_pictures(connection: sqlite3.Connection, owner: str, limit: int, before: int | None) -> list[Job]:
    """Jobs of which a picture's file is stored."""
    last = LARGEST_INTEGER if before is None else within_range(before - 1)
    return found_jobs(connection, owner, SELECT_WITH_PICTURES, (owner, owner, last, within_range(limit)))


def history_ids(connection: sqlite3.Connection, owner: str, beginning: str, limit: int) -> list[int]:
    """Ids that begin with these digits: 12, 120 to 129, 1200 to 1299, and so on are stretches of an index."""
    if not beginning:
        return _ids_between(connection, owner, (1, LARGEST_INTEGER), limit)
    if not re.fullmatch("[1-9][0-9]*", beginning):
        return []
    found: list[int] = []
    for more in range(MOST_DIGITS - len(beginning), -1, -1):
        first, last = int(beginning + "0" * more), int(beginning + "9" * more)
        if first <= LARGEST_INTEGER and len(found) < limit:
            found += _ids_between(connection, owner, (first, min(last, LARGEST_INTEGER)), limit - len(found))
    return found


def _ids_between(connection: sqlite3.Connection, owner: str, ends: tuple[int, int], limit: int) -> list[int]:
    rows = connection.execute(SELECT_IDS_BETWEEN, (owner, *ends, within_range(limit)))
    return [history_id for (history_id,) in rows]


def file_names(connection: sqlite3.Connection, owner: str, beginning: str, limit: int) -> list[str]:
    """Names of stored files that begin so. A sixteenth of all names has the same first character, and few more."""
    if len(beginning) < 2:
        rows = connection.execute(SELECT_NEWEST_NAMES, (owner, beginning, within_range(limit)))
    else:
        ends = (beginning, beginning + AFTER_EVERY_NAME)
        rows = connection.execute(SELECT_NAMES_BETWEEN, (owner, *ends, within_range(limit)))
    return [name for (name,) in rows]


def owns_file(connection: sqlite3.Connection, owner: str, name: str) -> bool:
    """True for a stored file of this owner."""
    return connection.execute(SELECT_FILE, (name, owner)).fetchone() is not None


def picture_of(connection: sqlite3.Connection, owner: str, name: str) -> Parent | None:
    """The newest picture of this name; positions count from 0 in the table, and from 1 for people."""
    row = connection.execute(SELECT_PICTURE, (name, owner)).fetchone()
    return None if row is None else Parent(history_id=row[0], picture=row[1] + 1)
