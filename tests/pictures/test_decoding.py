"""Decoding within bounds: damaged and huge pictures are refused, large ones are converted in bands."""

from threading import Lock

import pytest
from PIL import Image

from service.images import EXTENSIONS, WorkError
from service.pictures.decoding import MAX_PIXELS, reduced
from service.pictures.previews import examine, reduction
from tests.pictures.samples import encoded, noise, png_of_size


def refusal(data: bytes) -> WorkError:
    with pytest.raises(WorkError) as caught:
        examine(data, Lock())
    return caught.value


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_short_is_refused_though_it_is_decoded_reduced(progressive: bool) -> None:
    """Ours: the reduced decode computes less, but has to read all; a half grey picture must not be paid and kept."""
    whole = encoded(noise("RGB", (2400, 1600)), "image/jpeg", progressive=progressive)
    assert examine(whole, Lock()).width == 2400
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
        pytest.param(10_000, 5_001, id="just-above"),
        pytest.param(10_000, 10_000, id="where-pillow-only-warns"),
        pytest.param(60_000, 60_000, id="where-pillow-refuses"),
    ],
)
def test_too_many_pixels_are_refused_by_the_header_alone(width: int, height: int) -> None:
    """Ours: the file holds no pixels, so an attempt to decode it would call it damaged instead."""
    error = refusal(png_of_size(width, height))
    assert (error.kind, "50 million pixels" in str(error)) == ("bad_picture", True)


def test_as_many_pixels_as_allowed_are_decoded() -> None:
    """Ours: the cap names what is allowed, not the first size that is refused."""
    examined = examine(encoded(Image.new("1", (MAX_PIXELS // 5_000, 5_000), 1)), Lock())
    assert examined.width * examined.height == MAX_PIXELS


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_bands_leave_no_seam(mode: str) -> None:
    """Ours: large pictures are converted band by band, which must not be seen. 3333 is no multiple of any band."""
    size = (5001, 3333)
    image = noise("L", size).convert(mode)
    factor = reduction(size)
    assert reduced(image, factor).tobytes() == image.convert("RGB").reduce(factor).tobytes()
