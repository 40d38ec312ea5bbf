"""The findings of `doctor` about the bucket of the pictures: an object is written, read and removed again.

The mark of the folder is read, and left as it is.
"""

import secrets
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from service.commands.public_url import Finding, State
from service.images import WorkError
from service.storage.s3 import ownership
from service.storage.s3.bucket import Bucket
from service.storage.s3.files import S3Files
from service.storage_urls import FILES_URL, S3
from service.stores import ANOTHERS

CHECK: Final = "bucket"


async def look_at_bucket(session: aiohttp.ClientSession, place: S3, database: str | None) -> AsyncIterator[Finding]:
    """Yield the findings about a bucket: it takes pictures, and its folder is that of the database of a fingerprint.

    `database` is "" for one that a start would make, and None where its fingerprint cannot be told now.
    """
    bucket = Bucket(session, place)
    try:
        await S3Files.open(bucket, secrets.token_bytes(32))
        owner = await ownership.owner_of(bucket)
    except WorkError as error:
        yield Finding(CHECK, State.FAIL, f"{FILES_URL}: {error}")
        return
    yield Finding(CHECK, State.OK, f"{place.bucket} takes pictures, and gives them back")
    if database is not None and owner not in {None, database}:
        yield Finding(CHECK, State.FAIL, f"{FILES_URL}: {place.shown} {ANOTHERS}")
