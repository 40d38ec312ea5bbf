"""The people of a service in its SQLite file: tokens, and owners, pauses and use by the statements of their concern.

Tokens are kept as SHA-256 digests. A revoked token's row stays (`StoredToken`); `forget_tokens` alone removes the rows.
"""

import sqlite3
from collections.abc import Awaitable
from pathlib import Path
from typing import Final, Self

from service.costs import DailyCost
from service.storage.people import Given, Holding, Pause, People, StoredToken, Use, new_token
from service.storage.sqlite import limits, owners
from service.storage.sqlite.database import Database

COLUMNS: Final = "digest, name, created_at, expires_at, revoked_at"
SELECT_TOKENS: Final = f"SELECT {COLUMNS} FROM tokens ORDER BY name, created_at, digest"  # noqa: S608 - written above
COUNT_TOKENS: Final = "SELECT count(*) FROM tokens WHERE revoked_at IS NULL"
INSERT_TOKENS: Final = "INSERT INTO tokens (digest, name, created_at, expires_at) VALUES (?, ?, ?, ?)"
REVOKE_TOKENS: Final = """
    UPDATE tokens SET revoked_at = ?
    WHERE name = ? AND revoked_at IS NULL AND instr(lower(hex(digest)), ?) = 1
"""
RENAME_TOKENS: Final = "UPDATE tokens SET name = ? WHERE name = ? AND revoked_at IS NULL"
FORGET_TOKENS: Final = "DELETE FROM tokens"


class SqlitePeople(People):
    """The people of one file, which several processes may share."""

    def __init__(self, database: Database, *, is_own: bool = False) -> None:
        """Work on a database; one that `is_own` is closed with this object."""
        self._database = database
        self._is_own = is_own

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the file for this object alone. Raises `DataFolderError` for one that cannot be used."""
        return cls(await Database.open(path), is_own=True)

    def tokens(self) -> Awaitable[list[StoredToken]]:
        return self._database.read(read_tokens)

    def add_token(self, name: str, token: str, now: float, expires_at: float | None) -> Awaitable[StoredToken]:
        return self._database.write(_add, name, token, now, expires_at)

    def revoke_tokens(self, name: str, id_: str, now: float) -> Awaitable[int]:
        return self._database.write(_revoke, name, id_, now)

    def forget_tokens(self) -> Awaitable[int]:
        return self._database.write(_forget)

    def holding(self, owner: str) -> Awaitable[Holding]:
        return self._database.read(owners.holding, owner)

    def owners(self) -> Awaitable[list[str]]:
        return self._database.read(owners.owners)

    def give(self, old: str, new: str) -> Awaitable[Given]:
        return self._database.write(owners.give, old, new)

    def rename(self, old: str, new: str) -> Awaitable[int]:
        return self._database.write(_rename, old, new)

    def forget_waiting(self, owner: str) -> Awaitable[None]:
        return self._database.write(owners.forget_waiting, owner)

    def use_by_month(self, month: str = "") -> Awaitable[list[Use]]:
        return self._database.read(owners.use_by_month, month)

    def costs(self) -> Awaitable[list[DailyCost]]:
        return self._database.read(limits.costs, None, 0)

    def pauses(self) -> Awaitable[list[Pause]]:
        return self._database.read(limits.pauses)

    def pause(self, one: Pause) -> Awaitable[bool]:
        return self._database.write(limits.pause, one)

    def resume(self, owner: str) -> Awaitable[int]:
        return self._database.write(limits.resume, owner)

    async def close(self) -> None:
        if self._is_own:
            await self._database.close()


def _rename(connection: sqlite3.Connection, old: str, new: str) -> int:
    owners.give(connection, old, new, rename=True)
    return _rename_tokens(connection, old, new)


def read_tokens(connection: sqlite3.Connection) -> list[StoredToken]:
    """Return every token, those that were revoked included."""
    return [
        StoredToken(name=name, digest=digest, created_at=created, expires_at=expires, revoked_at=revoked)
        for digest, name, created, expires, revoked in connection.execute(SELECT_TOKENS)
    ]


def _add(connection: sqlite3.Connection, name: str, token: str, now: float, expires_at: float | None) -> StoredToken:
    """Keep the digest of a new token; raises `TokensError` where there are too many."""
    new = new_token(connection.execute(COUNT_TOKENS).fetchone()[0], name, token, now, expires_at)
    connection.execute(INSERT_TOKENS, (new.digest, name, now, expires_at))
    return new


def _revoke(connection: sqlite3.Connection, name: str, id_: str, now: float) -> int:
    """Revoke the tokens of a name, or those of them whose digest begins with `id_`. Return how many there were."""
    return connection.execute(REVOKE_TOKENS, (now, name, id_.lower())).rowcount


def _rename_tokens(connection: sqlite3.Connection, old: str, new: str) -> int:
    """Give the tokens of a name another one. Return how many there were."""
    return connection.execute(RENAME_TOKENS, (new, old)).rowcount


def _forget(connection: sqlite3.Connection) -> int:
    """Remove every row. Return how many there were."""
    return connection.execute(FORGET_TOKENS).rowcount
