"""The pictures in our keeping: bytes, previews and copies by name."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from service.images import Picture
from service.pictures.decoding import BadPictureError
from service.pictures.library import HEIC_PROBLEM, Pictures
from tests.emulators.pictures import jpeg, png
from tests.pictures.samples import corner_marked, encoded, tiff
from tests.reference_fixture import reference_fixture
from tests.store_fixture import StoreFixture, store_fixture


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[StoreFixture]:
    async with store_fixture(tmp_path) as kept:
        yield kept


async def keep(pictures: Pictures, data: bytes) -> str:
    drawn = Picture(data=data, note="1K", source="https://pics.example/1")
    stored = await pictures.keep("anna", drawn, await pictures.examine(data))
    assert (stored.note, stored.source, stored.size) == (drawn.note, drawn.source, len(data))
    return stored.name


async def test_a_kept_picture_is_read_and_shown_again(kept: StoreFixture) -> None:
    name = await keep(kept.pictures, png(3, (64, 32)))
    assert await kept.pictures.read(name) == png(3, (64, 32))
    preview = await kept.pictures.preview(name)
    assert preview is not None
    assert Image.open(io.BytesIO(preview)).size == (64, 32)


async def test_a_picture_whose_bytes_are_gone_has_neither_bytes_nor_copy(kept: StoreFixture) -> None:
    name = await keep(kept.pictures, png(3))
    kept.files.path(name).unlink()
    assert await kept.pictures.read(name) is None
    assert await kept.pictures.preview(name) is None
    assert await kept.pictures.copy(name, 100_000) is None


async def test_a_preview_is_remembered_and_needs_no_file(kept: StoreFixture) -> None:
    """Ours: an answer that shows a picture which was just drawn decodes it no second time."""
    pictures = kept.pictures
    name = await keep(pictures, png(3))
    kept.files.path(name).unlink()
    assert await pictures.preview(name) is not None


async def test_a_picture_that_is_damaged_on_the_disk_has_no_preview(kept: StoreFixture) -> None:
    """Ours: the other facts of its job are there to be seen."""
    name = await keep(kept.pictures, png(3))
    kept.files.path(name).write_bytes(b"rust")
    assert await kept.pictures.preview(name) is None


@pytest.mark.parametrize(
    ("limit", "shown"), [pytest.param(10**6, True, id="it fits"), pytest.param(0, False, id="no image at all")]
)
async def test_a_preview_shrinks_to_its_limit(kept: StoreFixture, limit: int, shown: bool) -> None:
    preview = (await kept.pictures.examine(png(3, (640, 480)))).preview
    assert (await kept.pictures.shrink(preview, limit) == preview) is shown
    smaller = await kept.pictures.shrink(preview, len(preview) - 1)
    assert smaller is not None
    assert len(smaller) < len(preview)


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
