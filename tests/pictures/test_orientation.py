"""Orientation by the rules of browsers. Each case was seen in Chromium; `test_as_browsers_show.py` sees some again."""

import io

import pytest
from PIL import ExifTags, Image

from service.pictures.orientation import (
    TURNS,
    shown_orientation,
    stored_orientation,
    tiff_block,
    tiff_orientation,
    turned,
)
from service.pictures.sniffing import sniff
from tests.pictures.samples import (
    corner_marked,
    encoded,
    exif_segment,
    jpeg_with,
    png_chunk,
    png_with,
    tiff,
    xmp,
    xmp_segment,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
"""Broken EXIF; the service strips it before Pillow sees it."""

WIDE = corner_marked(40, 20)


def shown(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return shown_orientation(data, sniff(data) or "", image)


@pytest.mark.parametrize(
    ("data", "orientation"),
    [
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(6))), 6, id="EXIF"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(6, order="<"))), 6, id="EXIF of the other byte order"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(6, kind=4))), 1, id="as LONG"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(6, kind=1))), 1, id="as BYTE"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(6, count=2))), 1, id="two of them"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(9))), 1, id="9"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(0))), 1, id="0"),
        pytest.param(jpeg_with(WIDE, xmp_segment(6)), 1, id="XMP alone"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(1)), xmp_segment(6)), 1, id="EXIF upright, XMP stale"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(6)), xmp_segment(1)), 6, id="EXIF turned, XMP upright"),
        pytest.param(jpeg_with(WIDE, exif_segment(tiff(6)), exif_segment(tiff(1))), 6, id="the first EXIF of two"),
        pytest.param(jpeg_with(WIDE, exif_segment(b"MM\0*"), exif_segment(tiff(6))), 1, id="broken EXIF first"),
        pytest.param(png_with(WIDE, png_chunk(b"eXIf", tiff(6))), 6, id="PNG"),
        pytest.param(png_with(WIDE, png_chunk(b"eXIf", b"Exif\0\0" + tiff(6))), 1, id="PNG with the header of a JPEG"),
        pytest.param(encoded(WIDE)[:-12] + png_chunk(b"eXIf", tiff(6)) + encoded(WIDE)[-12:], 1, id="PNG, behind"),
        pytest.param(png_with(WIDE, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))), 1, id="PNG, XMP"),
        pytest.param(encoded(WIDE, "image/webp", exif=tiff(6)), 1, id="WebP"),
        pytest.param(encoded(WIDE, "image/webp", xmp=xmp(6)), 1, id="WebP, XMP"),
        pytest.param(encoded(WIDE, "image/gif"), 1, id="GIF"),
        pytest.param(encoded(WIDE, "image/avif", xmp=xmp(6)), 1, id="AVIF, XMP"),
    ],
)
def test_the_orientation_is_that_of_browsers(data: bytes, orientation: int) -> None:
    """Bug: a stale XMP orientation turned the preview, and a LONG one did, which no browser reads."""
    assert shown(data) == orientation


@pytest.mark.parametrize("orientation", TURNS)
def test_avif_is_turned_by_its_own_properties(orientation: int) -> None:
    """ISO/IEC 23008-12, 6.5.10 and 6.5.12: `irot` and `imir`, in which Pillow writes an orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    assert shown(encoded(WIDE, "image/avif", exif=exif)) == orientation


def test_a_webp_says_how_it_was_held_though_browsers_do_not_ask() -> None:
    """Ours: a reference that is kept is turned by it."""
    assert stored_orientation(encoded(WIDE, "image/webp", exif=tiff(6)), "image/webp") == 6
    assert stored_orientation(encoded(WIDE, "image/webp", exif=b"Exif\0\0" + tiff(8)), "image/webp") == 8


@pytest.mark.parametrize("orientation", TURNS)
def test_a_block_says_what_was_written(orientation: int) -> None:
    assert tiff_orientation(tiff_block(orientation)) == orientation


@pytest.mark.parametrize(
    "block", [b"", b"MM", b"II*\0", b"MM\0*\0\0\0\x08\0\x09\x01\x12\0\x03", b"MM\0*\xff\xff\xff\xff"]
)
def test_a_broken_block_is_upright(block: bytes) -> None:
    assert tiff_orientation(block) == 1


def test_turning_is_what_a_browser_does() -> None:
    """Exif 2.32, 4.6.4 A: 6 is "0th row: visual right-hand side": the picture is turned clockwise."""
    picture = turned(WIDE, 6)
    assert (picture.size, picture.getpixel((18, 2)), picture.getpixel((2, 2))) == ((20, 40), (255, 0, 0), (255,) * 3)
    assert turned(WIDE, 1) is WIDE
