"""The colours of files. The values are those that Chromium shows for (200, 100, 50)."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms

from service.pictures.colour import (
    LARGEST_PROFILE,
    PRIMARIES,
    SRGB_CURVE,
    colour_space,
    inflated_profile,
    is_sound,
    made_profile,
    profile_by_numbers,
    profile_of,
    to_srgb,
)
from service.pictures.sniffing import sniff
from tests.pictures.samples import encoded, png_chunk, png_with

PLAIN = (200, 100, 50)
WIDE = (215, 93, 31)
"""Display P3 as sRGB."""

LINEAR = (229, 168, 122)
FLAT = Image.new("RGB", (16, 16), PLAIN)
P3 = profile_by_numbers(12, SRGB_CURVE)
LINEAR_PROFILE = profile_by_numbers(1, 8)
GREY_PROFILE = P3[:16] + b"GRAY" + P3[20:]
CMYK_PROFILE = P3[:16] + b"CMYK" + P3[20:]


def chunk_of(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"a name\0\0" + zlib.compress(profile))


def gamma(value: int) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", value))


def chromaticities() -> bytes:
    primaries, white = PRIMARIES[12]
    values = [round(each * 100_000) for point in (white, *primaries) for each in point]
    return png_chunk(b"cHRM", struct.pack(">8I", *values))


def avif_with(primaries: int, curve: int, **options: Any) -> bytes:
    """An AVIF whose `nclx` box names these numbers."""
    data = encoded(FLAT, "image/avif", quality=100, **options)
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">2H", primaries, curve) + data[at + 4 :]


def shown(data: bytes) -> tuple[int, ...]:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        picture = to_srgb(image.convert("RGB"), profile_of(data, sniff(data) or "", image))
    pixel = picture.getpixel((8, 8))
    assert isinstance(pixel, tuple)
    return pixel


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        pytest.param(png_with(FLAT), PLAIN, id="PNG"),
        pytest.param(png_with(FLAT, chunk_of(P3)), WIDE, id="PNG, profile"),
        pytest.param(png_with(FLAT, png_chunk(b"cICP", bytes([12, 13, 0, 1]))), WIDE, id="PNG, cICP"),
        pytest.param(png_with(FLAT, png_chunk(b"cICP", bytes([12, 13, 0, 0]))), PLAIN, id="PNG, cICP of narrow range"),
        pytest.param(png_with(FLAT, png_chunk(b"cICP", b"\1\r\0\1"), chunk_of(P3)), PLAIN, id="PNG, cICP first"),
        pytest.param(png_with(FLAT, gamma(100_000)), LINEAR, id="PNG, gamma"),
        pytest.param(png_with(FLAT, gamma(45_455)), PLAIN, id="PNG, gamma of sRGB"),
        pytest.param(png_with(FLAT, gamma(0)), PLAIN, id="PNG, no gamma"),
        pytest.param(png_with(FLAT, chromaticities()), PLAIN, id="PNG, chromaticities alone"),
        pytest.param(png_with(FLAT, gamma(45_455), chromaticities()), (216, 93, 24), id="PNG, both"),
        pytest.param(png_with(FLAT, gamma(45_455), png_chunk(b"cHRM", bytes(32))), PLAIN, id="PNG, no chromaticities"),
        pytest.param(png_with(FLAT, png_chunk(b"sRGB", b"\0"), gamma(100_000)), PLAIN, id="PNG, sRGB before gamma"),
        pytest.param(png_with(FLAT, gamma(100_000), chunk_of(P3)), WIDE, id="PNG, profile before gamma"),
        pytest.param(encoded(FLAT, "image/jpeg", quality=100, icc_profile=P3), WIDE, id="JPEG, profile"),
        pytest.param(encoded(FLAT, "image/jpeg", quality=100, icc_profile=P3[:-300]), PLAIN, id="JPEG, profile cut"),
        pytest.param(encoded(FLAT, "image/jpeg", quality=100, icc_profile=P3 + bytes(9)), WIDE, id="JPEG, and more"),
        pytest.param(encoded(FLAT, "image/webp", lossless=True, icc_profile=P3), WIDE, id="WebP, profile"),
        pytest.param(encoded(FLAT, "image/avif", quality=100, icc_profile=P3), WIDE, id="AVIF, profile"),
        pytest.param(avif_with(12, 13), WIDE, id="AVIF, nclx"),
        pytest.param(avif_with(1, 8), LINEAR, id="AVIF, nclx linear"),
        pytest.param(avif_with(9, 1), (241, 76, 29), id="AVIF, nclx of video"),
        pytest.param(avif_with(2, 2), PLAIN, id="AVIF, nclx unspecified"),
        pytest.param(encoded(FLAT, "image/gif", icc_profile=P3), PLAIN, id="GIF, profile"),
    ],
)  # fmt: skip
def test_the_colours_are_those_of_browsers(data: bytes, colour: tuple[int, int, int]) -> None:
    """Bug: previews showed the values of wide colours as sRGB, pale; a cut profile makes them black in littleCMS."""
    assert max(abs(a - b) for a, b in zip(shown(data), colour, strict=True)) <= 3


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"", id="none"),
        pytest.param(P3, id="RGB"),
        pytest.param(GREY_PROFILE, id="grey"),
        pytest.param(CMYK_PROFILE, id="CMYK"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), id="Lab"),
        pytest.param(P3[:132] + bytes(len(P3) - 132), id="without tags"),
    ],
)
def test_a_profile_for_other_values_does_no_harm(mode: str, profile: bytes) -> None:
    """Bug: littleCMS raises for a grey or CMYK picture with a profile of RGB, and for a palette."""
    picture = to_srgb(Image.new("RGB", (4, 4), (128, 128, 128)).convert(mode), profile)
    assert picture.mode == ("RGBA" if mode == "RGBA" else "RGB")
    pixel = picture.getpixel((1, 1))
    assert isinstance(pixel, tuple)
    assert max(abs(value - 128) for value in pixel[:3]) <= 2


def test_transparency_stays() -> None:
    picture = to_srgb(Image.new("RGBA", (4, 4), (*PLAIN, 77)), P3)
    assert picture.getpixel((1, 1)) == (*WIDE, 77)


SRGB_PROFILE = ImageCms.createProfile("sRGB")
SRGB = ImageCms.ImageCmsProfile(SRGB_PROFILE).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def test_whole_profiles_are_sound() -> None:
    assert all(map(is_sound, (SRGB, LAB, P3)))
    assert is_sound(SRGB + bytes(100)), "browsers take one with bytes behind it"
    assert [colour_space(each) for each in (SRGB, LAB, P3)] == ["RGB", "Lab", "RGB"]


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"", id="none"),
        pytest.param(SRGB[:-1], id="cut by a byte"),
        pytest.param(SRGB[:200], id="cut to its header"),
        pytest.param(bytes(2_000_000), id="zeros"),
        pytest.param(SRGB[:36] + b"spca" + SRGB[40:], id="another signature"),
        pytest.param(SRGB[:128] + b"\0\0\0\0" + SRGB[132:], id="no tags"),
        pytest.param(SRGB[:128] + b"\xff" * 4 + SRGB[132:], id="more tags than bytes"),
        pytest.param(SRGB[:136] + b"\x7f\xff\xff\xff" + SRGB[140:], id="a tag behind its end"),
    ],
)
def test_a_broken_profile_is_not_sound(profile: bytes) -> None:
    """Bug: littleCMS draws everything black by a profile that was cut."""
    assert not is_sound(profile)


def test_a_profile_comes_out_of_its_chunk() -> None:
    """PNG Third Edition, 11.3.2.3: name, null, method 0, deflated profile."""
    assert inflated_profile(b"name\0\0" + zlib.compress(SRGB)) == SRGB
    for broken in (b"", b"name", b"name\0\x01" + zlib.compress(SRGB), b"name\0\0" + b"no zlib"):
        assert inflated_profile(broken) == b""
    assert inflated_profile(b"bomb\0\0" + zlib.compress(bytes(LARGEST_PROFILE + 1))) == b""


def test_srgb_made_here_changes_nothing() -> None:
    """Ours: the matrix and its adaptation to D50 are right when littleCMS finds no difference."""

    def curve(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    profile = made_profile(*PRIMARIES[1], curve)
    picture = Image.merge("RGB", [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.linear_gradient("L")])
    same = ImageCms.profileToProfile(picture, ImageCms.ImageCmsProfile(io.BytesIO(profile)), SRGB_PROFILE)
    assert same is not None
    assert max(abs(a - b) for a, b in zip(same.tobytes(), picture.tobytes(), strict=True)) <= 1


@pytest.mark.parametrize(
    ("primaries", "curve", "shown"),
    [
        pytest.param(1, 13, (200, 100, 50), id="sRGB"),
        pytest.param(12, 13, (215, 93, 31), id="Display P3"),
        pytest.param(9, 1, (239, 63, 5), id="BT.2020, the curve of video"),
        pytest.param(9, 13, (241, 76, 29), id="BT.2020, the curve of sRGB"),
        pytest.param(9, 18, (230, 48, 17), id="BT.2100 HLG"),
        pytest.param(1, 8, (229, 168, 122), id="linear"),
        pytest.param(1, 5, (189, 76, 26), id="a power of 2.8"),
        pytest.param(2, 2, (200, 100, 50), id="unspecified"),
        pytest.param(3, 13, (200, 100, 50), id="reserved"),
    ],
)
def test_numbers_are_colours(primaries: int, curve: int, shown: tuple[int, int, int]) -> None:
    picture = to_srgb(Image.new("RGB", (1, 1), (200, 100, 50)), profile_by_numbers(primaries, curve))
    pixel = picture.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert max(abs(a - b) for a, b in zip(pixel, shown, strict=True)) <= 2


def test_paper_white_of_an_hdr_picture_is_white() -> None:
    """ITU-R BT.2408: 203 candela per square metre, the value 0.58 of PQ; a highlight is not brighter than white."""
    for value in (148, 255):
        picture = to_srgb(Image.new("RGB", (1, 1), (value,) * 3), profile_by_numbers(9, 16))
        pixel = picture.getpixel((0, 0))
        assert isinstance(pixel, tuple)
        assert min(pixel) >= 253
