"""The people of a service in PostgreSQL: tokens, owners, pauses and use, each by the statements of its concern."""

from collections.abc import Awaitable
from typing import Self

from service.costs import DailyCost
from service.storage.people import Given, Holding, Pause, People, StoredToken, Use
from service.storage.postgresql import limits, owners, pauses, tokens
from service.storage.postgresql.database import Connection, Database


class PostgresPeople(People):
    """The people of one database."""

    def __init__(self, database: Database, *, is_own: bool = False) -> None:
        """Work on a database; one that `is_own` is closed with this object."""
        self._database = database
        self._is_own = is_own

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database for this object alone. Raises `WorkError` for one that cannot be used."""
        return cls(await Database.open(url), is_own=True)

    def tokens(self) -> Awaitable[list[StoredToken]]:
        return self._database.read(tokens.all_tokens)

    def add_token(self, name: str, token: str, now: float, expires_at: float | None) -> Awaitable[StoredToken]:
        return self._database.write(tokens.add, name, token, now, expires_at)

    def revoke_tokens(self, name: str, id_: str, now: float) -> Awaitable[int]:
        return self._database.call(tokens.revoke, name, id_, now)

    def forget_tokens(self) -> Awaitable[int]:
        return self._database.call(tokens.forget)

    def holding(self, owner: str) -> Awaitable[Holding]:
        return self._database.read(owners.holding, owner)

    def owners(self) -> Awaitable[list[str]]:
        return self._database.read(owners.owners)

    def give(self, old: str, new: str) -> Awaitable[Given]:
        return self._database.write_at_length(owners.give, old, new)

    def rename(self, old: str, new: str) -> Awaitable[int]:
        return self._database.write_at_length(_rename, old, new)

    def forget_waiting(self, owner: str) -> Awaitable[None]:
        return self._database.write(owners.forget_waiting, owner)

    def use_by_month(self, month: str = "") -> Awaitable[list[Use]]:
        return self._database.read_together(owners.use_by_month, month)

    def costs(self) -> Awaitable[list[DailyCost]]:
        return self._database.read(limits.costs, None, 0)

    def pauses(self) -> Awaitable[list[Pause]]:
        return self._database.read(pauses.pauses)

    def pause(self, one: Pause) -> Awaitable[bool]:
        return self._database.write(pauses.pause, one)

    def resume(self, owner: str) -> Awaitable[int]:
        return self._database.call(pauses.resume, owner)

    async def close(self) -> None:
        if self._is_own:
            await self._database.close()


async def _rename(connection: Connection, old: str, new: str) -> int:
    await owners.give(connection, old, new, rename=True)
    return await tokens.rename(connection, old, new)
