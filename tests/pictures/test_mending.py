"""Pictures that browsers show though their last bytes are missing, and such of which too much is missing."""

import io
import zlib
from collections.abc import Mapping

import pytest
from PIL import Image

from service.pictures.containers import png_chunks
from service.pictures.decoding import decode
from service.pictures.mending import mended
from service.pictures.messages import BadPictureError
from service.pictures.sniffing import sniff
from tests.pictures.samples import difference, encoded, photo, png_chunk

PHOTO = photo()
JPEG = encoded(PHOTO, "image/jpeg")
PROGRESSIVE = encoded(PHOTO, "image/jpeg", progressive=True)
PNG = encoded(PHOTO.resize((160, 120)))
INTERLACED_HEADER = 28
"""Position of the method of interlacing in a PNG."""


def with_pixels(data: bytes, pixels: bytes) -> bytes:
    """The PNG with another stream of pixels."""
    at = data.index(b"IDAT") - 4
    return data[:at] + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


PIXELS = b"".join(bytes(chunk.payload) for chunk in png_chunks(PNG) if chunk.kind == b"IDAT")
WHOLE: Mapping[str, bytes] = {
    "image/jpeg": JPEG,
    "image/png": PNG,
    "image/webp": encoded(PHOTO, "image/webp"),
    "image/avif": encoded(PHOTO, "image/avif"),
    "image/gif": encoded(PHOTO.quantize(64), "image/gif"),
}

MENDABLE = {
    "JPEG without its end": JPEG[:-2],
    "JPEG with half of its end": JPEG[:-1],
    "JPEG that lacks some bytes": JPEG[:-12],
    "progressive JPEG without its end": PROGRESSIVE[:-2],
    "progressive JPEG that lacks some bytes": PROGRESSIVE[:-12],
    "progressive JPEG with something else for its end": PROGRESSIVE[:-2] + b"<html>502</html>",
    "PNG without its end": PNG[:-12],
    "PNG that lacks the end of its pixels": PNG[:-30],
    "PNG without the checksum of its pixels": with_pixels(PNG, PIXELS[:-4]),
    "PNG with a wrong checksum of its pixels": with_pixels(PNG, PIXELS[:-4] + b"abcd"),
    "PNG with a wrong checksum beside its pixels": PNG[:-16] + b"abcd" + PNG[-12:],
    "PNG with a text between its pixels": with_pixels(PNG, PIXELS[:99]).replace(
        png_chunk(b"IEND", b""), png_chunk(b"tEXt", b"a\0b") + png_chunk(b"IDAT", PIXELS[99:])
    ),
    "WebP that lacks some bytes": WHOLE["image/webp"][:-4],
    "lossless WebP that lacks some bytes": encoded(PHOTO, "image/webp", lossless=True)[:-4],
    "WebP with a wrong size in its header": WHOLE["image/webp"][:4] + b"\xff\xff\0\0" + WHOLE["image/webp"][8:],
    "AVIF that lacks some bytes": WHOLE["image/avif"][:-4],
    "GIF that lacks some bytes": WHOLE["image/gif"][:-4],
}


@pytest.mark.parametrize("data", MENDABLE.values(), ids=MENDABLE)
def test_a_picture_that_browsers_show_is_taken(data: bytes) -> None:
    """Bug: a paid picture was thrown away for its last two bytes, or for a checksum that no browser asks for."""
    seen = decode(data, lambda _: 1)
    assert difference(seen.picture, PHOTO.resize(seen.picture.size)) < 12


@pytest.mark.parametrize("data", MENDABLE.values(), ids=MENDABLE)
def test_its_readable_form_is_read_by_strict_decoders(data: bytes) -> None:
    """Ours: as a reference it goes on to services that use Pillow themselves."""
    readable = decode(data, lambda _: 1).readable
    with Image.open(io.BytesIO(readable)) as image:
        image.load()
        assert sniff(readable) == f"image/{(image.format or '').lower()}"


@pytest.mark.parametrize("media_type", WHOLE)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_picture_of_which_more_is_missing_is_refused(media_type: str, share: float) -> None:
    """Ours: half a picture is not what was paid for, and the download may be tried again."""
    data = WHOLE[media_type]
    with pytest.raises(BadPictureError, match="damaged or cut short"):
        decode(data[: int(len(data) * share)], lambda _: 1)


def test_a_jpeg_that_lacks_a_scan_is_refused() -> None:
    with pytest.raises(BadPictureError, match="damaged or cut short"):
        decode(PROGRESSIVE[: len(PROGRESSIVE) * 8 // 10], lambda _: 1)


def test_an_interlaced_png_is_counted_by_its_passes() -> None:
    """PNG Third Edition, 8.1: seven passes, each with rows of its own."""
    rows = bytes(7 + 15)  # of 5×3 pixels: seven rows in all passes, each with its filter, and a byte for each pixel
    plain = encoded(Image.new("L", (5, 3)))
    header = bytearray(plain[16:29])
    header[12] = 1
    cut = zlib.compress(rows)[:-4]
    data = plain[:8] + png_chunk(b"IHDR", bytes(header)) + png_chunk(b"IDAT", cut) + png_chunk(b"IEND", b"")
    [whole] = mended(data, "image/png")
    with Image.open(io.BytesIO(whole)) as image:
        image.load()
        assert image.size == (5, 3)


def test_a_bomb_is_inflated_no_further_than_its_header_says() -> None:
    """Attack: a kilobyte of pixels that inflate to gigabytes."""
    bomb = with_pixels(encoded(Image.new("L", (8, 8))), zlib.compress(bytes(50_000_000)))
    [whole] = mended(bomb, "image/png")
    assert len(whole) < 200
