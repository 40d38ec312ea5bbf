"""Taken-over histories in the SQLite file.

`old_entries` and `old_files` remember what was taken over, also after it was deleted here. Pictures whose name
stands in `old_files` are subject to no limit of room; one that its owner deletes goes as any other (`files`).
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Final

from service.images import Job
from service.storage.imports import Import, Imported, Imports, numbered
from service.storage.records.job_rows import picture_row
from service.storage.records.words import search_text
from service.storage.sqlite.database import Database
from service.storage.sqlite.facets import INSERT_WORDS
from service.storage.sqlite.files import FORGET_UNOWNED
from service.storage.sqlite.jobs import INSERT_PICTURE

FIND_IMPORT: Final = "SELECT 1 FROM imports WHERE owner = ? AND digest = ?"
INSERT_IMPORT: Final = "INSERT OR IGNORE INTO imports (owner, digest) VALUES (?, ?)"
INSERT_ENTRY: Final = "INSERT OR IGNORE INTO old_entries (owner, identity) VALUES (?, ?)"
INSERT_OLD_FILE: Final = "INSERT OR IGNORE INTO old_files (old_name, name) VALUES (?, ?)"
SELECT_OLD_FILES: Final = "SELECT old_name, name FROM old_files"
FIND_OLD_FILE: Final = "SELECT name FROM old_files WHERE old_name = ?"
SELECT_NEWEST: Final = "SELECT newest FROM totals WHERE owner = ?"
SET_NEWEST: Final = """
    INSERT INTO totals (owner, newest) VALUES (?, ?)
    ON CONFLICT (owner) DO UPDATE SET newest = max(newest, excluded.newest)
"""
INSERT_DATED_FILE: Final = """
    INSERT INTO files (name, owner, size, drawn, stored_at)
    SELECT new.name, owner, size, EXISTS (SELECT 1 FROM pictures WHERE pictures.name = new.name), stored_at
    FROM (SELECT ? AS name, ? AS owner, ? AS size, ? AS stored_at) AS new WHERE true
    ON CONFLICT (name) DO UPDATE SET drawn = excluded.drawn
"""
"""Unlike a new file, one of an earlier server may be older than those before it: `cache` keeps the newest."""

INSERT_ENDED_JOB: Final = """
    INSERT INTO jobs (
        owner, history_id, state, model, prompt, parameters, upstream, fingerprint, lease, created_at, finished_at,
        delivered_at, failure_kind, failure_reason
    )
    VALUES (?, ?, ?, ?, ?, ?, ?, '', '', ?, ?, ?, ?, ?)
"""


class SqliteImports(Imports):
    """Taken-over histories in the file of the jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def contains(self, owner: str, digest: str) -> bool:
        return await self._database.read(lambda one: one.execute(FIND_IMPORT, (owner, digest)).fetchone() is not None)

    async def known_files(self) -> Mapping[str, str]:
        return dict(await self._database.read(lambda one: one.execute(SELECT_OLD_FILES).fetchall()))

    async def enter(self, new: Import) -> Imported:
        return await self._database.write(enter, new)

    async def find(self, old_name: str) -> str | None:
        row = await self._database.read(lambda one: one.execute(FIND_OLD_FILE, (old_name,)).fetchone())
        return None if row is None else str(row[0])


def enter(connection: sqlite3.Connection, new: Import) -> Imported:
    """Enter an import inside one transaction. Of two processes that import the same, the second enters nothing."""
    fresh = [each.job for each in new.jobs if connection.execute(INSERT_ENTRY, (new.owner, each.identity)).rowcount]
    renumbered = _insert_jobs(connection, new.owner, fresh)
    files = 0
    for old_name, file in new.files.items():
        files += connection.execute(INSERT_OLD_FILE, (old_name, file.name)).rowcount
        connection.execute(FORGET_UNOWNED, (file.name, new.owner))
        connection.execute(INSERT_DATED_FILE, (file.name, new.owner, file.size, file.written_at))
    connection.execute(INSERT_IMPORT, (new.owner, new.digest))
    return Imported(jobs=len(fresh), files=files, renumbered=renumbered)


def _insert_jobs(connection: sqlite3.Connection, owner: str, fresh: list[Job]) -> dict[int, int]:
    """Insert jobs so that rows keep the order of their numbers; returns the numbers that were taken, old to new."""
    row = connection.execute(SELECT_NEWEST, (owner,)).fetchone()
    entering = numbered(row[0] if row else 0, fresh)
    for number, job in entering.jobs:
        _insert_job(connection, owner, number, job)
    connection.execute(SET_NEWEST, (owner, entering.newest))
    return entering.renumbered


def _insert_job(connection: sqlite3.Connection, owner: str, history_id: int, job: Job) -> None:
    kind, reason = (job.failure.kind, job.failure.reason) if job.failure else (None, None)
    row = (owner, history_id, job.state, job.model, job.prompt, json.dumps(job.parameters), job.upstream)
    times = (job.created_at, job.finished_at, job.delivered_at)
    id_ = connection.execute(INSERT_ENDED_JOB, (*row, *times, kind, reason)).lastrowid
    assert id_ is not None  # noqa: S101 - the type allows None for statements that insert nothing
    connection.execute(INSERT_WORDS, (search_text(job.prompt), id_))
    rows = [(id_, position, *picture_row(picture)) for position, picture in enumerate(job.pictures)]
    connection.executemany(INSERT_PICTURE, rows)
