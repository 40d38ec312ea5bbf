"""Colour profiles: sound and broken ones, and one that is made here against littleCMS' own."""

import io
import zlib

import pytest
from PIL import Image, ImageCms

from service.pictures.code_points import PRIMARIES, SRGB_CURVE, profile_by_numbers
from service.pictures.icc import LARGEST_PROFILE, colour_space, inflated_profile, is_sound, made_profile

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
P3 = profile_by_numbers(12, SRGB_CURVE)


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


SRGB_PROFILE = ImageCms.createProfile("sRGB")
