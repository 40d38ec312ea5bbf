"""Taken-over histories in PostgreSQL.

`old_entries` and `old_files` remember what was taken over, also after it was deleted here. Pictures whose name
stands in `old_files` are subject to no limit of room; one that its owner deletes goes as any other (`files`).

A history may have tens of thousands of entries: each table gets its rows by one statement.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.images import Job
from service.storage.imports import Import, Imported, Imports, numbered
from service.storage.postgresql.database import Connection, Database, change, is_text
from service.storage.records.job_rows import picture_row
from service.storage.records.words import search_text

FIND_IMPORT: Final = "SELECT EXISTS (SELECT FROM imports WHERE owner = $1 AND digest = $2)"
INSERT_IMPORT: Final = "INSERT INTO imports (owner, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING"
INSERT_ENTRIES: Final = """
    INSERT INTO old_entries (owner, identity) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING identity
"""
INSERT_OLD_FILES: Final = """
    INSERT INTO old_files (old_name, name) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
"""
SELECT_OLD_FILES: Final = "SELECT old_name, name FROM old_files"
FIND_OLD_FILE: Final = "SELECT name FROM old_files WHERE old_name = $1"
ADD_OWNER: Final = "INSERT INTO totals (owner) VALUES ($1) ON CONFLICT DO NOTHING"
HOLD_NEWEST: Final = "SELECT newest FROM totals WHERE owner = $1 FOR UPDATE"
SET_NEWEST: Final = "UPDATE totals SET newest = greatest(newest, $2) WHERE owner = $1"
FORGET_UNOWNED: Final = "DELETE FROM files WHERE name = ANY($1::text[]) AND owner = '' AND owner <> $2"
INSERT_FILES: Final = """
    INSERT INTO files (name, owner, size, drawn, stored_at)
    SELECT name, $1, size, EXISTS (SELECT FROM pictures WHERE pictures.name = kept.name), stored_at
    FROM unnest($2::text[], $3::bigint[], $4::float8[]) AS kept (name, size, stored_at)
    ON CONFLICT (name) DO UPDATE SET drawn = excluded.drawn
"""
"""Unlike a new file, one of an earlier server may be older than those before it: `cache` keeps the newest."""

INSERT_JOBS: Final = """
    INSERT INTO jobs (
        owner, history_id, state, model, prompt, parameters, upstream, created_at, finished_at, delivered_at,
        failure_kind, failure_reason, fingerprint, lease
    )
    SELECT $1, *, '', '' FROM unnest(
        $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::float8[], $9::float8[],
        $10::float8[], $11::text[], $12::text[]
    )
    RETURNING history_id, id
"""
INSERT_WORDS: Final = "SELECT insert_words(id, words) FROM unnest($1::bigint[], $2::text[]) AS entered (id, words)"
INSERT_PICTURES: Final = """
    INSERT INTO pictures (job_id, position, name, media_type, width, height, size, note, source, part)
    SELECT * FROM unnest(
        $1::bigint[], $2::integer[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::bigint[], $8::text[],
        $9::text[], $10::integer[]
    )
"""


class PostgresImports(Imports):
    """Taken-over histories in the database of the jobs."""

    def __init__(self, database: Database) -> None:
        """Keep the imports of a database."""
        self._database = database

    async def contains(self, owner: str, digest: str) -> bool:
        return bool(await self._database.read(_value, FIND_IMPORT, owner, digest))

    async def known_files(self) -> Mapping[str, str]:
        return dict(await self._database.read(_old_files))

    async def enter(self, new: Import) -> Imported:
        return await self._database.write_at_length(enter, new, await asyncio.to_thread(_words_of, new))

    async def find(self, old_name: str) -> str | None:
        if not is_text(old_name):
            return None
        found: str | None = await self._database.read(_value, FIND_OLD_FILE, old_name)
        return found


def _words_of(new: Import) -> dict[str, str]:
    """Return the words of all prompts, before a transaction that must not wait for them: they may take seconds."""
    return {each.job.prompt: search_text(each.job.prompt) for each in new.jobs}


async def enter(connection: Connection, new: Import, words_of: Mapping[str, str]) -> Imported:
    """Enter an import inside one transaction. Of two replicas that import the same, the second enters nothing."""
    identities = sorted({each.identity for each in new.jobs})
    entered = {row[0] for row in await connection.fetch(INSERT_ENTRIES, new.owner, identities)}
    by_identity = {each.identity: each.job for each in reversed(new.jobs)}  # of two copies the first one enters
    fresh = [job for identity, job in by_identity.items() if identity in entered]
    renumbered = await _insert_jobs(connection, new.owner, fresh, words_of)
    files = await change(connection, INSERT_OLD_FILES, list(new.files), [each.name for each in new.files.values()])
    kept = list({each.name: each for each in new.files.values()}.values())
    names = [each.name for each in kept]
    await connection.execute(FORGET_UNOWNED, names, new.owner)
    times = [float(each.written_at) for each in kept]
    await connection.execute(INSERT_FILES, new.owner, names, [each.size for each in kept], times)
    await connection.execute(INSERT_IMPORT, new.owner, new.digest)
    return Imported(jobs=len(fresh), files=files, renumbered=renumbered)


async def _insert_jobs(
    connection: Connection, owner: str, fresh: Sequence[Job], words_of: Mapping[str, str]
) -> dict[int, int]:
    """Insert jobs under their numbers; returns the numbers that were taken, old to new."""
    await connection.execute(ADD_OWNER, owner)
    entering = numbered(await connection.fetchval(HOLD_NEWEST, owner), fresh)
    rows = _columns([_job_row(*each) for each in entering.jobs], 11)
    ids: dict[int, int] = {row[0]: row[1] for row in await connection.fetch(INSERT_JOBS, owner, *rows)}
    words = [(ids[number], words_of[job.prompt]) for number, job in entering.jobs]
    await connection.execute(INSERT_WORDS, *_columns(words, 2))
    pictures = [
        (ids[number], position, *picture_row(picture))
        for number, job in entering.jobs
        for position, picture in enumerate(job.pictures)
    ]
    await connection.execute(INSERT_PICTURES, *_columns(pictures, 10))
    await connection.execute(SET_NEWEST, owner, entering.newest)
    return entering.renumbered


def _job_row(number: int, job: Job) -> tuple[Any, ...]:
    kind, reason = (job.failure.kind, job.failure.reason) if job.failure else (None, None)
    row = (number, job.state, job.model, _text(job.prompt), json.dumps(job.parameters), job.upstream)
    return (*row, job.created_at, job.finished_at, job.delivered_at, kind, reason)


def _text(text: str) -> str:
    """Return a text that PostgreSQL has a place for: old servers took a NUL for a character of a prompt."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Return rows as columns, also where there is no row."""
    return [[row[at] for row in rows] for at in range(count)]


async def _value(connection: Connection, query: str, *values: object) -> Any:
    return await connection.fetchval(query, *values)


async def _old_files(connection: Connection) -> list[tuple[str, str]]:
    return [(old, name) for old, name in await connection.fetch(SELECT_OLD_FILES)]
