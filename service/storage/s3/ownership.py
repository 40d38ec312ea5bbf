"""The mark of a folder of a bucket: an object that tells which database the pictures there belong to.

Two databases with one folder would remove each other's pictures: those that a history does not know count as left over
there, and the limits apply to them.

1. The mark is put only where there is none, so that of two databases that start at once one has the folder. A server
   without conditions keeps the mark that came last; the other database is refused at its next start.
2. A mark is a fingerprint, since the folder may be open to readers.
3. The replicas of a database have one mark, and so has a copy of it.
"""

from typing import Final

import aiohttp

from service.images import WorkError
from service.storage.s3.bucket import SLOW, Bucket
from service.troubles import STORAGE, storage_error

MARK: Final = "easel-database"
"""The name of the object, which no picture and no arrival can have."""

HEADERS: Final = {"Content-Type": "text/plain", "Cache-Control": "no-store"}


class TakenError(WorkError):
    """The folder belongs to another database. One line."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("the folder belongs to another database", kind=STORAGE)


async def owner_of(bucket: Bucket) -> str | None:
    """Return the fingerprint of the database that has the folder; None where none has it. Raises `WorkError`."""
    answer = await bucket.open(MARK)
    if answer is None:
        return None
    async with answer:
        try:
            return (await answer.text(errors="replace")).strip()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise storage_error("The mark of the bucket's folder could not be read", SLOW, error) from error


async def claim(bucket: Bucket, database: str) -> None:
    """Have the folder belong to the database of this fingerprint. Raises `TakenError`, and any other `WorkError`."""
    owner = await owner_of(bucket)
    if owner is None:
        await bucket.put(MARK, _mark(database), HEADERS)
        owner = await owner_of(bucket)
    if owner != database:
        raise TakenError


async def take_over(bucket: Bucket, database: str) -> None:
    """Have the folder belong to the database of this fingerprint, whichever had it before. Raises `WorkError`."""
    await bucket.put(MARK, _mark(database), HEADERS, replace=True)


def _mark(database: str) -> bytes:
    return f"{database}\n".encode()
