"""The pictures in our keeping: bytes, previews and copies by name."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from service.images import Picture, ReferenceRules
from service.pictures.decoders import DecodeLimits, Decoders
from service.pictures.library import HEIC_PROBLEM, ConversionMemory, Pictures, PreviewMemory
from service.pictures.messages import BadPictureError, ConvertedPicture
from service.profiles import THUMBNAIL_BYTES
from tests.emulators.pictures import jpeg, png
from tests.pictures.samples import corner_marked, encoded, noise, tiff
from tests.reference_fixture import reference_fixture
from tests.store_fixture import StoreFixture, store_fixture


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[StoreFixture]:
    async with store_fixture(tmp_path) as kept:
        yield kept


async def keep(pictures: Pictures, data: bytes) -> str:
    drawn = Picture(data=data, note="1K", source="https://pics.example/1")
    stored = await pictures.keep("anna", drawn, await pictures.examine("anna", data))
    assert (stored.note, stored.source, stored.size) == (drawn.note, drawn.source, len(data))
    return stored.name


async def test_a_kept_picture_is_read_and_shown_again(kept: StoreFixture) -> None:
    name = await keep(kept.pictures, png(3, (64, 32)))
    assert await kept.pictures.read(name) == png(3, (64, 32))
    preview = await kept.pictures.preview("anna", name)
    assert preview is not None
    assert Image.open(io.BytesIO(preview)).size == (64, 32)


async def test_a_picture_whose_bytes_are_gone_has_neither_bytes_nor_copy(kept: StoreFixture) -> None:
    name = await keep(kept.pictures, png(3))
    kept.files.path(name).unlink()
    assert await kept.pictures.read(name) is None
    assert await kept.pictures.preview("anna", name) is None
    assert await kept.pictures.copy("anna", name, 100_000) is None


async def test_a_preview_is_remembered_and_needs_no_file(kept: StoreFixture) -> None:
    """Ours: an answer that shows a picture which was just drawn decodes it no second time."""
    pictures = kept.pictures
    name = await keep(pictures, png(3))
    kept.files.path(name).unlink()
    assert await pictures.preview("anna", name) is not None


@pytest.mark.parametrize("is_new", [True, False], ids=["drawn just now", "looked at again"])
async def test_a_preview_shrinks_to_a_thumbnail_without_a_decoder(kept: StoreFixture, is_new: bool) -> None:
    """Ours: the thumbnail was made when the picture was decoded, and half of all clients take no more than that."""
    pictures = kept.pictures
    name = await keep(pictures, encoded(noise("RGB", (768, 768))))
    if not is_new:
        pictures = replace(pictures, memory=PreviewMemory())
    preview = await pictures.preview("anna", name)
    assert preview is not None
    assert len(preview) > THUMBNAIL_BYTES
    kept.decoders.stop()
    thumbnail = await pictures.shrink("anna", preview, THUMBNAIL_BYTES)
    assert thumbnail is not None
    assert 0 < len(thumbnail) <= THUMBNAIL_BYTES
    with pytest.raises(BadPictureError, match="the server stops"):
        await pictures.shrink("anna", preview, THUMBNAIL_BYTES + 1)


async def test_a_picture_that_is_damaged_on_the_disk_has_no_preview(kept: StoreFixture) -> None:
    """Ours: the other facts of its job are there to be seen."""
    name = await keep(kept.pictures, png(3))
    kept.files.path(name).write_bytes(b"rust")
    assert await kept.pictures.preview("anna", name) is None


@pytest.mark.parametrize(
    ("limit", "shown"), [pytest.param(10**6, True, id="it fits"), pytest.param(0, False, id="no image at all")]
)
async def test_a_preview_shrinks_to_its_limit(kept: StoreFixture, limit: int, shown: bool) -> None:
    preview = (await kept.pictures.examine("anna", png(3, (640, 480)))).preview
    assert (await kept.pictures.shrink("anna", preview, limit) == preview) is shown
    smaller = await kept.pictures.shrink("anna", preview, len(preview) - 1)
    assert smaller is not None
    assert len(smaller) < len(preview)


async def test_a_paid_picture_that_may_not_be_decoded_is_kept_all_the_same(kept: StoreFixture) -> None:
    """Ours: it is paid for, and a browser may well show it. One that is no picture, or damaged, is refused."""
    pictures = Pictures(files=kept.files, decoders=Decoders(DecodeLimits(memory_bytes=1)), url="")
    data = png(3, (64, 32))
    examined = await pictures.examine("anna", data)
    stored = await pictures.keep("anna", Picture(data=data, note="1K"), examined)
    assert (stored.media_type, stored.width, stored.height, stored.size) == ("image/png", 64, 32, len(data))
    assert stored.note.startswith("1K It was not looked at here, and has no preview: it takes about 100 MB of memory")
    assert await pictures.read(stored.name) == data
    assert await pictures.preview("anna", stored.name) is None
    for refused in (b"<html>Bad gateway", png(3, (64, 32))[:40]):
        with pytest.raises(BadPictureError):
            await kept.pictures.examine("anna", refused)


async def test_a_paid_picture_is_kept_when_the_service_stops_before_it_is_decoded(kept: StoreFixture) -> None:
    kept.decoders.stop()
    examined = await kept.pictures.examine("anna", jpeg(3, (64, 32)))
    assert (examined.width, examined.height, examined.preview) == (64, 32, b"")
    assert "the server stops" in examined.note


async def test_a_picture_that_was_converted_is_kept_as_it_is_then(kept: StoreFixture) -> None:
    """Ours: a BMP that is paid for becomes a PNG; size, type and note say so."""
    data = encoded(corner_marked(64, 32), "image/bmp")
    stored = await kept.pictures.keep("anna", Picture(data=data), await kept.pictures.examine("anna", data))
    bytes_kept = await kept.pictures.read(stored.name)
    assert bytes_kept is not None
    assert bytes_kept.startswith(b"\x89PNG")
    assert (stored.media_type, stored.size) == ("image/png", len(bytes_kept))
    assert stored.note == "It came as BMP, and was converted to PNG."


async def test_the_same_picture_has_one_name_for_each_owner(tmp_path: Path) -> None:
    """Ours: a repeated call is known again by it, and nobody learns from it what others have."""
    async with reference_fixture(tmp_path) as at:
        first, again, other = [
            await at.importer.import_picture(owner, png(1, (8, 8))) for owner in ("anna", "anna", "ben")
        ]
        assert (first.fresh, again.fresh, other.fresh) == (True, False, True)
        assert first == replace(again, fresh=True)
        assert other.name != first.name
        assert (await at.store.files_total("anna")).entries == 1


async def test_what_is_kept_is_what_was_examined(tmp_path: Path) -> None:
    """Ours: without metadata, so that the photo with it and without it are the same picture."""
    exif = Image.Exif()
    exif[0x010E] = "at home"
    plain, photo = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "JPEG")
    Image.new("RGB", (8, 8)).save(photo, "JPEG", exif=exif)
    async with reference_fixture(tmp_path) as at:
        taken = await at.importer.import_picture("anna", photo.getvalue())
        assert taken.name == (await at.importer.import_picture("anna", plain.getvalue())).name
        assert await at.files.read(taken.name) == taken.data
        assert await at.store.owns_file("anna", taken.name)
        assert not await at.store.owns_file("ben", taken.name)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"words", "is plain text, not a picture", id="text"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", HEIC_PROBLEM, id="HEIC"),
        pytest.param(jpeg(1, (64, 64))[:-200], "is damaged or cut short", id="cut short"),
        pytest.param(png(1, (20_000, 20_000)), "has more than the 70 million pixels allowed", id="bomb"),
    ],
)
async def test_what_is_no_picture_leaves_nothing_behind(tmp_path: Path, data: bytes, problem: str) -> None:
    async with reference_fixture(tmp_path) as at:
        with pytest.raises(BadPictureError) as caught:
            await at.importer.import_picture("anna", data)
        assert caught.value.problem == problem
        assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
        assert (await at.store.files_total(None)).entries == 0


async def test_a_webp_is_kept_upright(tmp_path: Path) -> None:
    """Ours: browsers turn no WebP, and the link to it is opened in one."""
    held = encoded(corner_marked(40, 20), "image/webp", exif=tiff(6), quality=95)
    async with reference_fixture(tmp_path) as at:
        taken = await at.importer.import_picture("anna", held)
    with Image.open(io.BytesIO(taken.data)) as image:
        assert (taken.media_type, image.size, dict(image.getexif())) == ("image/webp", (20, 40), {})


async def test_a_picture_that_lacks_its_end_is_kept_with_one(tmp_path: Path) -> None:
    """Ours: it goes on to services that are stricter than browsers."""
    whole = jpeg(1, (64, 64))
    async with reference_fixture(tmp_path) as at:
        assert (await at.importer.import_picture("anna", whole[:-2])).data == whole


def test_the_least_recently_used_go_first_when_memory_is_full() -> None:
    """Ours: memory stays bounded, whatever people look at."""
    memory = PreviewMemory(max_bytes=30)
    for name in ("a", "b", "c"):
        memory.remember(name, name.encode() * 10)
    assert memory.find("a") == b"a" * 10
    memory.remember("d", b"d" * 10)
    assert [memory.find(name) is not None for name in "abcd"] == [True, False, True, True]


def test_a_preview_that_is_remembered_twice_counts_once() -> None:
    memory = PreviewMemory(max_bytes=20)
    for _ in range(3):
        memory.remember("a", b"a" * 10)
    memory.remember("b", b"b" * 10)
    assert memory.find("a") == b"a" * 10


def test_a_thumbnail_takes_room_in_memory_and_goes_with_its_preview() -> None:
    memory = PreviewMemory(max_bytes=30)
    memory.remember("a", b"a" * 10, b"a" * 6)
    memory.remember("b", b"b" * 10)
    assert memory.thumbnail_of(b"a" * 10) == b"a" * 6
    memory.remember("c", b"c" * 5)
    assert (memory.find("a"), memory.thumbnail_of(b"a" * 10)) == (None, None)
    assert memory.find("b")


async def test_equal_conversions_at_the_same_time_are_one() -> None:
    """Ours: of several pictures from one photo, each converts it; one that fails is tried by the next."""
    memory, made = ConversionMemory(max_bytes=10), 0
    going_on = asyncio.Event()

    async def convert() -> ConvertedPicture:
        nonlocal made
        made += 1
        await going_on.wait()
        if made == 1:
            raise BadPictureError("picture", "was not decoded", "undecoded")
        return ConvertedPicture(data=b"12345678", media_type="image/png", width=1, height=1)

    keys = [("anna", "a.png", ReferenceRules())] * 3
    asking = [asyncio.create_task(memory.get(key, convert)) for key in keys]
    going_on.set()
    first, *others = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(first, BadPictureError)
    assert (made, {id(each) for each in others}) == (2, {id(others[0])})
    await memory.get(("ben", "a.png", ReferenceRules()), convert)
    await memory.get(keys[0], convert)
    assert made == 4, "of ten bytes one is held"
