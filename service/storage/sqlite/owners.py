"""Owners in the SQLite file as wholes: all that is one's given to another name, and the use of each by month.

1. Rows and numbers of a history have one order (`queries`). A history that is given to an owner who has one goes
   behind it: its rows move behind all rows, and its numbers behind the newest number of that owner.
2. No number is given twice: the counter of the name that gave stays, as that of the name that got goes on.
3. The use stays with the name that had the pictures drawn, except that it goes along when a person is renamed.

Each function runs inside one transaction of `Database`.
"""

import sqlite3
from typing import Final

from service.storage.owner_rows import renumbered, use_of
from service.storage.people import AtWorkError, Given, Holding, Use

SELECT_HOLDING: Final = """
    SELECT coalesce(max(newest), 0), coalesce(sum(working), 0), coalesce(sum(done + failed), 0),
        coalesce(sum(pictures), 0),
        (SELECT count(*) FROM files WHERE owner = ?)
    FROM totals WHERE owner = ?
"""
SELECT_OWNERS: Final = "SELECT owner FROM totals UNION SELECT owner FROM file_totals WHERE entries > 0 ORDER BY owner"
SELECT_LAST_ROW: Final = "SELECT coalesce(max(id), 0) FROM jobs"
SELECT_ORIGINS: Final = """
    SELECT id, parameters FROM jobs WHERE owner = ? AND json_type(parameters, '$.references') = 'array'
"""
SET_PARAMETERS: Final = "UPDATE jobs SET parameters = ? WHERE id = ?"
MOVE: Final = (
    "UPDATE pictures SET job_id = job_id + :rows WHERE job_id IN (SELECT id FROM jobs WHERE owner = :old)",
    """
    UPDATE prompts SET rowid = rowid + :rows WHERE :rows AND rowid IN (SELECT id FROM jobs WHERE owner = :old)
    """,
    "UPDATE lineage SET job_id = job_id + :rows, owner = :new, parent = parent + :numbers WHERE owner = :old",
    "UPDATE jobs SET id = id + :rows, owner = :new, history_id = history_id + :numbers WHERE owner = :old",
    """
    INSERT INTO totals (owner, newest, latest, in_order, done, failed, pictures, picture_bytes)
    SELECT :new, newest + :numbers, latest, in_order, done, failed, pictures, picture_bytes
    FROM totals WHERE owner = :old
    ON CONFLICT (owner) DO UPDATE SET newest = excluded.newest, done = done + excluded.done,
        failed = failed + excluded.failed, pictures = pictures + excluded.pictures,
        picture_bytes = picture_bytes + excluded.picture_bytes,
        in_order = :rows = 0 AND excluded.in_order, latest = max(latest, excluded.latest)
    """,
    "UPDATE totals SET done = 0, failed = 0, pictures = 0, picture_bytes = 0 WHERE owner = :old",
    "INSERT INTO kept_jobs (owner, job_id) SELECT :new, job_id + :rows FROM kept_jobs WHERE owner = :old",
    "DELETE FROM kept_jobs WHERE owner = :old",
    "UPDATE files SET owner = :new WHERE owner = :old",
    """
    INSERT INTO file_totals (owner, entries, bytes) SELECT :new, entries, bytes FROM file_totals WHERE owner = :old
    ON CONFLICT (owner) DO UPDATE SET entries = entries + excluded.entries, bytes = bytes + excluded.bytes
    """,
    "UPDATE file_totals SET entries = 0, bytes = 0 WHERE owner = :old",
    "UPDATE uploads SET owner = :new, history_id = history_id + :numbers WHERE owner = :old",
    "DELETE FROM tasks WHERE owner = :old",
    "UPDATE OR REPLACE imports SET owner = :new WHERE owner = :old",
    "UPDATE OR REPLACE old_entries SET owner = :new WHERE owner = :old",
)
"""Children before the jobs that they refer to by row. Tasks belong to sessions of the old name, which are over.
A folder that was imported for one is not imported again for the other."""

RENAME: Final = (
    """
    INSERT INTO daily_use (day, owner, pictures, received, failed, seconds)
    SELECT day, :new, pictures, received, failed, seconds FROM daily_use WHERE owner = :old
    ON CONFLICT (day, owner) DO UPDATE SET pictures = pictures + excluded.pictures,
        received = received + excluded.received, failed = failed + excluded.failed, seconds = seconds + excluded.seconds
    """,
    "DELETE FROM daily_use WHERE owner = :old",
    """
    INSERT INTO daily_costs (day, owner, model, currency, cost, estimated)
    SELECT day, :new, model, currency, cost, estimated FROM daily_costs WHERE owner = :old
    ON CONFLICT (day, owner, model, currency) DO UPDATE SET cost = cost + excluded.cost,
        estimated = estimated + excluded.estimated
    """,
    "DELETE FROM daily_costs WHERE owner = :old",
    "UPDATE OR REPLACE pauses SET owner = :new WHERE owner = :old",
)
FORGET_WAITING: Final = ("DELETE FROM uploads WHERE owner = ?", "DELETE FROM tasks WHERE owner = ?")
SELECT_USE: Final = """
    SELECT strftime('%Y-%m', day * 86400, 'unixepoch') AS month, owner, sum(received), sum(failed), sum(seconds)
    FROM daily_use WHERE ? IN ('', strftime('%Y-%m', day * 86400, 'unixepoch'))
    GROUP BY month, owner ORDER BY month DESC, owner
"""


SELECT_COSTS_OF_MONTHS: Final = """
    SELECT strftime('%Y-%m', day * 86400, 'unixepoch') AS month, owner, currency, sum(cost), sum(estimated)
    FROM daily_costs WHERE ? IN ('', strftime('%Y-%m', day * 86400, 'unixepoch'))
    GROUP BY month, owner, currency HAVING sum(cost) > 1e-9 ORDER BY currency
"""


def holding(connection: sqlite3.Connection, owner: str) -> Holding:
    """Return all that an owner has."""
    newest, working, ended, pictures, files = connection.execute(SELECT_HOLDING, (owner, owner)).fetchone()
    return Holding(newest=newest, working=working, ended=ended, pictures=pictures, files=files)


def owners(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all who have begun a job or kept a file; files of nobody have none."""
    return [owner for (owner,) in connection.execute(SELECT_OWNERS) if owner]


def give(connection: sqlite3.Connection, old: str, new: str, *, rename: bool = False) -> Given:
    """Give all that one owner has to another. With `rename` the use and the pause go along.

    Raises `AtWorkError` where any of it is at work: a process that draws finds its job by owner and number.
    """
    had, has = holding(connection, old), holding(connection, new)
    if had.working:
        raise AtWorkError(old, had.working)
    # Behind an empty history nothing needs to move.
    rows = connection.execute(SELECT_LAST_ROW).fetchone()[0] if has.ended or has.working else 0
    values = {"old": old, "new": new, "rows": rows, "numbers": has.newest}
    connection.execute("PRAGMA defer_foreign_keys = ON")  # until the end of the transaction
    if has.newest:
        _renumber_origins(connection, old, has.newest)
    for statement in (*MOVE, *RENAME) if rename else MOVE:
        connection.execute(statement, values)
    return Given(entries=had.ended, pictures=had.pictures, added=has.newest)


def _renumber_origins(connection: sqlite3.Connection, owner: str, added: int) -> None:
    """Bring the numbers up to date in the texts that say which pictures a job started from."""
    for id_, text in connection.execute(SELECT_ORIGINS, (owner,)).fetchall():
        connection.execute(SET_PARAMETERS, (renumbered(text, added), id_))


def forget_waiting(connection: sqlite3.Connection, owner: str) -> None:
    """Remove the upload links and the tasks of an owner, whose files nothing waits for any more."""
    for statement in FORGET_WAITING:
        connection.execute(statement, (owner,))


def use_by_month(connection: sqlite3.Connection, month: str = "") -> list[Use]:
    """Return the use of all owners by month, newest first; with `month`, such as 2026-11, of that one alone."""
    return use_of(connection.execute(SELECT_USE, (month,)), connection.execute(SELECT_COSTS_OF_MONTHS, (month,)))
