"""Arrivals in a bucket of a real server, where other replicas find them."""

import asyncio
import logging
from dataclasses import replace

import aiohttp
import pytest

from service.images import Job, JobState, Picture, WorkError
from service.storage.arrivals import arrival_name
from service.storage.s3.arrivals import FOLDER, S3Arrivals
from service.storage.s3.bucket import Bucket
from service.storage.s3.files import S3Files
from service.troubles import STORAGE
from tests.scale import seaweed

KEY = b"k" * 32
TWO = [Picture(data=b"one", note="it has 1K", source="https://a/1"), Picture(data=b"and two", note="é\n")]
JOB = Job(history_id=7, owner="anna", state=JobState.WORKING, model="m", prompt="p", created_at=0)
FOUR = replace(JOB, history_id=71, parameters={"count": 4})


@pytest.fixture
def arrivals(bucket: Bucket) -> S3Arrivals:
    return S3Arrivals(bucket, KEY)


async def names(bucket: Bucket) -> list[str]:
    return [each.name async for each in bucket.list()]


async def test_what_arrived_at_one_replica_is_read_by_another(arrivals: S3Arrivals, bucket: Bucket) -> None:
    await arrivals.keep(JOB, TWO)
    other = S3Arrivals(bucket, KEY)
    assert await other.read(JOB) == {0: TWO}
    assert await other.listing() == {arrival_name("anna", 7)}


async def test_parts_are_kept_and_read_by_their_numbers(arrivals: S3Arrivals) -> None:
    """Ours: job 7 is not job 71, though its name is a beginning of the other's."""
    await arrivals.keep(FOUR, TWO[:1], 1)
    await arrivals.keep(FOUR, TWO[1:], 3)
    await arrivals.keep(FOUR, TWO, 3)
    assert await arrivals.read(FOUR) == {1: TWO[:1], 3: TWO}
    assert await arrivals.read(JOB) == {}
    assert await arrivals.listing() == {arrival_name("anna", 71)}


async def test_what_is_removed_has_not_arrived_and_leaves_no_object(arrivals: S3Arrivals, bucket: Bucket) -> None:
    await arrivals.keep(FOUR, TWO, 0)
    await arrivals.keep(FOUR, TWO, 2)
    await arrivals.remove(FOUR)
    await arrivals.remove(FOUR)
    assert (await arrivals.read(FOUR), await arrivals.listing(), await names(bucket)) == ({}, frozenset(), [])


async def test_the_arrivals_of_jobs_that_ended_are_removed_and_no_others(arrivals: S3Arrivals) -> None:
    """Ours: a replica that was killed after the row and before the removal leaves them."""
    await arrivals.keep(JOB, TWO)
    await arrivals.keep(FOUR, TWO, 2)
    later = replace(JOB, history_id=8)
    listed = await arrivals.listing()
    await arrivals.keep(later, TWO)  # by another replica, after the look
    await arrivals.remove_ended(listed, [("anna", 71)])
    assert await arrivals.listing() == {arrival_name("anna", 71), arrival_name("anna", 8)}


async def test_nobody_who_knows_owner_and_number_can_guess_the_object(arrivals: S3Arrivals, bucket: Bucket) -> None:
    """Ours: the folder may be open to readers, for a CDN; and what somebody else puts there is none of ours."""
    await arrivals.keep(JOB, TWO)
    await S3Arrivals(bucket, b"another" * 5).keep(FOUR, TWO)
    assert await arrivals.listing() == {arrival_name("anna", 7)}
    assert await arrivals.read(FOUR) == {}
    assert await bucket.open(FOLDER + arrival_name("anna", 7)) is None


async def test_a_damaged_object_is_nothing_that_arrived(
    arrivals: S3Arrivals, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    await arrivals.keep(JOB, TWO)
    [name] = await names(bucket)
    await bucket.put(name, b'[{"size": 2}]\nxx', {}, replace=True)
    assert await arrivals.read(JOB) == {}
    assert "cannot be read" in caplog.text


async def test_pictures_and_arrivals_of_one_folder_do_not_see_each_other(arrivals: S3Arrivals, bucket: Bucket) -> None:
    files = S3Files(bucket, KEY)
    name = await files.keep("anna", b"a picture", "image/png")
    await arrivals.keep(JOB, TWO)
    assert [each.name for each in await files.listing()] == [name]
    await arrivals.remove(JOB)
    assert await names(bucket) == [name]


async def test_megabytes_arrive_whole(arrivals: S3Arrivals) -> None:
    large = [Picture(data=bytes(range(256)) * 20_000, source="https://a/1"), Picture(data=b"x" * 3_000_000)]
    await arrivals.keep(JOB, large)
    assert await arrivals.read(JOB) == {0: large}


async def test_a_bucket_that_is_down_is_not_nothing_that_arrived(
    session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: a job would end without its picture, which is paid for."""
    down = Bucket(session, seaweed.place("http://127.0.0.1:1"), pause=lambda _: asyncio.sleep(0))
    arrivals = S3Arrivals(down, KEY)
    for asked in (arrivals.keep(JOB, TWO), arrivals.read(JOB), arrivals.listing()):
        with pytest.raises(WorkError) as refused:
            await asked
        assert refused.value.kind == STORAGE
    with caplog.at_level(logging.DEBUG):
        await arrivals.remove(JOB)
    assert "Arrivals stay" in caplog.text
