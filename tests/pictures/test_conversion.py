"""References as image services take them: type, orientation, colours and size."""

import io
import zlib

import pytest
from PIL import ExifTags, Image, ImageCms

from service.images import ReferenceRules
from service.pictures.colour import SRGB_CURVE, profile_by_numbers
from service.pictures.conversion import CONVERTED_PIXELS, LOSSLESS_PIXELS, convert, upright_webp
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
    noise,
    opened,
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
        pytest.param(encoded(photo(), "image/avif"), "image/png", id="AVIF"),
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
    converted = opened((await decoders.convert("anna", data, ReferenceRules(types=USUAL))).data)
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


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """A file of Pillow's type."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pixel(data: bytes, at: tuple[int, int] = (8, 8)) -> tuple[int, ...]:
    value = opened(data).convert("RGBA").getpixel(at)
    assert isinstance(value, tuple)
    return value


def is_near(one: tuple[int, ...], other: tuple[int, ...], most: int = 3) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= most


SHORT = (200, 100, 50)
IN_P3 = Image.new("RGB", (16, 16), SHORT)
SRGB_OF_P3 = (215, 93, 31, 255)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(saved(IN_P3, "PNG", icc_profile=P3), SRGB_OF_P3, id="P3 PNG"),
        pytest.param(saved(IN_P3, "JPEG", quality=100, subsampling=0, icc_profile=P3), SRGB_OF_P3, id="P3 JPEG"),
        pytest.param(saved(IN_P3, "WEBP", lossless=True, icc_profile=P3), SRGB_OF_P3, id="P3 WebP"),
        pytest.param(
            png_with(IN_P3, png_chunk(b"gAMA", (100_000).to_bytes(4))), (229, 168, 123, 255), id="linear PNG by gAMA"
        ),
        pytest.param(
            saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100), (254, 0, 0, 255), id="CMYK JPEG"
        ),
        pytest.param(saved(Image.new("I;16", (16, 16), 0x8080), "PNG"), (128, 128, 128, 255), id="16-bit PNG"),
    ],
)
def test_what_programs_read_in_several_ways_goes_on_in_srgb(data: bytes, expected: tuple[int, ...]) -> None:
    """Bug: its own bytes went on, and services that know no profiles, inks or 16 bits drew from other colours."""
    converted = convert(data, USUAL)
    image = opened(converted.data)
    assert (image.mode in {"RGB", "RGBA"}, image.info.get("icc_profile")) == (True, None)
    assert is_near(pixel(converted.data), expected)
    assert converted.media_type == "image/png", "nothing is lost on the way"
    assert (converted.width, converted.height) == image.size


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            saved(photo(), "JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
            id="JPEG with the profile of sRGB",
        ),
        pytest.param(saved(photo().convert("L"), "JPEG"), id="grey JPEG"),
        pytest.param(saved(photo().convert("L"), "PNG"), id="grey PNG"),
        pytest.param(saved(photo().quantize(16), "PNG", transparency=3), id="palette PNG with a transparent colour"),
        pytest.param(saved(Image.new("RGBA", (16, 16), (1, 2, 3, 4)), "PNG"), id="transparent PNG"),
        pytest.param(saved(Image.new("RGBA", (16, 16), (1, 2, 3, 4)), "WEBP"), id="transparent WebP"),
    ],
)
def test_what_everybody_reads_alike_goes_on_byte_for_byte(data: bytes) -> None:
    """Ours: many a photo has the profile of sRGB itself, and encoding it anew would lose something for nothing."""
    converted = convert(data, USUAL)
    assert converted.data == data


def test_a_phones_photo_with_several_pictures_goes_on_as_its_first() -> None:
    """Android and cameras append further pictures, depth maps and brighter versions (MPO)."""
    first, second = photo(), photo(80, 60)
    converted = convert(saved(first, "MPO", save_all=True, append_images=[second], quality=90), USUAL)
    assert (converted.media_type, opened(converted.data).format) == ("image/jpeg", "JPEG")
    assert opened(converted.data).size == first.size


RED_THEN_WHITE = [Image.new("RGB", (16, 16), each) for each in (RED, WHITE)]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_of_an_animation_the_first_frame_goes_on(kind: str) -> None:
    """Ours: image services refuse an animation, or take a frame of their own choice."""
    animated = saved(RED_THEN_WHITE[0], kind, save_all=True, append_images=RED_THEN_WHITE[1:], duration=100)
    converted = convert(animated, (*USUAL, "image/gif"))
    image = opened(converted.data)
    assert (converted.media_type, getattr(image, "n_frames", 1)) == ("image/png", 1)
    assert is_near(pixel(converted.data), (*RED, 255), 8)


def test_a_picture_with_more_pixels_than_the_model_takes_is_scaled_and_loses_nothing_else() -> None:
    """Bug: it was divided by a whole number, so that 12 megapixels for a limit of 10 became 3."""
    converted = convert(encoded(photo(400, 300)), USUAL, most_pixels=100_000)
    assert (converted.media_type, opened(converted.data).size) == ("image/png", (365, 273))
    assert (converted.width, converted.height) == (365, 273)


def test_a_limit_of_bytes_makes_a_picture_lossy_before_it_makes_it_smaller() -> None:
    data = encoded(photo(600, 400))
    converted = convert(data, USUAL, most_bytes=len(data) // 2)
    assert (converted.media_type, opened(converted.data).size) == ("image/jpeg", (600, 400))
    assert len(converted.data) <= len(data) // 2
    tight = convert(data, USUAL, most_bytes=5_000)
    assert len(tight.data) <= 5_000
    assert opened(tight.data).width < 600
    assert convert(data, USUAL, most_bytes=len(data)).data == data


@pytest.mark.parametrize("accepted", [USUAL, ("image/png", "image/jpeg")])
def test_transparency_outlives_a_limit_of_bytes(accepted: tuple[str, ...]) -> None:
    image = noise("RGBA", (200, 200))
    converted = convert(encoded(image), accepted, most_bytes=30_000)
    assert len(converted.data) <= 30_000
    assert opened(converted.data).mode == "RGBA"


def test_what_is_large_for_webp_becomes_smaller_before_it_loses_its_transparency() -> None:
    """Bug: libwebp ran out of the memory that one picture may have, which ended the job as a mistake of ours."""
    image = Image.new("RGBA", (3000, 2000), (200, 10, 10, 100))
    converted = convert(encoded(image), ("image/jpeg", "image/webp"))
    assert (converted.media_type, opened(converted.data).mode) == ("image/webp", "RGBA")
    assert converted.width * converted.height <= LOSSLESS_PIXELS


@pytest.mark.parametrize("accepted", [("image/png", "image/webp"), ("image/png",), ("image/webp",), ("image/gif",)])
def test_every_set_of_types_has_a_way(accepted: tuple[str, ...]) -> None:
    for data in (
        encoded(Image.new("RGB", (2100, 2000)), "image/jpeg"),
        encoded(Image.new("RGBA", (40, 30), (0, 0, 0, 9))),
    ):
        assert convert(data, accepted).media_type in accepted


def test_transparency_is_white_where_the_model_takes_jpeg_alone() -> None:
    converted = convert(encoded(Image.new("RGBA", (16, 16), (0, 0, 0, 0))), ("image/jpeg",))
    assert (converted.media_type, pixel(converted.data)) == ("image/jpeg", (255, 255, 255, 255))


def test_a_limit_that_nothing_can_keep_is_named() -> None:
    with pytest.raises(BadPictureError, match="fit into 10 bytes"):
        convert(encoded(photo(64, 64)), USUAL, most_bytes=10)
