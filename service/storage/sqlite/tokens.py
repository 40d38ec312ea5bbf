"""The tokens of `token add` in the SQLite file, as SHA-256 digests: added, listed, renamed and revoked.

A revoked token's row stays (`StoredToken`). `forget` alone removes the rows.

Each function runs inside one transaction of `Database`.
"""

import sqlite3
from typing import Final

from service.storage.people import StoredToken, new_token

COLUMNS: Final = "digest, name, created_at, expires_at, revoked_at"
SELECT: Final = f"SELECT {COLUMNS} FROM tokens ORDER BY name, created_at, digest"  # noqa: S608 - written above
COUNT: Final = "SELECT count(*) FROM tokens WHERE revoked_at IS NULL"
INSERT: Final = "INSERT INTO tokens (digest, name, created_at, expires_at) VALUES (?, ?, ?, ?)"
REVOKE: Final = """
    UPDATE tokens SET revoked_at = ?
    WHERE name = ? AND revoked_at IS NULL AND instr(lower(hex(digest)), ?) = 1
"""
RENAME: Final = "UPDATE tokens SET name = ? WHERE name = ? AND revoked_at IS NULL"
FORGET: Final = "DELETE FROM tokens"


def all_tokens(connection: sqlite3.Connection) -> list[StoredToken]:
    """Return every token, those that were revoked included."""
    return [
        StoredToken(name=name, digest=digest, created_at=created, expires_at=expires, revoked_at=revoked)
        for digest, name, created, expires, revoked in connection.execute(SELECT)
    ]


def add(connection: sqlite3.Connection, name: str, token: str, now: float, expires_at: float | None) -> StoredToken:
    """Keep the digest of a new token; raises `TokensError` where there are too many."""
    new = new_token(connection.execute(COUNT).fetchone()[0], name, token, now, expires_at)
    connection.execute(INSERT, (new.digest, name, now, expires_at))
    return new


def revoke(connection: sqlite3.Connection, name: str, id_: str, now: float) -> int:
    """Revoke the tokens of a name, or those of them whose digest begins with `id_`. Return how many there were."""
    return connection.execute(REVOKE, (now, name, id_.lower())).rowcount


def rename(connection: sqlite3.Connection, old: str, new: str) -> int:
    """Give the tokens of a name another one. Return how many there were."""
    return connection.execute(RENAME, (new, old)).rowcount


def forget(connection: sqlite3.Connection) -> int:
    """Remove every row. Return how many there were."""
    return connection.execute(FORGET).rowcount
