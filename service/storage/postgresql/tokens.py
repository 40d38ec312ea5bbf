"""The tokens of `token add` in PostgreSQL, as SHA-256 digests: added, listed, renamed and revoked.

A revoked token's row stays (`StoredToken`). `forget` alone removes the rows.
"""

from typing import Final

from service.storage.people import StoredToken, new_token
from service.storage.postgresql.database import Connection, change

SELECT: Final = """
    SELECT digest, name, created_at, expires_at, revoked_at FROM tokens ORDER BY name, created_at, digest
"""
LOCK: Final = "LOCK TABLE tokens IN SHARE ROW EXCLUSIVE MODE"
"""Two that are added at once are counted one after the other."""

COUNT: Final = "SELECT count(*) FROM tokens WHERE revoked_at IS NULL"
INSERT: Final = "INSERT INTO tokens (digest, name, created_at, expires_at) VALUES ($1, $2, $3, $4)"
REVOKE: Final = """
    UPDATE tokens SET revoked_at = $1
    WHERE name = $2 AND revoked_at IS NULL AND starts_with(encode(digest, 'hex'), $3)
"""
RENAME: Final = "UPDATE tokens SET name = $1 WHERE name = $2 AND revoked_at IS NULL"
FORGET: Final = "DELETE FROM tokens"


async def all_tokens(connection: Connection) -> list[StoredToken]:
    """Return every token, those that were revoked included."""
    return [
        StoredToken(name=name, digest=digest, created_at=created, expires_at=expires, revoked_at=revoked)
        for digest, name, created, expires, revoked in await connection.fetch(SELECT)
    ]


async def add(connection: Connection, name: str, token: str, now: float, expires_at: float | None) -> StoredToken:
    """Keep the digest of a new token, inside a transaction; raises `TokensError` where there are too many."""
    await connection.execute(LOCK)
    new = new_token(await connection.fetchval(COUNT), name, token, now, expires_at)
    await connection.execute(INSERT, new.digest, name, now, expires_at)
    return new


async def revoke(connection: Connection, name: str, id_: str, now: float) -> int:
    """Revoke the tokens of a name, or those of them whose digest begins with `id_`. Return how many there were."""
    return await change(connection, REVOKE, now, name, id_.lower())


async def rename(connection: Connection, old: str, new: str) -> int:
    """Give the tokens of a name another one. Return how many there were."""
    return await change(connection, RENAME, new, old)


async def forget(connection: Connection) -> int:
    """Remove every row. Return how many there were."""
    return await change(connection, FORGET)
