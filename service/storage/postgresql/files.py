"""The index of stored files in the database: their owners, sizes and ages, and which of them nothing uses.

1. A name belongs to one owner, since it is keyed by owner and bytes: one row serves every picture, reference and upload
   of that name. Storing the file again makes it new.
2. A file is used by a picture of a job, by a job that works, and by an upload that no job has used yet.
3. Triggers delete pictures, words and counts of a job with it. The lineage of its children stays: they say which number
   they came from, though it is gone.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from service.settings import Limits
from service.storage.postgresql.database import Connection, change, first_row
from service.storage.postgresql.values import loaded
from service.storage.records.removal import NAMED_AT_ONCE, Kind, Question, files_to_remove
from service.storage.store import FilesTotal, OwnedFile, still_made

AT_ONCE: Final = 200
"""Jobs that one transaction deletes: some twenty milliseconds, for which an owner's other writes wait."""

ADD_FILE: Final = "SELECT add_file($1, $2, $3, $4)"
ADD_DERIVED: Final = "UPDATE files SET derived = derived + $2 WHERE name = $1"
SELECT_OWNER: Final = "SELECT owner FROM files WHERE name = $1"
FORGET_FILES: Final = "DELETE FROM files WHERE name = ANY ($1)"
COUNT_ALL: Final = """
    SELECT coalesce(sum(entries), 0)::bigint, coalesce(sum(bytes), 0)::bigint, (SELECT min(stored_at) FROM files)
    FROM file_totals
"""
COUNT_OF_OWNER: Final = """
    SELECT coalesce(sum(entries), 0)::bigint AS entries, coalesce(sum(bytes), 0)::bigint AS bytes,
        (SELECT min(stored_at) FROM files WHERE owner = $1) AS oldest
    FROM file_totals WHERE owner = $1
"""
NEWEST_TIME: Final = "SELECT coalesce(max(stored_at), 0) FROM files"
BEYOND_NEWEST: Final = """
    SELECT idle_files.name FROM (
        SELECT stored_at, name FROM files WHERE owner = $1 ORDER BY stored_at DESC, name DESC OFFSET $2 LIMIT 1
    ) AS last, idle_files
    WHERE owner = $1 AND (idle_files.stored_at, idle_files.name) <= (last.stored_at, last.name)
    ORDER BY idle_files.stored_at, idle_files.name LIMIT $3
"""
FILES_AFTER: Final = "SELECT name FROM files WHERE name > $1 ORDER BY name LIMIT $2"
AGE_UNUSED: Final = """
    SELECT age_unused($1, ARRAY(
        SELECT name FROM files WHERE owner = $1 AND ($2::text[] IS NULL OR name = ANY ($2)) ORDER BY name
    ))
"""
DELETE_JOB: Final = "SELECT delete_job($1, $2)"
DELETE_ENDED: Final = """
    DELETE FROM jobs WHERE id IN (
        SELECT id FROM jobs
        WHERE owner = $1 AND history_id <= $2 AND state <> 'working' AND finished_at <= $3 ORDER BY history_id LIMIT $4
    )
"""
NUMBER_AFTER: Final = "SELECT number_after($1, $2)"

SELECT_FIRST: Final = """
    SELECT true AS is_old, owner, name, size + derived AS bytes, stored_at, NULL::bigint AS entries FROM limited_files
    WHERE stored_at < $1
    UNION ALL
    SELECT false, owner, NULL, bytes - coalesce(old_bytes, 0), NULL, entries - coalesce(old_entries, 0)
    FROM file_totals LEFT JOIN (
        SELECT owner, count(*) AS old_entries, sum(size + derived)::bigint AS old_bytes FROM files
        WHERE stored_at <> 0 AND name IN (SELECT name FROM old_files) GROUP BY owner
    ) AS old USING (owner)
    WHERE entries > 0
    ORDER BY stored_at, name
"""
"""The answers to the first two questions, which are asked after every picture; mostly there is no third."""

ANSWERS: Final[Mapping[Kind, str]] = {
    Kind.UNUSED: "SELECT owner, count(*), sum(size + derived)::bigint FROM unused_files GROUP BY owner",
    Kind.UNUSED_OF: """
        SELECT name, size + derived FROM unused_files WHERE owner = $1 ORDER BY stored_at, name LIMIT $2
    """,
    Kind.IDLE_OF: """
        SELECT name, size + derived FROM limited_files WHERE owner = $1 ORDER BY stored_at, name LIMIT $2
    """,
    Kind.NEWEST: "SELECT name FROM files ORDER BY stored_at DESC, name DESC LIMIT 1",
    Kind.NEWEST_OF: "SELECT name FROM files WHERE owner = $1 ORDER BY stored_at DESC, name DESC LIMIT 1",
}
"""The statements that answer the other questions of a removal."""


async def files_over_limits(
    connection: Connection, limits: Limits, before: float, spare: Collection[str]
) -> list[OwnedFile]:
    """Name the files to remove: the too old ones, then those for which an owner, or all together, have no room.

    A file that is used or removed between two of the statements is told by the next of them.
    """
    choice = files_to_remove(limits, before, spare)
    question = next(choice)
    first = await connection.fetch(SELECT_FIRST, before)
    known: dict[Kind, list[tuple[Any, ...]]] = {
        Kind.TOO_OLD: [(row["owner"], row["name"], row["bytes"]) for row in first if row["is_old"]],
        Kind.HELD: [(row["owner"], row["entries"], row["bytes"]) for row in first if not row["is_old"]],
    }
    while True:
        rows = known[question.kind] if question.kind in known else await _answer(connection, question)
        try:
            question = choice.send(rows)
        except StopIteration as chosen:
            named: list[OwnedFile] = chosen.value
            return named


async def _answer(connection: Connection, question: Question) -> list[tuple[Any, ...]]:
    match question.kind:
        case Kind.UNUSED_OF | Kind.IDLE_OF:
            values: tuple[str | int, ...] = (question.owner, question.most)
        case Kind.NEWEST_OF:
            values = (question.owner,)
        case _:
            values = ()
    return [tuple(row) for row in await connection.fetch(ANSWERS[question.kind], *values)]


async def add_file(connection: Connection, owner: str, name: str, size: int, now: float) -> bool:
    """Enter a stored file; true when it was not there. Without an owner it gets that of the pictures of its name."""
    is_new: bool = await connection.fetchval(ADD_FILE, owner, name, size, now)
    return is_new


async def add_derived(connection: Connection, name: str, size: int) -> None:
    """Count the bytes of a derivative with the file that it was made from."""
    await connection.execute(ADD_DERIVED, name, size)


async def owner_of_file(connection: Connection, name: str) -> str | None:
    """The owner of a stored file; None where the index does not know it."""
    owner: str | None = await connection.fetchval(SELECT_OWNER, name)
    return owner


async def newest_file(connection: Connection) -> float:
    """The time at which the newest file was stored."""
    newest: float = await connection.fetchval(NEWEST_TIME)
    return newest


async def forget_files(connection: Connection, names: Collection[str]) -> None:
    """Take removed files out of the index."""
    await connection.execute(FORGET_FILES, list(names))


async def files_total(connection: Connection, owner: str | None) -> FilesTotal:
    """Count the files of an owner, or with None those of everybody."""
    query, values = (COUNT_ALL, ()) if owner is None else (COUNT_OF_OWNER, (owner,))
    entries, size, oldest = await first_row(connection, query, *values)
    return FilesTotal(entries=entries, bytes=size, oldest=oldest)


async def files_beyond_newest(connection: Connection, owner: str, count: int) -> list[str]:
    """The oldest files of an owner behind the `count` newest, without those that a working job refers to."""
    return [row[0] for row in await connection.fetch(BEYOND_NEWEST, owner, count, NAMED_AT_ONCE)]


async def files_after(connection: Connection, name: str, limit: int) -> list[str]:
    """The first files behind a name."""
    return [row[0] for row in await connection.fetch(FILES_AFTER, name, limit)]


async def unused_files(connection: Connection, owner: str, names: Collection[str] | None = None) -> list[str]:
    """The files of an owner, or those of them with these names, that nothing uses; they are the first to go now."""
    unused: list[str] = await connection.fetchval(AGE_UNUSED, owner, None if names is None else list(names))
    return unused


async def delete_job(connection: Connection, owner: str, history_id: int) -> list[str] | None:
    """Delete one job that has ended; returns the names of its files that nothing uses now, or None without a job."""
    match loaded(await connection.fetchval(DELETE_JOB, owner, history_id)):
        case ["working"]:
            raise still_made(history_id)
        case ["deleted", names]:
            unused: list[str] = names
            return unused
    return None


async def number_after_newest(connection: Connection, owner: str, count: int) -> int:
    """The number of the first job that is not among so many newest of the owner, or 0."""
    number: int = await connection.fetchval(NUMBER_AFTER, owner, count)
    return number


async def delete_some_jobs(connection: Connection, owner: str, last: int, ended_by: float) -> bool:
    """Delete `AT_ONCE` of the jobs up to the number `last` that had ended by a time; true when there may be more."""
    return await change(connection, DELETE_ENDED, owner, last, ended_by, AT_ONCE) == AT_ONCE
