"""References as image services take them: type, orientation, colours and size."""

import io
import zlib

import pytest
from PIL import ExifTags, Image

from service.pictures.colour import SRGB_CURVE, profile_by_numbers
from service.pictures.conversion import CONVERTED_PIXELS, convert, upright_webp
from service.pictures.decoders import Decoders
from service.pictures.messages import BadPictureError
from service.pictures.metadata import stored_orientation
from tests.pictures.samples import (
    RED,
    WHITE,
    corner_marked,
    encoded,
    exif_segment,
    jpeg_with,
    photo,
    png_chunk,
    png_with,
    tiff,
)

USUAL = ("image/png", "image/jpeg", "image/webp")
P3 = profile_by_numbers(12, SRGB_CURVE)
UPRIGHT = corner_marked(40, 80)
HELD = UPRIGHT.transpose(Image.Transpose.ROTATE_90)
"""As a phone stores it with orientation 6."""


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def is_upright(data: bytes) -> bool:
    image = opened(data).convert("RGB")
    corner, other = image.getpixel((4, 4)), image.getpixel((35, 70))
    assert isinstance(corner, tuple)
    assert isinstance(other, tuple)
    return image.size == (40, 80) and corner[1] < 60 < other[1] and not image.getexif()


@pytest.mark.parametrize("media_type", USUAL)
def test_a_picture_of_an_accepted_type_goes_on_as_it_is(media_type: str) -> None:
    data = encoded(photo(), media_type)
    converted = convert(data, USUAL)
    assert (converted.data, converted.media_type) == (data, media_type)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        pytest.param(encoded(photo(), "image/avif"), "image/jpeg", id="AVIF"),
        pytest.param(
            encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "image/avif"), "image/png", id="transparent AVIF"
        ),
        pytest.param(encoded(photo().quantize(8), "image/gif"), "image/png", id="GIF"),
    ],
)
def test_a_picture_of_another_type_is_converted(data: bytes, media_type: str) -> None:
    """Bug: the page took an AVIF, the link was used up, and the model refused the type."""
    converted = convert(data, USUAL)
    assert (converted.media_type, opened(converted.data).size) == (media_type, opened(data).size)
    assert opened(converted.data).format == media_type.removeprefix("image/").upper()


@pytest.mark.parametrize("media_type", USUAL)
def test_a_service_that_takes_png_alone_gets_png(media_type: str) -> None:
    """OpenAI API reference, Create image edit: dall-e-2 takes a PNG of up to 4 MB."""
    converted = convert(encoded(photo(), media_type), ("image/png",))
    assert (converted.media_type, opened(converted.data).format) == ("image/png", "PNG")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg_with(HELD, exif_segment(tiff(6))), id="JPEG"),
        pytest.param(png_with(HELD, png_chunk(b"eXIf", tiff(6))), id="PNG"),
    ],
)
def test_the_orientation_is_turned_into_the_pixels(data: bytes) -> None:
    """Bug: services that read no EXIF changed the picture lying on its side."""
    converted = convert(data, USUAL)
    assert is_upright(converted.data)


def test_an_avif_is_turned_by_its_own_properties() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    assert is_upright(convert(encoded(HELD, "image/avif", exif=exif), USUAL).data)


@pytest.mark.parametrize("lossless", [False, True])
def test_a_kept_webp_has_its_pixels_turned(lossless: bool) -> None:
    """Ours: browsers turn no WebP, so that its page, its preview and the service would show it on its side."""
    held = encoded(HELD, "image/webp", exif=tiff(6), lossless=lossless, quality=95)
    turned = upright_webp(held)
    assert is_upright(turned)
    assert stored_orientation(turned, "image/webp") == 1
    assert (b"VP8L" in turned) is lossless
    assert upright_webp(turned) is turned


def test_an_animated_webp_keeps_its_frames() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, WHITE)]
    animated = encoded(frames[0], "image/webp", save_all=True, append_images=frames[1:], exif=tiff(6))
    assert upright_webp(animated) is animated


def test_colours_of_a_converted_picture_are_srgb() -> None:
    """Ours: the profile is not written, so the values must mean what they say without it."""
    data = encoded(Image.new("RGB", (16, 16), (200, 100, 50)), "image/avif", quality=100, icc_profile=P3)
    converted = opened(convert(data, ("image/png",)).data)
    pixel = converted.getpixel((8, 8))
    assert isinstance(pixel, tuple)
    assert max(abs(a - b) for a, b in zip(pixel, (215, 93, 31), strict=True)) <= 3
    assert "icc_profile" not in converted.info


async def test_a_profile_that_stops_strict_programs_is_applied() -> None:
    """Pillow refuses a PNG with a profile of more than a megabyte, and so do services that use it."""
    large = (len(P3) + 1_500_000).to_bytes(4) + P3[4:] + bytes(1_500_000)
    data = png_with(Image.new("RGB", (16, 16), (200, 100, 50)), png_chunk(b"iCCP", b"a\0\0" + zlib.compress(large)))
    decoders = Decoders()
    converted = opened((await decoders.convert("anna", data, USUAL)).data)
    await decoders.close()
    pixel = converted.getpixel((8, 8))
    assert isinstance(pixel, tuple)
    assert max(abs(a - b) for a, b in zip(pixel[:3], (215, 93, 31), strict=True)) <= 1


def test_what_is_beside_the_picture_does_not_go_on() -> None:
    """Ours: a text of two megabytes stops decoders, and a wrong checksum does."""
    plain = encoded(Image.new("RGB", (8, 8)))
    data = plain[:33] + png_chunk(b"tEXt", b"a secret", wrong=1) + plain[33:]
    assert convert(data, USUAL).data == plain
    assert convert(encoded(photo(), "image/jpeg")[:-2], USUAL).data == encoded(photo(), "image/jpeg")


@pytest.mark.parametrize(("orientation", "size"), [(6, (3072, 4080)), (1, (4080, 3072))])
def test_a_picture_goes_on_with_no_more_pixels_than_a_service_uses(orientation: int, size: tuple[int, int]) -> None:
    """Ours: memory stays bounded, and so do the bytes; services draw from a few megapixels."""
    held = Image.new("RGB", (8160, 6144), (10, 200, 10))
    photo_ = encoded(held, "image/jpeg", quality=60, exif=b"Exif\0\0" + tiff(orientation))
    converted = opened(convert(photo_, USUAL).data)
    assert converted.size == size
    assert converted.width * converted.height <= CONVERTED_PIXELS


def test_a_damaged_picture_is_refused() -> None:
    data = encoded(photo(), "image/jpeg")
    with pytest.raises(BadPictureError, match="damaged or cut short"):
        convert(data[: len(data) // 2], USUAL)
