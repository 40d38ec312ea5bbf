"""Short lists, counts and single facts of an owner's history. All only read, each in one statement."""

import re
from typing import Final

from service.images import Job, Parent
from service.storage.postgresql.database import Connection, first_row
from service.storage.postgresql.files import COUNT_OF_OWNER
from service.storage.postgresql.jobs import read
from service.storage.postgresql.kept_reads import Found
from service.storage.postgresql.values import LARGEST_INTEGER, loaded, within_range
from service.storage.store import FilesTotal, Totals

SELECT_TOTALS: Final = "SELECT working, done, failed, pictures, picture_bytes FROM totals WHERE owner = $1"
SELECT_COUNTS: Final = f"""
    SELECT coalesce(working, 0), coalesce(done, 0), coalesce(failed, 0), coalesce(pictures, 0),
        coalesce(picture_bytes, 0), files.*, version_of($1)
    FROM ({COUNT_OF_OWNER}) AS files LEFT JOIN totals ON totals.owner = $1
"""  # noqa: S608 - our own statement
SELECT_CHILDREN: Final = """
    SELECT history_id, picture FROM lineage JOIN jobs ON jobs.id = job_id
    WHERE parent = $2 AND lineage.owner = $1 ORDER BY history_id, position
"""
SELECT_WITH_PICTURES: Final = """
    SELECT job FROM (
        SELECT owner, history_id FROM kept_jobs WHERE owner = $1 AND history_id <= $2 ORDER BY history_id DESC LIMIT $3
    ) AS kept JOIN job_values USING (owner, history_id) ORDER BY history_id DESC
"""
"""Found before they are read: joined first, all newer jobs would be gone through."""

SELECT_BEGINNING: Final = """
    SELECT history_id FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS stretch (first, last, place)
    CROSS JOIN LATERAL (
        SELECT history_id FROM jobs WHERE owner = $1 AND history_id BETWEEN first AND last
        ORDER BY history_id DESC LIMIT $4
    ) AS found
    ORDER BY place, history_id DESC LIMIT $4
"""
MOST_DIGITS: Final = len(str(LARGEST_INTEGER))
SELECT_NEWEST_NAMES: Final = """
    SELECT name FROM files WHERE owner = $1 AND starts_with(name, $2) ORDER BY stored_at DESC, name DESC LIMIT $3
"""
SELECT_NAMES_BETWEEN: Final = """
    SELECT name FROM (SELECT * FROM files WHERE name >= $2 AND name < $3 OFFSET 0) AS named
    WHERE owner = $1 ORDER BY stored_at DESC, name DESC LIMIT $4
"""
"""The offset keeps PostgreSQL from the index of owners, which has the names by age."""

SELECT_FILE: Final = "SELECT EXISTS (SELECT FROM files WHERE name = $2 AND owner = $1)"
SELECT_PICTURE: Final = """
    SELECT history_id, position FROM pictures JOIN jobs ON jobs.id = job_id WHERE name = $2 AND owner = $1
    ORDER BY history_id DESC, position LIMIT 1
"""


async def children(connection: Connection, owner: str, history_id: int) -> list[tuple[int, int]]:
    """Jobs that started from a picture of this one, and the number of that picture."""
    return [(child, picture) for child, picture in await connection.fetch(SELECT_CHILDREN, owner, history_id)]


async def totals(connection: Connection, owner: str) -> Totals:
    """Jobs by state, and their pictures."""
    return _totals(*(await connection.fetchrow(SELECT_TOTALS, owner) or (0, 0, 0, 0, 0)))


async def counts(connection: Connection, owner: str) -> Found[tuple[Totals, FilesTotal]]:
    """Jobs and files at one moment."""
    *row, entries, size, oldest, version = await first_row(connection, SELECT_COUNTS, owner)
    return Found(version, 0, (_totals(*row), FilesTotal(entries=entries, bytes=size, oldest=oldest)))


def _totals(working: int, done: int, failed: int, pictures: int, picture_bytes: int) -> Totals:
    return Totals(working=working, done=done, failed=failed, pictures=pictures, picture_bytes=picture_bytes)


async def jobs_with_pictures(connection: Connection, owner: str, limit: int, before: int | None) -> list[Job]:
    """Jobs of which a picture's file is stored."""
    last = LARGEST_INTEGER if before is None else within_range(before - 1)
    rows = await connection.fetch(SELECT_WITH_PICTURES, owner, last, within_range(limit))
    return [read(loaded(row[0])) for row in rows]


async def history_ids(connection: Connection, owner: str, beginning: str, limit: int) -> list[int]:
    """Ids that begin with these digits: 12, 120 to 129, 1200 to 1299, and so on are stretches of an index."""
    stretches = [(1, LARGEST_INTEGER)]
    if beginning:
        if not re.fullmatch("[1-9][0-9]*", beginning):
            return []
        ends = [
            (beginning + "0" * more, beginning + "9" * more) for more in range(MOST_DIGITS - len(beginning), -1, -1)
        ]
        stretches = [(int(first), min(int(last), LARGEST_INTEGER)) for first, last in ends]
        stretches = [each for each in stretches if each[0] <= LARGEST_INTEGER]
    first, last = [each[0] for each in stretches], [each[1] for each in stretches]
    return [row[0] for row in await connection.fetch(SELECT_BEGINNING, owner, first, last, within_range(limit))]


async def file_names(connection: Connection, owner: str, beginning: str, limit: int) -> list[str]:
    """Names of stored files that begin so. A sixteenth of all names has the same first character, and few more."""
    if len(beginning) < 2:
        rows = await connection.fetch(SELECT_NEWEST_NAMES, owner, beginning, within_range(limit))
    else:
        end = beginning + "\U0010ffff"
        rows = await connection.fetch(SELECT_NAMES_BETWEEN, owner, beginning, end, within_range(limit))
    return [row[0] for row in rows]


async def owns_file(connection: Connection, owner: str, name: str) -> bool:
    """True for a stored file of this owner."""
    there: bool = await connection.fetchval(SELECT_FILE, owner, name)
    return there


async def picture_of(connection: Connection, owner: str, name: str) -> Parent | None:
    """The newest picture of this name; positions count from 0 in the table, and from 1 for people."""
    row = await connection.fetchrow(SELECT_PICTURE, owner, name)
    return None if row is None else Parent(history_id=row[0], picture=row[1] + 1)
