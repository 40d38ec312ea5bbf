"""Uploads in the SQLite file, beside the jobs that use them: `jobs.begin` notes the job of an upload."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from service.bounds.limits import UNLIMITED, Allowances
from service.storage.sqlite.database import Database
from service.storage.sqlite.limits import check_new_upload
from service.storage.upload_records import FRESH_S, KEPT_S, OPEN_S, IdOf, Upload, UploadKeeper, UploadRequest
from service.storage.upload_rows import COLUMNS, new_upload, read, text_of, values_of

FIND: Final = f"SELECT {COLUMNS} FROM uploads WHERE id = ?"  # noqa: S608 - the columns are our own
PURGE: Final = "DELETE FROM uploads WHERE created_at <= ?"
FRESH: Final = f"""
    SELECT {COLUMNS} FROM uploads WHERE owner = ? AND request = ? AND names = '' AND expires_at >= ?
        AND created_at <= ?
"""  # noqa: S608 - as above
NEWEST: Final = "SELECT coalesce(max(created_at), 0) FROM uploads WHERE owner = ? AND created_at <= ?"
INSERT: Final = """
    INSERT INTO uploads (id, owner, request, prompt, picture, paints, created_at, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
RECEIVE: Final = "UPDATE uploads SET names = ? WHERE id = ? AND names = ''"
SPEND: Final = "UPDATE uploads SET used_at = ?, history_id = NULL WHERE id = ?"

READY: Final = f"""
    SELECT {COLUMNS} FROM uploads LEFT JOIN jobs ON jobs.history_id = uploads.history_id AND jobs.owner = uploads.owner
    WHERE uploads.owner = ? AND uploads.request = ? AND uploads.names <> '' AND uploads.created_at > ?
        AND (used_at IS NULL OR jobs.state = 'working' OR jobs.state = 'done' AND jobs.delivered_at IS NULL)
    ORDER BY used_at IS NULL DESC, uploads.created_at DESC LIMIT 1
"""  # noqa: S608 - as above
"""The jobs are those that a call of the same fingerprint joins."""

LATEST: Final = f"""
    SELECT {COLUMNS} FROM uploads WHERE owner = ? AND names <> '' AND created_at > ? AND picture = ?
    ORDER BY created_at DESC LIMIT 1
"""  # noqa: S608 - as above


class SqliteUploads(UploadKeeper):
    """Uploads of all processes.

    Questions about used uploads wait their turn among the writes: a delivery counts as soon as it was handed over,
    though nobody awaits it.
    """

    def __init__(self, database: Database, allowances: Allowances = UNLIMITED) -> None:
        self._database = database
        self._allowances = allowances

    async def open(self, owner: str, request: UploadRequest, now: float, id_of: IdOf) -> Upload:
        return await self._database.write(self._open, owner, request, now, id_of)

    async def find(self, id_: str) -> Upload | None:
        return await self._database.read(_first, FIND, id_)

    async def receive(self, id_: str, names: Sequence[str]) -> bool:
        return await self._database.write(_change, RECEIVE, text_of(names), id_) > 0

    async def ready(self, owner: str, key: str, since: float) -> Upload | None:
        return await self._database.write(_first, READY, owner, key, since)

    async def latest(self, owner: str, since: float, picture: str = "") -> Upload | None:
        return await self._database.read(_first, LATEST, owner, since, picture)

    async def spend(self, id_: str, now: float) -> None:
        await self._database.write(_change, SPEND, now, id_)

    def _open(
        self, connection: sqlite3.Connection, owner: str, request: UploadRequest, now: float, id_of: IdOf
    ) -> Upload:
        connection.execute(PURGE, (now - KEPT_S,))
        for row in connection.execute(FRESH, (owner, request.key, now + FRESH_S, now + OPEN_S)).fetchall():
            fresh = read(row)
            if fresh.id == id_of(owner, fresh.created_at):
                return fresh
        check_new_upload(connection, owner, self._allowances, now)
        newest: float = connection.execute(NEWEST, (owner, now + OPEN_S)).fetchone()[0]
        made = new_upload(owner, request, now, newest, id_of)
        connection.execute(INSERT, values_of(made))
        return made


def _change(connection: sqlite3.Connection, statement: str, *values: object) -> int:
    return connection.execute(statement, values).rowcount


def _first(connection: sqlite3.Connection, query: str, *values: object) -> Upload | None:
    row = connection.execute(query, values).fetchone()
    return None if row is None else read(row)
