"""The tokens of `token add` in the SQLite file, as SHA-256 digests: added, listed, renamed and revoked.

A revoked token's row stays. It tells when the token ended, and that this data folder has had tokens: a service that
asked for them must not open to everybody because the last one was revoked. `forget` alone removes the rows.

Each function runs inside one transaction of `Database`.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from service.tokens import MAX_TOKENS, StaticToken, TokensError, digest_of

COLUMNS: Final = "digest, name, created_at, expires_at, revoked_at"
SELECT: Final = f"SELECT {COLUMNS} FROM tokens ORDER BY name, created_at, digest"  # noqa: S608 - written above
COUNT: Final = "SELECT count(*) FROM tokens WHERE revoked_at IS NULL"
INSERT: Final = "INSERT INTO tokens (digest, name, created_at, expires_at) VALUES (?, ?, ?, ?)"
REVOKE: Final = """
    UPDATE tokens SET revoked_at = ?1
    WHERE name = ?2 AND revoked_at IS NULL AND substr(lower(hex(digest)), 1, length(?3)) = ?3
"""
RENAME: Final = "UPDATE tokens SET name = ? WHERE name = ? AND revoked_at IS NULL"
FORGET: Final = "DELETE FROM tokens"
SHOWN_DIGITS: Final = 8


@dataclass(frozen=True, kw_only=True)
class StoredToken:
    """A row: the token's name, its digest, and its times in seconds since the epoch; None for never."""

    name: str
    digest: bytes
    created_at: float
    expires_at: float | None
    revoked_at: float | None

    @property
    def id(self) -> str:
        """The first digits of its digest, which tell it from the others of its name."""
        return self.digest.hex()[:SHOWN_DIGITS]

    def state(self, now: float) -> str:
        """Return "valid", "expired" or "revoked"."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if self.expires_at is None or now < self.expires_at else "expired"


def all_tokens(connection: sqlite3.Connection) -> list[StoredToken]:
    """Return every token, those that were revoked included."""
    return [
        StoredToken(name=name, digest=digest, created_at=created, expires_at=expires, revoked_at=revoked)
        for digest, name, created, expires, revoked in connection.execute(SELECT)
    ]


def stored_tokens(connection: sqlite3.Connection) -> tuple[StaticToken, ...]:
    """Return every token as it is compared with those that are sent; a revoked one expired when it was revoked."""
    return tuple(
        StaticToken(name=each.name, digest=each.digest, expires=each.expires_at, revoked=each.revoked_at is not None)
        for each in all_tokens(connection)
    )


def add(connection: sqlite3.Connection, name: str, token: str, now: float, expires_at: float | None) -> StoredToken:
    """Keep the digest of a new token; raises `TokensError` where there are too many."""
    if connection.execute(COUNT).fetchone()[0] >= MAX_TOKENS:
        raise TokensError(f"there are {MAX_TOKENS} tokens already, which are the most; revoke some first")
    digest = digest_of(token)
    connection.execute(INSERT, (digest, name, now, expires_at))
    return StoredToken(name=name, digest=digest, created_at=now, expires_at=expires_at, revoked_at=None)


def revoke(connection: sqlite3.Connection, name: str, id_: str, now: float) -> int:
    """Revoke the tokens of a name, or those of them whose digest begins with `id_`. Return how many there were."""
    return connection.execute(REVOKE, (now, name, id_.lower())).rowcount


def rename(connection: sqlite3.Connection, old: str, new: str) -> int:
    """Give the tokens of a name another one. Return how many there were."""
    return connection.execute(RENAME, (new, old)).rowcount


def forget(connection: sqlite3.Connection) -> int:
    """Remove every row. Return how many there were."""
    return connection.execute(FORGET).rowcount
