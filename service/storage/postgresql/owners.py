"""Owners in PostgreSQL as wholes: all that is one's given to another name, and the use of each by month.

1. Within an owner everything has the order of its numbers, so that a history which is given away keeps its rows.
2. A job that begins changes the row of its owner in `totals`. `give` holds those of both owners from its beginning, so
   that none begins meanwhile.
3. The use stays with the name that had the pictures drawn, except that it goes along when a person is renamed.
"""

from typing import Final

from service.storage.owner_rows import renumbered, use_of
from service.storage.people import AtWorkError, Given, Holding, Use
from service.storage.postgresql.database import Connection

LOCK: Final = (
    "INSERT INTO totals (owner) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
    "SELECT FROM totals WHERE owner = ANY($1::text[]) ORDER BY owner FOR UPDATE",
)
SELECT_HOLDING: Final = """
    SELECT coalesce(max(newest), 0), coalesce(sum(working), 0)::bigint, coalesce(sum(done + failed), 0)::bigint,
        coalesce(sum(pictures), 0)::bigint,
        (SELECT count(*) FROM files WHERE owner = $1)
    FROM totals WHERE owner = $1
"""
SELECT_OWNERS: Final = """
    SELECT owner FROM totals WHERE newest > 0
    UNION SELECT owner FROM file_totals WHERE entries > 0 ORDER BY owner
"""
SELECT_ORIGINS: Final = """
    SELECT id, parameters FROM jobs WHERE owner = $1 AND parameters LIKE '%"references"%'
"""
SET_PARAMETERS: Final = "UPDATE jobs SET parameters = $1 WHERE id = $2"

MOVE: Final = (
    "UPDATE lineage SET owner = $2, parent = parent + $3 WHERE owner = $1",
    """
    INSERT INTO kept_jobs (owner, history_id) SELECT $2, history_id + $3 FROM kept_jobs WHERE owner = $1
    """,
    "UPDATE jobs SET owner = $2, history_id = history_id + $3 WHERE owner = $1",
    "UPDATE uploads SET owner = $2, history_id = history_id + $3 WHERE owner = $1",
)
"""Statements for the old owner, the new one, and the number that is added to each number."""

MOVE_COUNTS: Final = """
    UPDATE totals AS new SET newest = old.newest + $3, done = new.done + old.done, failed = new.failed + old.failed,
        pictures = new.pictures + old.pictures, picture_bytes = new.picture_bytes + old.picture_bytes,
        in_order = $4 AND old.in_order, latest = greatest(new.latest, old.latest)
    FROM totals AS old WHERE old.owner = $1 AND new.owner = $2
"""
JOIN: Final = (
    "UPDATE files SET owner = $2 WHERE owner = $1",
    """
    INSERT INTO file_totals AS new (owner, entries, bytes) SELECT $2, entries, bytes FROM file_totals WHERE owner = $1
    ON CONFLICT (owner) DO UPDATE SET entries = new.entries + excluded.entries, bytes = new.bytes + excluded.bytes
    """,
    "INSERT INTO imports (owner, digest) SELECT $2, digest FROM imports WHERE owner = $1 ON CONFLICT DO NOTHING",
    """
    INSERT INTO old_entries (owner, identity) SELECT $2, identity FROM old_entries WHERE owner = $1
    ON CONFLICT DO NOTHING
    """,
)
LEAVE: Final = (
    "UPDATE totals SET done = 0, failed = 0, pictures = 0, picture_bytes = 0 WHERE owner = $1",
    "UPDATE file_totals SET entries = 0, bytes = 0 WHERE owner = $1",
    "DELETE FROM kept_jobs WHERE owner = $1",
    "DELETE FROM imports WHERE owner = $1",
    "DELETE FROM old_entries WHERE owner = $1",
    "DELETE FROM tasks WHERE owner = $1",
)
"""Tasks belong to sessions of the old name, which are over. A folder that was imported for one is not imported again
for the other."""

RENAME: Final = (
    """
    INSERT INTO daily_use AS new (day, owner, pictures, received, failed, seconds)
    SELECT day, $2, pictures, received, failed, seconds FROM daily_use WHERE owner = $1
    ON CONFLICT (day, owner) DO UPDATE SET pictures = new.pictures + excluded.pictures,
        received = new.received + excluded.received, failed = new.failed + excluded.failed,
        seconds = new.seconds + excluded.seconds
    """,
    """
    INSERT INTO daily_costs AS new (day, owner, model, currency, cost, estimated)
    SELECT day, $2, model, currency, cost, estimated FROM daily_costs WHERE owner = $1
    ON CONFLICT (day, owner, model, currency) DO UPDATE SET cost = new.cost + excluded.cost,
        estimated = new.estimated + excluded.estimated
    """,
    """
    INSERT INTO pauses (owner, since, until) SELECT $2, since, until FROM pauses WHERE owner = $1
    ON CONFLICT (owner) DO UPDATE SET since = excluded.since, until = excluded.until
    """,
)
RENAMED: Final = (
    "DELETE FROM daily_use WHERE owner = $1",
    "DELETE FROM daily_costs WHERE owner = $1",
    "DELETE FROM pauses WHERE owner = $1",
)
FORGET_WAITING: Final = ("DELETE FROM uploads WHERE owner = $1", "DELETE FROM tasks WHERE owner = $1")

MONTH: Final = "to_char(to_timestamp(day * 86400) AT TIME ZONE 'UTC', 'YYYY-MM')"
SELECT_USE: Final = f"""
    SELECT {MONTH} AS month, owner, sum(received)::bigint, sum(failed)::bigint, sum(seconds)
    FROM daily_use WHERE $1 IN ('', {MONTH})
    GROUP BY month, owner ORDER BY month DESC, owner
"""  # noqa: S608 - an expression of our own
SELECT_COSTS: Final = f"""
    SELECT {MONTH} AS month, owner, currency, sum(cost), sum(estimated)
    FROM daily_costs WHERE $1 IN ('', {MONTH})
    GROUP BY month, owner, currency HAVING sum(cost) > 1e-9 ORDER BY currency
"""  # noqa: S608 - as above


async def holding(connection: Connection, owner: str) -> Holding:
    """Return all that an owner has."""
    row = await connection.fetchrow(SELECT_HOLDING, owner)
    assert row is not None  # noqa: S101 - sums without GROUP BY are one row
    newest, working, ended, pictures, files = row
    return Holding(newest=newest, working=working, ended=ended, pictures=pictures, files=files)


async def owners(connection: Connection) -> list[str]:
    """Return the names of all who have begun a job or kept a file; files of nobody have none."""
    return [owner for (owner,) in await connection.fetch(SELECT_OWNERS) if owner]


async def give(connection: Connection, old: str, new: str, *, rename: bool = False) -> Given:
    """Give all that one owner has to another, inside a transaction. With `rename` the use and the pause go along.

    Raises `AtWorkError` where any of it is at work: a replica that draws finds its job by owner and number.
    """
    for statement in LOCK:
        await connection.execute(statement, sorted((old, new)))
    had, has = await holding(connection, old), await holding(connection, new)
    if had.working:
        raise AtWorkError(old, had.working)
    if has.newest:
        await _renumber_origins(connection, old, has.newest)
    for statement in MOVE:
        await connection.execute(statement, old, new, has.newest)
    is_alone = not (has.ended or has.working)
    await connection.execute(MOVE_COUNTS, old, new, has.newest, is_alone)
    for statement in (*JOIN, *RENAME) if rename else JOIN:
        await connection.execute(statement, old, new)
    for statement in (*LEAVE, *RENAMED) if rename else LEAVE:
        await connection.execute(statement, old)
    return Given(entries=had.ended, pictures=had.pictures, added=has.newest)


async def _renumber_origins(connection: Connection, owner: str, added: int) -> None:
    """Bring the numbers up to date in the texts that say which pictures a job started from."""
    for id_, text in await connection.fetch(SELECT_ORIGINS, owner):
        await connection.execute(SET_PARAMETERS, renumbered(text, added), id_)


async def forget_waiting(connection: Connection, owner: str) -> None:
    """Remove the upload links and the tasks of an owner, whose files nothing waits for any more."""
    for statement in FORGET_WAITING:
        await connection.execute(statement, owner)


async def use_by_month(connection: Connection, month: str = "") -> list[Use]:
    """Return the use of all owners by month, newest first; with `month`, such as 2026-11, of that one alone."""
    rows, costs = await connection.fetch(SELECT_USE, month), await connection.fetch(SELECT_COSTS, month)
    return use_of(rows, costs)
