"""Fetches a picture's bytes once more from the image service that drew it, when they were removed here to make room.

Nothing is paid for that: a service is only asked for what it gave before. Where it has the bytes no longer, the row
says that the picture is gone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from service.images import Job, KeptPicture, Picture, WorkError
from service.pictures.library import Pictures
from service.storage.store import Store
from service.upstreams.base import Upstream

logger = logging.getLogger(__name__)

RESTORE_S: Final = 60.0
"""The longest that fetching may take, also for a client that would wait longer."""

DELETED: Final = "deleted"
"""The kind of failure of a call whose job is deleted meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """Restores pictures. `ended` is called with a job that has its picture again, like one that was just drawn."""

    upstreams: Mapping[str, Upstream]
    store: Store
    pictures: Pictures
    ended: Callable[[Job], Awaitable[None]]

    async def restore(self, job: Job, number: int, patience_s: float) -> tuple[Job, bytes | None]:
        """Fetch picture `number` (from 1) of a job; return the job as it is now, and the bytes if they came.

        Raises `WorkError` of kind `deleted` when the job is deleted meanwhile.
        """
        picture = job.pictures[number - 1]
        upstream = self.upstreams.get(job.upstream)
        if upstream is not None and picture.source:
            try:
                async with asyncio.timeout(min(patience_s, RESTORE_S)):
                    data = await upstream.fetch_again(picture.source)
                drawn = Picture(data=data, note=picture.note, source=picture.source)
                again = await self.pictures.keep(job.owner, drawn, await self.pictures.examine(data))
                return await self._enter(job, number, again), data
            except (WorkError, TimeoutError) as error:
                logger.info("history_id %d: a picture that was removed stays so: %s", job.history_id, error)
        if picture.kept:
            await self.store.forget_files([picture.name])
        return await self.store.job(job.owner, job.history_id) or job, None

    async def _enter(self, job: Job, number: int, picture: KeptPicture) -> Job:
        try:
            restored = await self.store.restore_picture(job, number - 1, picture)
        except LookupError as deleted:
            if not await self.store.owns_file(job.owner, picture.name):
                await self.pictures.files.remove([picture.name])
            raise WorkError(f"history_id {job.history_id} was deleted meanwhile.", kind=DELETED) from deleted
        await self.ended(restored)
        return restored
