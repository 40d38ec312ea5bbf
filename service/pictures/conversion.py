"""Conversion of references for image services, which read neither every type nor the orientation.

A picture goes on as its own bytes where the model takes its type, bytes and pixels, and nothing about it has to change:
it stands upright, has one frame, and its values mean sRGB in eight bits. Otherwise it is encoded anew:

1. It loses nothing that it need not lose. What came without loss becomes a PNG; so does what may be transparent, and
   what was lossy already, as long as that is of `LOSSLESS_BYTES` at most. Else it becomes a JPEG of high quality.
2. One with more pixels than the model takes is scaled down, and stays free of loss otherwise.
3. Only a limit of bytes makes it lossy, and then smaller.

Services draw from far fewer pixels than phones take: a picture of more than `SENT_PIXELS` is scaled down for any model.
What an image service gives is paid for: a BMP, TIFF or ICO of its becomes a PNG.
"""

import io
from collections.abc import Collection, Iterator
from math import sqrt
from typing import Any, Final

from PIL import Image

from service.pictures.colour import changes_colours, inflated_profile, profile_of
from service.pictures.containers import is_animated, png_chunks, webp_chunks
from service.pictures.decoding import (
    DAMAGED,
    LARGE_PIXELS,
    checked_type,
    decode,
    decode_other,
    on_white,
    pillow_format,
    within,
)
from service.pictures.messages import BadPictureError, ConvertedPicture
from service.pictures.metadata import UPRIGHT, stored_orientation, turned, without_metadata

SENT_PIXELS: Final = 34_000_000
"""8K has 33 million, the largest that image services give; phones of 48 megapixels and more are above."""

CONVERTED_PIXELS: Final = LARGE_PIXELS
CHECKED_PIXELS: Final = 1536 * 1536
"""A picture that is not encoded anew is decoded reduced, only to see that it can be."""

LOSSLESS_PIXELS: Final = 4_000_000
LOSSLESS_BYTES: Final = 8_000_000
"""A photo that was lossy already goes on without further loss up to here; sending more takes longer than drawing."""

LEVELS: Final = (1, 4)
"""Levels of a PNG that is made of another picture. The second takes twice the time, for up to an eighth fewer bytes."""

CLOSE: Final = 1.25
"""Bytes of a PNG of the first level, by the limit, up to which the second is tried."""

QUALITIES: Final[tuple[dict[str, Any], ...]] = (
    {"quality": 95, "subsampling": 0},
    {"quality": 90, "subsampling": 0},
    {"quality": 80},
)
"""JPEGs, the best first; one of the last has colours of half the size, as cameras write them."""

KEEPERS: Final = frozenset({"image/png", "image/webp"})
"""Types that keep transparency."""

SMALLER: Final = 0.9
MOST_TRIES: Final = 8
"""Sizes tried for a limit of bytes, each with the pixels that the last one promises, and a tenth fewer."""

STRICT_PROFILE_BYTES: Final = 1_000_000
"""Bytes of a colour profile in a PNG above which programs with Pillow's own limit refuse the file."""

PNG_DEPTH_AT: Final = 24
"""Position of the bits of one value in a PNG (Third Edition, 11.2.1)."""


def convert(data: bytes, accepted: Collection[str], most_bytes: int = 0, most_pixels: int = 0) -> ConvertedPicture:
    """Return a picture of an accepted type within the limits, of which 0 is none. Blocks. Raises `BadPictureError`."""
    media_type = checked_type(data)
    if media_type in accepted and not _has_to_change(data, media_type):
        decoded = decode(data, within(CHECKED_PIXELS))
        size, readable = (decoded.width, decoded.height), decoded.readable
        if size[0] * size[1] <= (most_pixels or SENT_PIXELS) and not 0 < most_bytes < len(readable):
            return ConvertedPicture(data=readable, media_type=media_type, width=size[0], height=size[1])
    picture = scaled(decode(data, within(CONVERTED_PIXELS)).picture, most_pixels)
    return _encoded_within(picture, accepted, most_bytes, lossless=_is_lossless(data, media_type))


def upright_webp(data: bytes) -> bytes:
    """Return a still WebP with its EXIF orientation turned into the pixels, since browsers do not turn one. Blocks."""
    kinds = {chunk.kind for chunk in webp_chunks(data)}
    orientation = stored_orientation(data, "image/webp")
    if orientation == UPRIGHT or b"ANIM" in kinds:
        return data
    decoded = decode(data, within(CONVERTED_PIXELS))
    options = {"lossless": True} if b"VP8L" in kinds else {"quality": 95}
    return encoded(turned(decoded.picture, orientation), "image/webp", options)


def png_of(data: bytes, pillow_type: str) -> bytes:
    """Return a picture of a type that is not kept as PNG, in sRGB. Blocks. Raises `BadPictureError`."""
    return encoded(decode_other(data, pillow_type), "image/png", {"compress_level": LEVELS[0]})


def scaled(picture: Image.Image, most_pixels: int) -> Image.Image:
    """Return a picture with at most so many pixels, of the same shape; 0 is no limit."""
    pixels = picture.width * picture.height
    if not 0 < most_pixels < pixels:
        return picture
    factor = sqrt(most_pixels / pixels)
    size = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def encoded(picture: Image.Image, media_type: str, options: dict[str, Any]) -> bytes:
    """Return the file of a picture; as JPEG on white."""
    shown = on_white(picture) if media_type == "image/jpeg" else picture
    buffer = io.BytesIO()
    shown.save(buffer, pillow_format(media_type), **options)
    return buffer.getvalue()


def _encoded_within(
    picture: Image.Image, accepted: Collection[str], most_bytes: int, *, lossless: bool
) -> ConvertedPicture:
    """Encode a picture in the first way that fits the limit of bytes; with fewer pixels where none does."""
    for _ in range(MOST_TRIES):
        data = b""
        for media_type, options, most in _ways(picture, accepted, lossless=lossless):
            limit = min(filter(None, (most_bytes, most)), default=0)
            if options.get("compress_level") == LEVELS[1] and not len(data) < CLOSE * limit:
                continue
            data = encoded(picture, media_type, options)
            if not 0 < limit < len(data):
                return ConvertedPicture(data=data, media_type=media_type, width=picture.width, height=picture.height)
        part = min(1.0, most_bytes / len(data)) if data else 1.0
        pixels = int(SMALLER * part * picture.width * picture.height)
        picture = scaled(picture, max(1, pixels if data else min(pixels, LOSSLESS_PIXELS)))
    raise BadPictureError("picture", f"cannot be made to fit into {most_bytes} bytes", "too_complex")


def _ways(
    picture: Image.Image, accepted: Collection[str], *, lossless: bool
) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield types and options in the order of their merit, each with the bytes up to which it is of use; 0: any."""
    transparent = _is_transparent(picture)
    small = picture.width * picture.height <= LOSSLESS_PIXELS
    whole = lossless or transparent or "image/jpeg" not in accepted
    most = 0 if whole else LOSSLESS_BYTES
    if "image/png" in accepted and (whole or small):
        yield from (("image/png", {"compress_level": level}, most) for level in LEVELS)
    if "image/jpeg" in accepted and not (transparent and KEEPERS & set(accepted)):
        yield from (("image/jpeg", options, 0) for options in QUALITIES)
    elif "image/webp" in accepted and small:  # more take more memory and time than there is for one picture
        if "image/png" not in accepted:
            yield "image/webp", {"lossless": True, "exact": True, "method": 0}, most
        yield "image/webp", {"quality": 90}, 0
    yield from ((each, {}, 0) for each in accepted if each not in {"image/jpeg", *KEEPERS})


def _is_transparent(picture: Image.Image) -> bool:
    return picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255)


def _is_lossless(data: bytes, media_type: str) -> bool:
    """Tell whether a file holds each value as its maker had it; an AVIF hardly ever does."""
    if media_type == "image/webp":
        return any(chunk.kind == b"VP8L" for chunk in webp_chunks(data))
    return media_type in {"image/png", "image/gif"}


def _has_to_change(data: bytes, media_type: str) -> bool:
    """Tell whether programs that know little would show a picture otherwise than browsers do."""
    if stored_orientation(data, media_type) != UPRIGHT and media_type != "image/webp":
        return True
    if media_type == "image/png" and (data[PNG_DEPTH_AT] == 16 or _has_huge_profile(data)):
        return True
    return is_animated(data, media_type) or _has_other_colours(data, media_type)


def _has_other_colours(data: bytes, media_type: str) -> bool:
    readable = without_metadata(data, media_type)
    try:
        with Image.open(io.BytesIO(readable), formats=[pillow_format(media_type)]) as image:
            return image.mode == "CMYK" or changes_colours(profile_of(readable, media_type, image))
    except DAMAGED:  # whether it can be mended is seen when it is decoded
        return False


def _has_huge_profile(data: bytes) -> bool:
    """Tell whether a PNG has a profile that decoders with Pillow's limit of texts refuse."""
    profile = next((chunk.payload for chunk in png_chunks(data) if chunk.kind == b"iCCP"), b"")
    return len(inflated_profile(bytes(profile))) > STRICT_PROFILE_BYTES
