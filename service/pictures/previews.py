"""Small copies of pictures: the preview of a result, JPEG copies that fit a limit of bytes, and derivatives for pages.

A preview stands upright, in sRGB, on white, as JPEG, without the metadata of the original. Its thumbnail is made at
once, of the same decoded picture. The original stays as it is: it is kept in the bytes it came in, but for the types
that nothing shows (`sniffing.CONVERTIBLE`).

Everything here blocks, and runs in a decoder process.
"""

import io
from collections.abc import Mapping
from itertools import product
from typing import Any, Final

from PIL import Image

from service.pictures.conversion import encoded, png_of, upright_webp
from service.pictures.decoding import LARGE_PIXELS, Factor, decode, decode_other, is_opaque, on_white, within
from service.pictures.messages import PREVIEW_SIDE, ConvertedPicture, Examined, JpegCopy
from service.pictures.sniffing import convertible, sniff

PREVIEW_BYTES: Final = 200_000

STEPS: Final = ((PREVIEW_SIDE, 85), (PREVIEW_SIDE, 70), (PREVIEW_SIDE, 50), (512, 50), (256, 50))
"""Longer side and JPEG quality, tried until the preview fits. Pure noise, the worst there is, fits the last."""

LARGER: Final = 1.2
"""Sides of a picture that is to be resized, for one of its preview: what comes from fewer pixels is blurred. Hamming's
filter takes half the time of Lanczos', and no eye tells the two apart at this size."""

TAKEN_AS_PNG: Final = frozenset({"BMP", "TIFF"})
"""Other types that callers may give: scanners and screens write them. An icon is of no use as a reference."""

COPY_SIDES: Final = (1536, 1024, 768, 512, 256)
JPEG_SIDE: Final = 65_500
"""The largest side that libjpeg writes."""

COPY_QUALITIES: Final = (90, 75)
"""A copy keeps all its pixels if one of these qualities lets it fit, else the most of them that do."""


TALLEST: Final = 4
"""Heights of a derivative for one width: a strip is made narrower instead. WebP has 16,383 pixels of height at most."""

DERIVED_AS: Final[Mapping[str, Mapping[str, Any]]] = {
    "image/webp": {"quality": 82, "method": 2},
    "image/jpeg": {"quality": 85, "optimize": True, "progressive": True},
}
"""Options by which a page shows no loss. The next `method` takes three times as long, for up to 5 % fewer bytes."""


def examine(data: bytes, thumbnail_bytes: int = PREVIEW_BYTES) -> Examined:
    """Decode a picture of an image service and draw its preview, or raise `BadPictureError`.

    A preview of more than `thumbnail_bytes` has a thumbnail of at most so many.
    """
    other = convertible(data)
    kept = png_of(data, other) if other else data
    decoded = decode(kept, reduction)
    picture = on_white(decoded.picture)
    preview = _preview(picture)
    return Examined(
        media_type=decoded.media_type,
        width=decoded.width,
        height=decoded.height,
        note=f"It came as {other}, and was converted to PNG." if other else "",
        preview=preview,
        thumbnail=_fit(picture, thumbnail_bytes, left_out=1)[0] if len(preview) > thumbnail_bytes else b"",
        data=kept,
    )


def take_in(data: bytes) -> Examined:
    """Examine a picture that somebody gives: it is kept without metadata, with its defects mended, and upright.

    Nobody is shown its preview, and so it has none.
    """
    other = convertible(data)
    if other in TAKEN_AS_PNG:
        data = png_of(data, other)
    elif sniff(data) == "image/webp":
        data = upright_webp(data)
    decoded = decode(data, reduction)
    return Examined(
        media_type=decoded.media_type, width=decoded.width, height=decoded.height, preview=b"", data=decoded.readable
    )


def copy(data: bytes, max_bytes: int) -> JpegCopy:
    """Encode a picture as JPEG, by COPY_SIDES and COPY_QUALITIES until it has at most `max_bytes`.

    A picture that is smaller than a side is not encoded for that side again.
    """
    return _copy(data, max_bytes)


def shrink(preview: bytes, max_bytes: int) -> JpegCopy:
    """Encode a preview anew that has more than `max_bytes`: of its own size the best quality fits even less."""
    return _copy(preview, max_bytes, left_out=1)


def _copy(data: bytes, max_bytes: int, left_out: int = 0) -> JpegCopy:
    decoded = decode(data, within(LARGE_PIXELS))
    picture = on_white(decoded.picture)
    encoded, quality = _fit(picture, max_bytes, left_out)
    whole = picture.size == (decoded.width, decoded.height) and quality == COPY_QUALITIES[0]
    return JpegCopy(data=encoded, width=picture.width, height=picture.height, reduced=not whole)


def _fit(picture: Image.Image, max_bytes: int, left_out: int = 0) -> tuple[bytes, int]:
    """Make a picture smaller in its place until it fits, without the first tries; return it as JPEG, and its quality.

    The last try counts, whatever it has.
    """
    for side, quality in list(product(sizes_of_copies(picture.size), COPY_QUALITIES))[left_out:]:
        picture.thumbnail((side, side), Image.Resampling.HAMMING)
        encoded = _jpeg(picture, quality)
        if len(encoded) <= max_bytes:
            break
    return encoded, quality


def sizes_of_copies(size: tuple[int, int]) -> tuple[int, ...]:
    """Return the longer sides to try for a picture of this size, each smaller than the one before."""
    longest = min(max(size), JPEG_SIDE)
    return (longest, *(side for side in COPY_SIDES if side < longest))


def derive(data: bytes, width: int, media_type: str) -> ConvertedPicture:
    """Return a picture with this width, or its own where that is smaller. What is transparent stays so in a WebP."""
    other = convertible(data)
    picture = decode_other(data, other) if other else decode(data, _twice(width)).picture
    if picture.mode == "RGBA" and is_opaque(picture):
        picture = picture.convert("RGB")
    picture.thumbnail((width, TALLEST * width), Image.Resampling.LANCZOS)
    derived = encoded(picture, media_type, dict(DERIVED_AS[media_type]))
    return ConvertedPicture(data=derived, media_type=media_type, width=picture.width, height=picture.height)


def _twice(width: int) -> Factor:
    """Return the factor that leaves twice the width, or the height, of which one is the width once it is upright."""
    large = within(LARGE_PIXELS)
    return lambda size: max(large(size), min(size) // (2 * width))


def reduction(size: tuple[int, int]) -> int:
    """Return the number by which a picture can be divided, cheaply, and still be larger than its preview.

    One whose side is a multiple of the preview's is divided down to that: nothing is blurred by it.
    """
    times, left = divmod(max(size), PREVIEW_SIDE)
    return times if times and not left else max(1, int(max(size) / (LARGER * PREVIEW_SIDE)))


def _preview(picture: Image.Image) -> bytes:
    """Encode the first of `STEPS` that fits."""
    for side, quality in STEPS:
        picture.thumbnail((side, side), Image.Resampling.HAMMING)
        encoded = _jpeg(picture, quality)
        if len(encoded) <= PREVIEW_BYTES:
            break
    return encoded


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
