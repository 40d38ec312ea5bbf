"""Colours by numbers. The values on the right are those that Chromium shows for (200, 100, 50)."""

import pytest
from PIL import Image

from service.pictures.code_points import profile_by_numbers
from service.pictures.colour import to_srgb


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
