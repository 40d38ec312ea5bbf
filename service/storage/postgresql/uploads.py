"""Uploads in PostgreSQL, beside the jobs that use them: the function that begins a job notes the job of an upload."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from service.bounds.limits import UNLIMITED, Allowances
from service.storage.postgresql.database import Connection, Database, change
from service.storage.postgresql.limits import check_new_upload
from service.storage.upload_records import FRESH_S, KEPT_S, OPEN_S, IdOf, Upload, UploadKeeper, UploadRequest
from service.storage.upload_rows import COLUMNS, new_upload, read, text_of, values_of

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('easel uploads'))"
"""Held while a link is made: two at once must neither get one time nor pass a limit together."""

FIND: Final = f"SELECT {COLUMNS} FROM uploads WHERE id = $1"  # noqa: S608 - the columns are our own
PURGE: Final = "DELETE FROM uploads WHERE created_at <= $1"
FRESH: Final = f"""
    SELECT {COLUMNS} FROM uploads WHERE owner = $1 AND request = $2 AND names = '' AND expires_at >= $3
        AND created_at <= $4
"""  # noqa: S608 - as above
NEWEST: Final = "SELECT coalesce(max(created_at), 0) FROM uploads WHERE owner = $1 AND created_at <= $2"
INSERT: Final = """
    INSERT INTO uploads (id, owner, request, prompt, picture, paints, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
RECEIVE: Final = "UPDATE uploads SET names = $1 WHERE id = $2 AND names = ''"
SPEND: Final = "UPDATE uploads SET used_at = $1, history_id = NULL WHERE id = $2"

READY: Final = f"""
    SELECT {COLUMNS} FROM uploads LEFT JOIN jobs ON jobs.history_id = uploads.history_id AND jobs.owner = uploads.owner
    WHERE uploads.owner = $1 AND uploads.request = $2 AND uploads.names <> '' AND uploads.created_at > $3
        AND (used_at IS NULL OR jobs.state = 'working' OR jobs.state = 'done' AND jobs.delivered_at IS NULL)
    ORDER BY used_at IS NULL DESC, uploads.created_at DESC LIMIT 1
"""  # noqa: S608 - as above
"""The jobs are those that a call of the same fingerprint joins."""

LATEST: Final = f"""
    SELECT {COLUMNS} FROM uploads WHERE owner = $1 AND names <> '' AND created_at > $2 AND picture = $3
    ORDER BY created_at DESC LIMIT 1
"""  # noqa: S608 - as above


class PostgresUploads(UploadKeeper):
    """Uploads of all replicas.

    Questions about used uploads wait for the writes that were handed over before: a delivery counts as soon as it was,
    though nobody awaits it.
    """

    def __init__(self, database: Database, allowances: Allowances = UNLIMITED, folder: Path | None = None) -> None:
        """Keep the uploads of a database; a link is made within the allowances, while the disk of `folder` has room."""
        self._database = database
        self._allowances = allowances
        self._folder = folder

    async def open(self, owner: str, request: UploadRequest, now: float, id_of: IdOf) -> Upload:
        return await self._database.write(self._open, owner, request, now, id_of)

    async def find(self, id_: str) -> Upload | None:
        return await self._database.read(_first, FIND, id_)

    async def receive(self, id_: str, names: Sequence[str]) -> bool:
        return await self._database.call(change, RECEIVE, text_of(names), id_) > 0

    async def ready(self, owner: str, key: str, since: float) -> Upload | None:
        await self._database.settle()
        return await self._database.read(_first, READY, owner, key, since)

    async def latest(self, owner: str, since: float, picture: str = "") -> Upload | None:
        return await self._database.read(_first, LATEST, owner, since, picture)

    async def spend(self, id_: str, now: float) -> None:
        await self._database.call(change, SPEND, now, id_)

    async def _open(
        self, connection: Connection, owner: str, request: UploadRequest, now: float, id_of: IdOf
    ) -> Upload:
        await connection.execute(LOCK)
        await connection.execute(PURGE, now - KEPT_S)
        for row in await connection.fetch(FRESH, owner, request.key, now + FRESH_S, now + OPEN_S):
            fresh = read(row)
            if fresh.id == id_of(owner, fresh.created_at):
                return fresh
        await check_new_upload(connection, owner, self._allowances, now, self._folder)
        newest: float = await connection.fetchval(NEWEST, owner, now + OPEN_S)
        made = new_upload(owner, request, now, newest, id_of)
        await connection.execute(INSERT, *values_of(made))
        return made


async def _first(connection: Connection, query: str, *values: object) -> Upload | None:
    row = await connection.fetchrow(query, *values)
    return None if row is None else read(row)
