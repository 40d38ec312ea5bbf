"""The finding of `doctor` about the bucket of the pictures: an object is written, read and removed again."""

import secrets

import aiohttp

from service.commands.public_url import Finding, State
from service.images import WorkError
from service.storage.s3.bucket import Bucket
from service.storage.s3.files import S3Files
from service.storage_urls import S3


async def look_at_bucket(session: aiohttp.ClientSession, place: S3) -> Finding:
    """Return the finding about a bucket: it takes pictures, or why it does not."""
    try:
        await S3Files.open(Bucket(session, place), secrets.token_bytes(32))
    except WorkError as error:
        return Finding("bucket", State.FAIL, f"EASEL_FILES_URL: {error}")
    return Finding("bucket", State.OK, f"{place.bucket} takes pictures, and gives them back")
