"""The people of a service in its SQLite file: tokens, owners, pauses and use, each by the statements of its concern."""

import sqlite3
from collections.abc import Awaitable
from pathlib import Path
from typing import Self

from service.costs import DailyCost
from service.storage.people import Given, Holding, Pause, People, StoredToken, Use
from service.storage.sqlite import limits, owners, tokens
from service.storage.sqlite.database import Database


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
        return self._database.read(tokens.all_tokens)

    def add_token(self, name: str, token: str, now: float, expires_at: float | None) -> Awaitable[StoredToken]:
        return self._database.write(tokens.add, name, token, now, expires_at)

    def revoke_tokens(self, name: str, id_: str, now: float) -> Awaitable[int]:
        return self._database.write(tokens.revoke, name, id_, now)

    def forget_tokens(self) -> Awaitable[int]:
        return self._database.write(tokens.forget)

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
    return tokens.rename(connection, old, new)
