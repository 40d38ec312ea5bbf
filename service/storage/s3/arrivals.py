"""Arrivals as objects of a bucket, so that any replica finishes the job of one that died: `<folder>/arrived/<name>`.

1. An object has the name of its part and a signature of it, since the folder of pictures may be open to readers: the
   name alone, of an owner who is known and a small number, could be guessed.
2. To keep is one request, to read a job is one and one for each part that is there, to remove is one.
3. A bucket that does not answer is an error, and never the same as nothing that arrived: of that a job would end.
"""

import asyncio
import hmac
import io
import logging
import re
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

import aiohttp

from service.images import Job, Picture, WorkError
from service.storage.arrivals import NAME, arrival_name, packed, part_name, unpacked
from service.storage.files import Arrivals
from service.storage.s3.bucket import SLOW, Bucket
from service.troubles import storage_error

logger = logging.getLogger(__name__)

FOLDER: Final = "arrived/"
SIGNED: Final = re.compile(rf"({NAME.pattern})-([0-9a-f]{{32}})")
HEADERS: Final = {"Content-Type": "application/octet-stream"}


class S3Arrivals(Arrivals):
    """Keeps what arrived in a bucket that any number of processes may share."""

    def __init__(self, bucket: Bucket, key: bytes) -> None:
        self._bucket = bucket
        self._key = key

    async def keep(self, job: Job, pictures: Sequence[Picture], part: int = 0) -> None:
        data = await asyncio.to_thread(lambda: b"".join(packed(pictures)))
        await self._bucket.put(self._object_of(part_name(job.owner, job.history_id, part)), data, HEADERS, replace=True)

    async def read(self, job: Job) -> dict[int, list[Picture]]:
        names = {part_name(job.owner, job.history_id, part): part for part in range(job.count)}
        listed = [each async for each in self._names(arrival_name(job.owner, job.history_id)) if each in names]
        read = {names[name]: await self._read(name) for name in listed}
        return {part: pictures for part, pictures in read.items() if pictures}

    async def remove(self, job: Job) -> None:
        await self._remove([part_name(job.owner, job.history_id, part) for part in range(job.count)])

    async def listing(self) -> frozenset[str]:
        return frozenset([_job_of(each) async for each in self._names()])

    async def remove_ended(self, names: Collection[str], working: Collection[tuple[str, int]]) -> None:
        ended = frozenset(names) - {arrival_name(owner, history_id) for owner, history_id in working}
        if ended:
            await self._remove([each async for each in self._names() if _job_of(each) in ended])

    async def _names(self, beginning: str = "") -> AsyncIterator[str]:
        """Yield the names of parts that begin so; what somebody else put there is passed over."""
        async for each in self._bucket.list(FOLDER + beginning):
            found = SIGNED.fullmatch(each.name.removeprefix(FOLDER))
            if found is not None and self._object_of(found[1]) == each.name:
                yield found[1]

    async def _read(self, name: str) -> list[Picture]:
        answer = await self._bucket.open(self._object_of(name))
        if answer is None:  # removed meanwhile
            return []
        async with answer:
            try:
                data = await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise storage_error("What arrived could not be read", SLOW, error) from error
        return await asyncio.to_thread(unpacked, io.BytesIO(data), name)

    async def _remove(self, names: Collection[str]) -> None:
        try:
            left = await self._bucket.delete([self._object_of(name) for name in names])
        except WorkError as error:  # the next start removes it
            logger.debug("Arrivals stay: %s", error)
            return
        for name, code in left.items():
            logger.warning("%s cannot be removed from the bucket: %s", name, code)

    def _object_of(self, name: str) -> str:
        return f"{FOLDER}{name}-{hmac.digest(self._key, name.encode(), 'sha256').hex()[:32]}"


def _job_of(name: str) -> str:
    return name.partition(".")[0]
