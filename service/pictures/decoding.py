"""Decodes pictures that nobody vouches for, with Pillow, within bounds of time and memory.

In this order, each step before the next:
1. type: the magic bytes alone decide (`sniffing.py`);
2. bounds: segments are counted before they are read, and the header's pixels before any of them is decoded;
3. decoding: to the last row, so that a picture cut short is found; of an animation, the first frame.

Everything here blocks; `previews.py` runs it in threads of its own.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from threading import Lock
from typing import Final

from PIL import ExifTags, Image

from service.images import WorkError
from service.pictures.segments import has_too_many_segments
from service.pictures.sniffing import describe, sniff

MAX_PIXELS: Final = 50_000_000
"""Above 8K (33 million) and all that image services give. Decoding so many takes 250 MB as PNG, 780 MB as WebP."""

LARGE_PIXELS: Final = 4096 * 4096
"""Above it, 70 MB as PNG and 270 MB as WebP, pictures are decoded one at a time."""

BAND_PIXELS: Final = 4_000_000
"""A conversion needs a copy or two, so it goes by bands of the picture. One band is 16 MB."""

UPRIGHT: Final[Mapping[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (Exif 2.32, 4.6.4 A) → the turn that makes the stored rows upright. 5 to 8 swap width and height."""

DAMAGED: Final = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""Exceptions that Pillow's readers raise on bytes that are not what their header says."""


class BadPictureError(WorkError):
    """Bytes that are no picture to keep. `problem` is the end of a sentence about them, without its subject."""

    def __init__(self, subject: str, problem: str) -> None:
        """Say that the image service's `subject`, such as "answer", has this `problem`."""
        super().__init__(f"The image service's {subject} {problem}.", kind="bad_picture")
        self.problem = problem


@contextmanager
def opened(data: bytes, large: Lock) -> Iterator[tuple[Image.Image, str]]:
    """Open a picture within the bounds, for the block to decode; gives Pillow's image and the media type.

    `large` is held while the block runs on a large picture. Raises `BadPictureError`, also for what the block finds.
    """
    media_type = sniff(data)
    if media_type is None:
        raise BadPictureError("answer", f"is {describe(data)}")
    if has_too_many_segments(data, media_type):
        raise BadPictureError(f"{media_type} picture", "is built of too many pieces")
    try:
        with Image.open(io.BytesIO(data), formats=[pillow_format(media_type)]) as image:
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise _too_large()
            with large if pixels > LARGE_PIXELS else nullcontext():
                yield image, media_type
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except DAMAGED as error:
        raise BadPictureError(f"{media_type} picture", "is damaged or cut short") from error


def pillow_format(media_type: str) -> str:
    """Return Pillow's name of a media type, which is its subtype in capitals."""
    return media_type.removeprefix("image/").upper()


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, as far as the file was read; 1 for broken EXIF, as browsers have it."""
    try:
        # PNG's own `getexif` decodes the picture to look behind it, even before its pixels were counted.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except DAMAGED:
        return 1
    return value if value in UPRIGHT else 1


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture as its orientation says."""
    return picture.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """Return a decoded picture on white in RGB, each side divided by `factor`. No full-size copy of it is made."""
    width, height = image.size
    canvas = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, BAND_PIXELS // (width * factor))
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        canvas.paste(on_white(band).reduce(factor), (0, top // factor))
    return canvas


def on_white(image: Image.Image) -> Image.Image:
    """Return a picture of any mode that the five formats decode to as RGB, on white where it is transparent."""
    if image.mode.startswith("I"):  # 16-bit grey; converting would clip it instead of scaling it
        image = image.point(lambda value: value / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    return paper.convert("RGB")


def _too_large() -> BadPictureError:
    """More pixels than the cap, by the header alone."""
    return BadPictureError("picture", f"has more than the {MAX_PIXELS // 1_000_000} million pixels allowed")
