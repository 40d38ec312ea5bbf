"""Notices from a SQLite file: it tells that another process has written, and the histories of interest tell the rest.

While somebody listens here the file is asked, every `EACH_S`, whether anybody else has written. Where somebody has, the
owners of interest are looked at: those whose history is another one now are told of.
"""

import asyncio
import logging
from typing import Final, TypeAlias

from service.images import WorkError
from service.storage.notices import HistoryChanged, Silence
from service.storage.sqlite.store import SqliteStore
from service.storage.store import Totals

logger = logging.getLogger(__name__)

EACH_S: Final = 1.5

State: TypeAlias = tuple[int, Totals]
"""The newest job of an owner, and the counts of all."""


class SqliteNotices(Silence):
    """Hears of the other processes of a data folder. They hear of this one in the same way, whatever it tells."""

    def __init__(self, store: SqliteStore, each_s: float = EACH_S) -> None:
        """Look at this store."""
        super().__init__()
        self._store = store
        self._each_s = each_s
        self._seen: dict[str, State] = {}

    async def run(self) -> None:
        """Look as long as the service runs."""
        written = -1
        while True:
            owners = self.interesting
            self._seen = {owner: state for owner, state in self._seen.items() if owner in owners}
            if owners:
                try:
                    now = await self._store.database.changes_elsewhere()
                    await self._look(owners if now != written else owners - self._seen.keys())
                    written = now
                except WorkError as error:
                    logger.debug("The store could not be asked for changes: %s", error)
            await asyncio.sleep(self._each_s)

    async def _look(self, owners: frozenset[str]) -> None:
        """Tell of the owners whose history has changed since the look before."""
        for owner in owners:
            newest = await self._store.jobs(owner, 1)
            state = (newest[0].history_id if newest else 0, await self._store.totals(owner))
            if self._seen.get(owner) != state:
                self._heard(HistoryChanged(owner, surely=owner in self._seen))
            self._seen[owner] = state
