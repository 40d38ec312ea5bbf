"""Changes by other processes of the data folder, such as a chat program's own service: told to the pages that are open.

While a page is open the store is asked, every `LOOK_S`, whether anybody else has written. Where somebody has, the
owners with a page open are looked at: those whose history is another one now are told, and their pages read it anew.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from service.gallery.events import Events
from service.images import WorkError
from service.storage.store import Store, Totals

logger = logging.getLogger(__name__)

LOOK_S: Final = 1.5

State: TypeAlias = tuple[int, Totals]
"""The newest job of an owner, and the counts of all."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """The watch over the store."""

    store: Store
    events: Events
    look_s: float = LOOK_S
    _seen: dict[str, State] = field(default_factory=dict)

    async def watch(self) -> None:
        """Watch as long as the service runs."""
        written = -1
        while True:
            await self.events.opened.wait()
            try:
                now = await self.store.changes_elsewhere()
                if now != written:
                    await self._look()
                written = now
            except WorkError as error:
                logger.debug("The store could not be asked for changes: %s", error)
            await asyncio.sleep(self.look_s)

    async def _look(self) -> None:
        """Tell the owners whose history has changed since the look before."""
        before = dict(self._seen)
        self._seen.clear()
        for owner in tuple(self.events.owners):
            newest = await self.store.jobs(owner, 1)
            state = (newest[0].history_id if newest else 0, await self.store.totals(owner))
            self._seen[owner] = state
            if before.get(owner) != state:
                self.events.tell(owner, "changed", {})
