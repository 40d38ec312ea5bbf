"""What is taken into our keeping, and what is not."""

import io
from pathlib import Path

import pytest
from PIL import Image

from service.pictures.decoding import BadPictureError
from service.pictures.importer import HEIC_PROBLEM
from tests.emulators.pictures import jpeg, png
from tests.pictures.samples import corner_marked, encoded, tiff
from tests.reference_fixture import reference_fixture


async def test_the_same_picture_has_one_name_for_each_owner(tmp_path: Path) -> None:
    """Ours: a repeated call is known again by it, and nobody learns from it what others have."""
    async with reference_fixture(tmp_path) as at:
        first, again, other = [
            await at.importer.import_picture(owner, png(1, (8, 8))) for owner in ("anna", "anna", "ben")
        ]
        assert first == again
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
        assert taken == await at.importer.import_picture("anna", plain.getvalue())
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
