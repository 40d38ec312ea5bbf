"""Pictures in a bucket of a real server, by the contract of `Files`."""

import asyncio
import logging

import aiohttp
import pytest

from service.images import EXTENSIONS, WorkError
from service.storage.files import DERIVATIVES, mint
from service.storage.s3.bucket import Bucket
from service.storage.s3.files import S3Files
from service.troubles import STORAGE
from tests.scale import seaweed

KEY = b"k" * 32
PNG = b"\x89PNG and the rest"
NAME = "0123456789abcdef0123456789abcdef.png"


@pytest.fixture
async def files(bucket: Bucket) -> S3Files:
    return await S3Files.open(bucket, KEY)


async def names(bucket: Bucket) -> list[str]:
    return [each.name async for each in bucket.list()]


@pytest.mark.parametrize("media_type", EXTENSIONS)
async def test_what_was_kept_is_found(files: S3Files, media_type: str) -> None:
    name = await files.keep("local", PNG, media_type)
    found = await files.find(name)
    assert found is not None
    assert (name, await files.read(name), found.media_type, found.size) == (
        mint(KEY, "local", PNG, media_type),
        PNG,
        media_type,
        len(PNG),
    )


async def test_opening_leaves_nothing(files: S3Files, bucket: Bucket) -> None:
    assert await files.listing() == []
    assert await names(bucket) == []


async def test_an_object_has_the_type_of_its_picture(files: S3Files, bucket: Bucket) -> None:
    """Ours: a person who looks into the bucket sees pictures."""
    name = await files.keep("local", PNG, "image/webp")
    answer = await bucket.open(name)
    assert answer is not None
    assert answer.content_type == "image/webp"
    answer.close()


async def test_the_same_bytes_at_once_are_one_picture(files: S3Files, bucket: Bucket) -> None:
    kept = await asyncio.gather(*(files.keep("local", PNG, "image/png") for _ in range(8)))
    assert await names(bucket) == [kept[0]]
    assert len(set(kept)) == 1


@pytest.mark.parametrize("name", ["", "x", NAME.upper(), "../" + NAME, NAME + "~7.webp", NAME.replace("png", "svg")])
async def test_a_name_of_another_form_is_none(files: S3Files, name: str) -> None:
    assert (await files.find(name), await files.read(name), await files.open_range(name, range(1))) == (
        None,
        None,
        None,
    )


async def test_a_name_of_nothing_is_none(files: S3Files) -> None:
    assert (await files.find(NAME), await files.read(NAME), await files.open_range(NAME, range(1))) == (
        None,
        None,
        None,
    )


async def test_a_range_is_given_in_pieces(files: S3Files) -> None:
    data = bytes(range(256)) * 4_000
    name = await files.keep("local", data, "image/png")
    for span in (range(len(data)), range(10, 700_000), range(len(data) - 1, len(data)), range(5, len(data) + 9)):
        opened = await files.open_range(name, span)
        assert opened is not None
        async with opened:
            assert b"".join([chunk async for chunk in opened.chunks()]) == data[span.start : span.stop]


async def test_a_reader_who_leaves_early_leaves_no_connection_in_use(
    files: S3Files, session: aiohttp.ClientSession
) -> None:
    name = await files.keep("local", bytes(3_000_000), "image/png")
    opened = await files.open_range(name, range(3_000_000))
    assert opened is not None
    async with opened:
        async for _ in opened.chunks():
            break
    assert session.connector is not None
    assert not session.connector._acquired


async def test_what_was_removed_is_gone_with_its_derivatives_and_the_rest_stays(files: S3Files, bucket: Bucket) -> None:
    gone, stays = [await files.keep("local", data, "image/png") for data in (PNG, PNG + b"!")]
    for each in DERIVATIVES:
        assert await files.keep_derived(gone, each, b"small")
        assert await files.keep_derived(stays, each, b"small")
    assert await files.remove([gone, NAME, "no name"]) == [gone, NAME, "no name"]
    assert await names(bucket) == sorted([stays, *(each.of(stays) for each in DERIVATIVES)])


async def test_of_a_picture_that_is_not_there_no_derivative_is_kept(files: S3Files, bucket: Bucket) -> None:
    assert not await files.keep_derived(NAME, DERIVATIVES[0], b"small")
    assert await names(bucket) == []


async def test_a_derivative_that_comes_after_its_picture_went_is_taken_away(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: another replica may remove the picture between the look and the write."""
    files = S3Files(bucket, KEY)
    name = await files.keep("local", PNG, "image/png")
    put = bucket.put

    async def removed_before(name_: str, data: bytes, headers: dict[str, str], *, replace: bool = False) -> None:
        await files.remove([name])
        await put(name_, data, headers, replace=replace)

    monkeypatch.setattr(bucket, "put", removed_before)
    assert not await files.keep_derived(name, DERIVATIVES[0], b"small")
    assert await names(bucket) == []


async def test_the_listing_holds_every_picture_and_nothing_else(files: S3Files, bucket: Bucket) -> None:
    name = await files.keep("local", PNG, "image/png")
    await files.keep_derived(name, DERIVATIVES[0], b"small")
    await bucket.put("notes.txt", b"somebody's", {"Content-Type": "text/plain"})
    assert [(each.name, each.size) for each in await files.listing()] == [(name, len(PNG))]


async def test_a_bucket_that_is_down_is_no_picture_that_is_gone(
    session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: the history takes note of a picture that is gone; that must not come from a network that is down."""
    files = S3Files(Bucket(session, seaweed.place("http://127.0.0.1:1"), pause=lambda _: asyncio.sleep(0)), KEY)
    for asked in (files.keep("a", PNG, "image/png"), files.find(NAME), files.read(NAME), files.listing()):
        with pytest.raises(WorkError) as down:
            await asked
        assert down.value.kind == STORAGE
    with caplog.at_level(logging.DEBUG):
        assert await files.remove([NAME, "no name"]) == ["no name"]


async def test_a_key_without_rights_stops_the_start(session: aiohttp.ClientSession, server: str) -> None:
    with pytest.raises(WorkError, match="refuses the key"):
        await S3Files.open(Bucket(session, seaweed.place(server, secret_key="another")), KEY)
