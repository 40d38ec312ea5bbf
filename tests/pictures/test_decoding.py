"""Decoding within bounds: damaged and huge pictures are refused, large ones are converted in bands."""

import pytest
from PIL import Image

from service.images import EXTENSIONS, WorkError
from service.pictures.decoding import decode, on_white, reduced
from service.pictures.messages import MAX_PIXELS
from service.pictures.previews import copy, examine, reduction
from tests.pictures.samples import RED, WHITE, encoded, noise, png_chunk, png_of_size


def refusal(data: bytes) -> WorkError:
    with pytest.raises(WorkError) as caught:
        examine(data)
    return caught.value


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_short_is_refused_though_it_is_decoded_reduced(progressive: bool) -> None:
    """Ours: the reduced decode computes less, but has to read all; a half grey picture must not be paid and kept."""
    whole = encoded(noise("RGB", (2400, 1600)), "image/jpeg", progressive=progressive)
    assert examine(whole).width == 2400
    assert "damaged or cut short" in str(refusal(whole[: len(whole) * 9 // 10]))


@pytest.mark.parametrize("media_type", EXTENSIONS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_picture_cut_short_is_refused(media_type: str, kept: float) -> None:
    """Ours: a download that ended early has the right magic and the right size in its header."""
    whole = encoded(noise("RGB", (300, 200)), media_type)
    error = refusal(whole[: int(len(whole) * kept)])
    assert (error.kind, str(error)) == (
        "bad_picture",
        f"The image service's {media_type} picture is damaged or cut short.",
    )


@pytest.mark.parametrize(
    ("width", "height"),
    [
        pytest.param(10_000, 7_001, id="just-above"),
        pytest.param(10_000, 10_000, id="where-pillow-only-warns"),
        pytest.param(60_000, 60_000, id="where-pillow-refuses"),
    ],
)
def test_too_many_pixels_are_refused_by_the_header_alone(width: int, height: int) -> None:
    """Ours: the file holds no pixels, so an attempt to decode it would call it damaged instead."""
    error = refusal(png_of_size(width, height))
    assert (error.kind, "70 million pixels" in str(error)) == ("bad_picture", True)


def test_as_many_pixels_as_allowed_are_decoded() -> None:
    """Ours: the cap names what is allowed, not the first size that is refused."""
    examined = examine(encoded(Image.new("1", (MAX_PIXELS // 5_000, 5_000), 1)))
    assert examined.width * examined.height == MAX_PIXELS


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_bands_leave_no_seam(mode: str) -> None:
    """Ours: large pictures are converted band by band, which must not be seen. 3333 is no multiple of any band."""
    size = (5001, 3333)
    image = noise("L", size).convert(mode)
    factor = reduction(size)
    assert on_white(reduced(image, factor)).tobytes() == image.convert("RGB").reduce(factor).tobytes()


def apng(*, has_separate_default: bool) -> bytes:
    """A red default image and a white frame of animation; the red one may be a frame of its own."""
    red, white = Image.new("RGB", (32, 32), RED), Image.new("RGB", (32, 32), WHITE)
    return encoded(red, save_all=True, append_images=[white], default_image=has_separate_default)


@pytest.mark.parametrize(("has_separate_default", "colour"), [(True, WHITE), (False, RED)])
def test_the_picture_of_an_apng_is_its_first_frame(has_separate_default: bool, colour: tuple[int, int, int]) -> None:
    """PNG Third Edition, 4.9: the separate default image is for programs that know no animation."""
    seen = decode(apng(has_separate_default=has_separate_default), lambda _: 1)
    assert seen.picture.convert("RGB").getpixel((16, 16)) == colour


def test_a_png_for_ios_apps_is_refused_with_the_way_out() -> None:
    """Ours: "damaged" would be the wrong word, and Pillow makes noise of it."""
    plain = encoded(Image.new("RGB", (8, 8)))
    data = plain[:8] + png_chunk(b"CgBI", b"\x50\0\x20\x02") + plain[8:]
    assert "only iOS apps use (CgBI): export it as a usual PNG" in str(refusal(data))


@pytest.mark.parametrize("media_type", ["image/png", "image/gif"])
@pytest.mark.parametrize("size", [(66_000, 2), (2, 66_000)])
def test_a_side_that_no_jpeg_has_is_shown_all_the_same(media_type: str, size: tuple[int, int]) -> None:
    """Bug: libjpeg writes sides of up to 65,500, and raised for the copy."""
    data = encoded(Image.new("L", (min(size[0], 65_535), min(size[1], 65_535)), 200), media_type)
    assert (examine(data).width, len(data) > 0) == (min(size[0], 65_535), True)
    copied = copy(data, 100_000)
    assert max(copied.width, copied.height) <= 65_500


def test_a_photo_of_50_megapixels_is_taken() -> None:
    """Bug: the limit of 50 million refused a Pixel 8 Pro, 8160×6144. A preview decodes an eighth of it."""
    photo = encoded(Image.new("RGB", (8160, 6144), (10, 200, 10)), "image/jpeg", quality=60)
    seen = examine(photo)
    assert (seen.width, seen.height) == (8160, 6144)


@pytest.mark.parametrize("transparency", [0, 40_000])
def test_sixteen_bit_grey_may_have_a_transparent_value(transparency: int) -> None:
    data = encoded(Image.new("I;16", (8, 8), 40_000), transparency=transparency)
    assert decode(data, lambda _: 1).picture.convert("L").getpixel((4, 4)) in {155, 156}
