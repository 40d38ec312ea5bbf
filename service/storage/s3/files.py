"""Pictures as objects of a bucket: `<folder>/<name>`, the names those of `storage/files.py`.

1. An object is written once: the same name always has the same bytes, so that a second write changes nothing.
2. A picture goes before its derivatives do, and whoever keeps a derivative looks for the picture afterwards: one of the
   two sees the other, and no derivative stays alone.
3. A storage that does not answer is an error, and never the same as a picture that is gone: of that, rows take note.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Collection
from typing import Final, Self

import aiohttp

from service.images import WorkError
from service.storage.files import (
    DERIVATIVES,
    NAME,
    Derivative,
    Files,
    ListedFile,
    OpenRange,
    StoredFile,
    media_type_of,
    mint,
)
from service.storage.s3.bucket import REFUSED, SLOW, Bucket
from service.troubles import storage_error

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 256 * 1024
LOOK_HOLDS_S: Final = 2.0
"""A picture that another replica removed may come from memory so much longer."""


class S3Range(OpenRange):
    """A range of an object, whose bytes come as the server sends them."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_chunked(CHUNK_BYTES):
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("A picture broke off on its way from the bucket: %s", type(error).__name__)

    async def close(self) -> None:
        self._answer.close()


class S3Files(Files):
    """Keeps pictures in a bucket that any number of processes may share."""

    look_holds_s = LOOK_HOLDS_S

    def __init__(self, bucket: Bucket, key: bytes) -> None:
        self._bucket = bucket
        self._key = key

    @classmethod
    async def open(cls, bucket: Bucket, key: bytes) -> Self:
        """Use a bucket, with `key` for names. Raises `WorkError` if it cannot be used.

        An object is written, read and removed: rights that are missing show now, and not after a picture is paid for.
        """
        probe = f"probe-{secrets.token_hex(8)}"
        await bucket.put(probe, b"probe", {"Content-Type": "text/plain"})
        answer = await bucket.open(probe)
        if answer is not None:
            answer.close()
        left = await bucket.delete([probe])
        if answer is None or left:
            raise storage_error("The bucket was tried", REFUSED)
        return cls(bucket, key)

    async def keep(self, owner: str, data: bytes, media_type: str) -> str:
        name = await asyncio.to_thread(mint, self._key, owner, data, media_type)
        await self.keep_named(name, data)
        return name

    async def keep_named(self, name: str, data: bytes) -> None:
        await self._bucket.put(name, data, _headers(name))

    async def keep_derived(self, name: str, derivative: Derivative, data: bytes) -> bool:
        if not await self._holds(name):
            return False
        derived = derivative.of(name)
        await self._bucket.put(derived, data, _headers(derived), replace=True)
        if not await self._holds(name):  # removed meanwhile, perhaps before the derivative was there
            await self._bucket.delete([derived])
            return False
        return True

    async def find(self, name: str) -> StoredFile | None:
        media_type = media_type_of(name)
        size = None if media_type is None else await self._bucket.size_of(name)
        return None if size is None or media_type is None else StoredFile(media_type=media_type, size=size)

    async def read(self, name: str) -> bytes | None:
        answer = await self._bucket.open(name) if media_type_of(name) else None
        if answer is None:
            return None
        async with answer:
            try:
                return await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise storage_error("The picture could not be read", SLOW, error) from error

    async def open_range(self, name: str, span: range) -> OpenRange | None:
        answer = await self._bucket.open(name, span) if media_type_of(name) and span else None
        return None if answer is None else S3Range(answer)

    async def remove(self, names: Collection[str]) -> list[str]:
        ours = [name for name in names if NAME.fullmatch(name)]
        self.removals += 1
        try:
            left = await self._bucket.delete(ours)
            left |= await self._bucket.delete([each.of(name) for name in ours for each in DERIVATIVES])
        except WorkError as error:  # the log has said so
            logger.debug("%d pictures stay: %s", len(ours), error)
            return [name for name in names if name not in ours]
        for name, code in left.items():
            logger.warning("%s cannot be removed from the bucket: %s", name, code)
        kept = {name.partition("~")[0] for name in left}
        return [name for name in names if name not in kept]

    async def listing(self) -> list[ListedFile]:
        return [
            ListedFile(name=each.name, size=each.size, written_at=each.written_at)
            async for each in self._bucket.list()
            if NAME.fullmatch(each.name)
        ]

    async def _holds(self, name: str) -> bool:
        return NAME.fullmatch(name) is not None and await self._bucket.size_of(name) is not None


def _headers(name: str) -> dict[str, str]:
    """Return the headers that a CDN passes on with the object: its bytes never change."""
    media_type = media_type_of(name) or "application/octet-stream"
    return {"Content-Type": media_type, "Cache-Control": "public, max-age=31536000, immutable"}
