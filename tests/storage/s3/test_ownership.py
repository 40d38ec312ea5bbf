"""The mark that says which database has a folder of a bucket, on a real server."""

import asyncio

import aiohttp
import pytest

from service.images import WorkError
from service.storage.s3 import ownership
from service.storage.s3.bucket import Bucket
from service.storage.s3.files import S3Files
from service.storage_urls import S3
from tests.scale import seaweed

OURS = "0123456789abcdef" * 2
THEIRS = "fedcba9876543210" * 2


async def test_a_folder_belongs_to_the_first_that_claims_it(bucket: Bucket) -> None:
    assert await ownership.owner_of(bucket) is None
    await ownership.claim(bucket, OURS)
    await ownership.claim(bucket, OURS)
    with pytest.raises(ownership.TakenError, match="belongs to another database"):
        await ownership.claim(bucket, THEIRS)
    assert await ownership.owner_of(bucket) == OURS


async def test_of_two_that_claim_it_at_once_one_has_it(bucket: Bucket) -> None:
    """Ours: two installations that were copied from one may start with the same machine."""
    ended = await asyncio.gather(*(ownership.claim(bucket, each) for each in (OURS, THEIRS)), return_exceptions=True)
    assert [type(each) for each in ended if each is not None] == [ownership.TakenError]


async def test_a_folder_can_be_taken_over(bucket: Bucket) -> None:
    await ownership.claim(bucket, THEIRS)
    await ownership.take_over(bucket, OURS)
    await ownership.claim(bucket, OURS)
    with pytest.raises(ownership.TakenError):
        await ownership.claim(bucket, THEIRS)


async def test_another_folder_of_the_bucket_is_another_ones(
    bucket: Bucket, session: aiohttp.ClientSession, server: str, place: S3
) -> None:
    await ownership.claim(bucket, THEIRS)
    await ownership.claim(Bucket(session, seaweed.place(server, f"{place.prefix}deeper/")), OURS)
    assert await ownership.owner_of(bucket) == THEIRS


async def test_the_mark_is_no_picture(bucket: Bucket) -> None:
    """Ours: it is neither listed nor counted, and no limit removes it."""
    await ownership.claim(bucket, OURS)
    files = S3Files(bucket, b"k" * 32)
    assert await files.listing() == []
    assert await files.remove([ownership.MARK]) == [ownership.MARK], "it leads to no picture"
    assert await files.read(ownership.MARK) is None
    assert await ownership.owner_of(bucket) == OURS


async def test_a_bucket_that_is_down_is_not_a_folder_of_nobody(session: aiohttp.ClientSession) -> None:
    down = Bucket(session, seaweed.place("http://127.0.0.1:1"), pause=lambda _: asyncio.sleep(0))
    for asked in (ownership.owner_of(down), ownership.claim(down, OURS), ownership.take_over(down, OURS)):
        with pytest.raises(WorkError) as refused:
            await asked
        assert not isinstance(refused.value, ownership.TakenError)
