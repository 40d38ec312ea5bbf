"""Metadata that stays in a picture, and metadata that goes: by pictures that Pillow writes and reads again."""

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from service.pictures.decoding import pillow_format
from service.pictures.metadata import (
    TURNS,
    shown_orientation,
    stored_orientation,
    tiff_block,
    tiff_orientation,
    turned,
    without_metadata,
)
from service.pictures.sniffing import sniff
from tests.emulators.pictures import jpeg, png
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
"""Broken EXIF; `Previews` does the same in the service."""

TYPES = ["image/jpeg", "image/png", "image/webp"]
SECRETS = (b"Canon", b"Anna was here", b"48.85", b"xpacket", b"thumbnail")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<?xpacket begin='' ?><x:xmpmeta xmlns:x='adobe:ns:meta/'>Anna was here</x:xmpmeta>"


def photo(media_type: str, orientation: int = 1, **options: Any) -> bytes:
    """A gradient with all that a phone writes beside it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSAreaInformation] = b"48.85"
    if media_type == "image/png":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "Anna was here")
        text.add_itxt("XML:com.adobe.xmp", "xpacket", zip=False)
        options["pnginfo"] = text
    else:
        options |= {"xmp": XMP, **({"comment": b"Anna was here"} if media_type == "image/jpeg" else {})}
    out = io.BytesIO()
    picture = Image.linear_gradient("L").resize((96, 64)).convert("RGB")
    picture.save(out, pillow_format(media_type), exif=exif, icc_profile=PROFILE, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("media_type", TYPES)
@pytest.mark.parametrize("orientation", [1, 6])
def test_nothing_private_is_left_and_the_picture_is_the_same(media_type: str, orientation: int) -> None:
    """Ours: a photo's place must reach neither an image service nor whoever opens the link."""
    data = photo(media_type, orientation)
    assert [secret for secret in SECRETS if secret in data]
    stripped = without_metadata(data, media_type)
    assert not [secret for secret in SECRETS if secret in stripped]
    before, after = opened(data), opened(stripped)
    assert after.tobytes() == before.tobytes()
    assert after.info["icc_profile"] == PROFILE
    has_orientation = orientation != 1 and media_type != "image/webp"  # browsers turn no WebP
    assert dict(after.getexif()) == ({ExifTags.Base.Orientation: orientation} if has_orientation else {})


@pytest.mark.parametrize("media_type", TYPES)
def test_doing_it_twice_changes_nothing_more(media_type: str) -> None:
    """Ours: the same photo sent twice has the same name, so that it is paid for once."""
    once = without_metadata(photo(media_type, 3), media_type)
    assert without_metadata(once, media_type) == once


def test_a_progressive_photo_with_restarts_keeps_every_scan() -> None:
    """ITU T.81: several scans, each with tables of its own before it."""
    data = photo("image/jpeg", progressive=True, restart_marker_rows=1)
    assert data.count(b"\xff\xda") > 1
    assert opened(without_metadata(data, "image/jpeg")).tobytes() == opened(data).tobytes()


def test_a_second_picture_behind_the_first_is_left_out() -> None:
    """Ours: phones put a brightness map behind the photo, with an EXIF block of its own."""
    data = photo("image/jpeg")
    stripped = without_metadata(data + photo("image/jpeg", 6), "image/jpeg")
    assert stripped == without_metadata(data, "image/jpeg")


def test_filling_bytes_before_a_marker_are_no_mistake() -> None:
    """ITU T.81, B.1.1.2: any marker may optionally be preceded by any number of fill bytes X'FF'."""
    data = jpeg(1, (8, 8))
    padded = data[:2] + b"\xff\xff\xff" + data[2:]
    assert without_metadata(padded, "image/jpeg") == without_metadata(data, "image/jpeg")


def test_an_animation_keeps_its_frames() -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], xmp=XMP)
    stripped = without_metadata(out.getvalue(), "image/webp")
    assert len(stripped) < len(out.getvalue())
    with Image.open(io.BytesIO(stripped)) as image:
        assert getattr(image, "n_frames", 1) == 3


@pytest.mark.parametrize("media_type", ["image/gif", "image/avif", "text/plain"])
def test_what_is_not_known_stays_as_it_is(media_type: str) -> None:
    assert without_metadata(b"anything", media_type) == b"anything"


@pytest.mark.parametrize("media_type", TYPES)
@given(data=st.data())
def test_broken_pictures_raise_nothing(media_type: str, data: st.DataObject) -> None:
    """Ours: whatever it is comes back, and whoever examines it says what is wrong."""
    whole = photo(media_type, 6)
    cut = data.draw(st.integers(0, len(whole)))
    at = data.draw(st.integers(0, 400))
    broken = bytearray(whole[:cut])
    broken[at : at + 4] = struct.pack(">I", data.draw(st.integers(0, 2**32 - 1)))
    without_metadata(bytes(broken), media_type)


def test_a_large_photo_takes_milliseconds() -> None:
    """Ours: scans are searched, not walked."""
    noise = Image.merge("RGB", [Image.effect_noise((3000, 2000), 80) for _ in range(3)])
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=95)
    data = out.getvalue()
    assert without_metadata(data, "image/jpeg") == data


def test_a_png_with_no_end_is_given_one() -> None:
    """Ours: browsers show it, and not every image service reads it."""
    data = png(1, (8, 8))
    assert without_metadata(data[:-12], "image/png") == without_metadata(data, "image/png")


def chunk(kind: bytes, payload: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload) ^ wrong)


@pytest.mark.parametrize(
    "side_part",
    [
        pytest.param(chunk(b"tEXt", b"Software\0Meitu", wrong=1), id="text with a wrong checksum"),
        pytest.param(chunk(b"gAMA", struct.pack(">I", 45455), wrong=1), id="gamma with a wrong checksum"),
        pytest.param(chunk(b"sRGB", b""), id="sRGB of no length"),
        pytest.param(chunk(b"cHRM", bytes(31)), id="chromaticities of a wrong length"),
        pytest.param(chunk(b"iCCP", b"big\0\0" + zlib.compress(bytes(2_000_000))), id="a large profile that is none"),
        pytest.param(chunk(b"iCCP", b"cut\0\0" + zlib.compress(PROFILE[:-9])), id="a profile that is cut"),
        pytest.param(chunk(b"iCCP", b""), id="no profile at all"),
        pytest.param(chunk(b"zTXt", b"big\0\0" + zlib.compress(bytes(2_000_000))), id="a large text"),
        pytest.param(chunk(b"iTXt", b"big\0\0\0\0\0" + b"a" * 2_000_000), id="a large plain text"),
        pytest.param(chunk(b"prVt", b"somebody's own"), id="a chunk that nobody knows"),
        pytest.param(chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x05"), id="broken EXIF"),
    ],
)
def test_a_side_chunk_that_stops_decoders_is_left_out(side_part: bytes) -> None:
    """Bug: the file was opened by Pillow first, which refused it, so that the chunk could not be left out."""
    plain = png(1, (8, 8))
    assert without_metadata(plain[:33] + side_part + plain[33:], "image/png") == plain


@pytest.mark.parametrize("payload", [b"JFIF\0", b"ICC_PROFILE\0", b"ICC_PROFILE\0\x01\x03abc", b"Adobe", b"MPF\0MM"])
def test_a_side_segment_that_stops_decoders_is_left_out(payload: bytes) -> None:
    marker = {b"JFIF": b"\xe0", b"Adob": b"\xee"}.get(payload[:4], b"\xe2")
    plain = jpeg(1, (8, 8))
    segment = b"\xff" + marker + struct.pack(">H", len(payload) + 2) + payload
    assert without_metadata(plain[:2] + segment + plain[2:], "image/jpeg") == plain


@pytest.mark.parametrize("media_type", TYPES)
def test_an_orientation_in_xmp_counts_nowhere(media_type: str) -> None:
    """Bug: a stale one, left behind by a program that had turned the pixels, was written as EXIF into the kept file."""
    stale = XMP.replace(b"Anna was here", b'<rdf:Description tiff:Orientation="6"/>')
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", stale.decode())
    options: dict[str, Any] = {"pnginfo": text} if media_type == "image/png" else {"xmp": stale}
    out = io.BytesIO()
    Image.new("RGB", (8, 4)).save(out, pillow_format(media_type), **options)
    assert b"Orientation" in out.getvalue()
    assert not opened(without_metadata(out.getvalue(), media_type)).getexif()


def test_nothing_is_decoded_to_strip_it() -> None:
    """Bug: a PNG of 340 kB took 340 MB before its pixels were counted, as often at once as somebody sent one.

    EXIF behind the pixels is found by decoding them; before them it is read with the head.
    """
    data = photo("image/png", orientation=6)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4])
    behind = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert opened(behind).getexif()[ExifTags.Base.Orientation] == 6
    assert b"eXIf" in without_metadata(data, "image/png")
    assert b"eXIf" not in without_metadata(behind, "image/png")


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
