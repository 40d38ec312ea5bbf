"""Results of reads that are kept in memory as long as nobody, at whichever replica, has changed what their owner has.

A result is read together with the version of its owner (`migrations/0022_versions.sql`), and holds while the version is
the same. Every call looks at that, and waits for no notice: whatever a replica answered before the call came, it sees.

One look serves all calls that wait for one. Those that come while it is under way share the next: each look begins
after the calls that it serves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from service.storage.postgresql.database import Connection, Database

R = TypeVar("R")

MOST: Final = 128
"""Results that are kept at most; the one that was read first goes first."""

LONGEST: Final = 50_000
"""Characters of the largest result that is kept, as the database tells it."""

SELECT_VERSIONS: Final = "SELECT owner, version FROM versions WHERE owner = ANY ($1)"
NONE: Final = ""
"""The version of an owner of whom nothing was changed so far."""


@dataclass(frozen=True)
class Found(Generic[R]):
    """A result, the version of its owner at the moment of which it tells, and its size in characters."""

    version: str
    size: int
    result: R


class KeptReads:
    """The results of one replica."""

    def __init__(self, database: Database) -> None:
        """Keep nothing yet."""
        self._database = database
        self._kept: dict[Hashable, Found[Any]] = {}
        self._waiting: list[tuple[str, asyncio.Future[str]]] = []
        """Calls that wait for a look which has not begun, by their owners."""

        self._looking: asyncio.Task[None] | None = None

    async def get(self, owner: str, key: Hashable, read: Callable[[], Awaitable[Found[R]]]) -> R:
        """Return the result of a key, which is one of this owner: the kept one where it holds. Nobody changes it."""
        found: Found[R] | None = self._kept.get(key)
        if found is None or found.version != await self._version(owner):
            found = await read()
            self._keep(key, found)
        return found.result

    async def close(self) -> None:
        """Finish the look under way."""
        if self._looking is not None:
            await asyncio.wait([self._looking])

    def _keep(self, key: Hashable, found: Found[Any]) -> None:
        self._kept.pop(key, None)
        if found.size <= LONGEST:
            self._kept[key] = found
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]

    def _version(self, owner: str) -> asyncio.Future[str]:
        """Return the version of an owner, as a look tells it that begins after this."""
        version: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((owner, version))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return version

    async def _look(self) -> None:
        """Look again as long as somebody waits. A look that fails does so for those who wait for the next one too."""
        try:
            while served := self._waiting:
                self._waiting = []
                versions = await self._database.read(_versions, {owner for owner, _ in served})
                for owner, version in served:
                    if not version.done():  # as it is where the call was cancelled
                        version.set_result(versions.get(owner, NONE))
        except Exception as error:  # noqa: BLE001 - it is raised where the versions are awaited
            for _, version in (*served, *self._waiting):
                if not version.done():
                    version.set_exception(error)
            self._waiting = []
        finally:
            self._looking = None


async def _versions(connection: Connection, owners: Collection[str]) -> dict[str, str]:
    """Return the versions of owners that have one."""
    return dict(map(tuple, await connection.fetch(SELECT_VERSIONS, list(owners))))
