"""Fetches the bytes of a picture from the image service that drew it, after its job has ended.

1. `restore` fetches bytes once more that were removed here to make room. Where the service has them no longer, the row
   says that the picture is gone.
2. `recover` fetches the pictures of an answer that could not be downloaded at first, by the links that are left: a
   failed job is done then.

Nothing is paid for that: a service is only asked for a picture that it gave before.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
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
                kept, data = await self._keep(job, drawn)
                return await self._enter(job, number, kept), data
            except (WorkError, TimeoutError) as error:
                logger.info(
                    "history_id %d of %s: a picture that was removed stays so: %s", job.history_id, job.owner, error
                )
        if picture.kept:
            await self.store.forget_files([picture.name])
        current = await self.store.job(job.owner, job.history_id) or job
        return _without(current, number) if picture.is_away else current, None

    async def recover(self, job: Job, patience_s: float) -> Job:
        """Fetch the pictures of an ended job that are not here, by their links; return the job as it is now."""
        upstream = self.upstreams.get(job.upstream)
        if upstream is None or not job.links:
            return job
        recovered: dict[str, KeptPicture] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(min(patience_s, RESTORE_S)):
                for link in job.links:
                    try:
                        drawn = Picture(data=await upstream.fetch_again(link), source=link)
                        recovered[link], _ = await self._keep(job, drawn)
                    except WorkError as error:
                        logger.info(
                            "history_id %d of %s: a picture is still not to be had: %s",
                            job.history_id, job.owner, error,
                        )  # fmt: skip
        if not recovered:
            return job
        left = [link for link in job.links if link not in recovered]
        try:
            done = await self.store.recover(job, [*recovered.values()], left)
        except LookupError as deleted:
            raise await self._deleted(job, [*recovered.values()]) from deleted
        await self.ended(done)
        return done

    async def _keep(self, job: Job, picture: Picture) -> tuple[KeptPicture, bytes]:
        """Store a picture; return its bytes as they are kept, too."""
        examined = await self.pictures.examine(job.owner, picture.data)
        return await self.pictures.keep(job.owner, picture, examined), examined.data

    async def _deleted(self, job: Job, pictures: Sequence[KeptPicture]) -> WorkError:
        """Remove the files of a job that was deleted meanwhile, and return the error that says so."""
        for picture in pictures:
            if not await self.store.owns_file(job.owner, picture.name):
                await self.pictures.files.remove([picture.name])
        return WorkError(f"history_id {job.history_id} was deleted meanwhile.", kind=DELETED)

    async def _enter(self, job: Job, number: int, picture: KeptPicture) -> Job:
        try:
            restored = await self.store.restore_picture(job, number - 1, picture)
        except LookupError as deleted:
            raise await self._deleted(job, [picture]) from deleted
        await self.ended(restored)
        return restored


def _without(job: Job, number: int) -> Job:
    """Return the job with picture `number` (from 1) as one that is gone: nothing here tells that of one left away."""
    pictures = [replace(each, kept=at != number and each.kept) for at, each in enumerate(job.pictures, start=1)]
    return replace(job, pictures=tuple(pictures))
