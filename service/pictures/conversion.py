"""Conversion of references for image services, which read neither every type nor the orientation.

A picture goes on as its own bytes where the service takes its type and nothing has to be turned. Otherwise it is
encoded anew, upright and in sRGB: as PNG, without loss, where it may be transparent or was drawn in few colours, and
as JPEG where it is a photo. Services draw from far fewer pixels than phones take, and have limits of bytes: a picture
of more than `SENT_PIXELS` is encoded anew, too, and one that is has at most `CONVERTED_PIXELS`.

What an image service gives is paid for: a BMP, TIFF or ICO of its becomes a PNG.
"""

import io
from collections.abc import Collection
from typing import Any, Final

from PIL import Image

from service.pictures.colour import inflated_profile
from service.pictures.containers import png_chunks, webp_chunks
from service.pictures.decoding import LARGE_PIXELS, checked_type, decode, decode_other, on_white, pillow_format, within
from service.pictures.messages import ConvertedPicture
from service.pictures.metadata import UPRIGHT, stored_orientation, turned

SENT_PIXELS: Final = 34_000_000
"""8K has 33 million, the largest that image services give; phones of 48 megapixels and more are above."""

CONVERTED_PIXELS: Final = LARGE_PIXELS
CHECKED_PIXELS: Final = 1536 * 1536
"""A picture that is not encoded anew is decoded reduced, only to see that it can be."""

FLAT_TYPES: Final = frozenset({"image/png", "image/gif"})
"""Types of drawings and screenshots, which JPEG blurs."""

FAST: Final = 1
"""Level of a PNG that is made of another picture: a tenth of the time of the usual one, for a fifth more bytes."""

STRICT_PROFILE_BYTES: Final = 1_000_000
"""Bytes of a colour profile in a PNG above which programs with Pillow's own limit refuse the file."""

OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "image/png": {},
    "image/jpeg": {"quality": 95},
    "image/webp": {"quality": 95},
}


def convert(data: bytes, accepted: Collection[str]) -> ConvertedPicture:
    """Return a picture of an accepted type, upright and readable. Blocks. Raises `BadPictureError`."""
    media_type = checked_type(data)
    target = _target(media_type, accepted)
    if target == media_type and not _is_turned(data, media_type) and not _has_huge_profile(data, media_type):
        decoded = decode(data, within(CHECKED_PIXELS))
        if decoded.width * decoded.height <= SENT_PIXELS:
            return ConvertedPicture(data=decoded.readable, media_type=media_type)
    decoded = decode(data, within(CONVERTED_PIXELS))
    if decoded.picture.mode == "RGBA" and target == "image/jpeg" and "image/png" in accepted:
        target = "image/png"
    return ConvertedPicture(data=_encoded(decoded.picture, target), media_type=target)


def upright_webp(data: bytes) -> bytes:
    """Return a still WebP with its EXIF orientation turned into the pixels, since browsers do not turn one. Blocks."""
    kinds = {chunk.kind for chunk in webp_chunks(data)}
    orientation = stored_orientation(data, "image/webp")
    if orientation == UPRIGHT or b"ANIM" in kinds:
        return data
    decoded = decode(data, within(CONVERTED_PIXELS))
    return _encoded(turned(decoded.picture, orientation), "image/webp", lossless=b"VP8L" in kinds)


def png_of(data: bytes, pillow_type: str) -> bytes:
    """Return a picture of a type that is not kept as PNG, in sRGB. Blocks. Raises `BadPictureError`."""
    picture = decode_other(data, pillow_type)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=FAST)
    return buffer.getvalue()


def _target(media_type: str, accepted: Collection[str]) -> str:
    """Return the type to send a picture in: its own, or the first accepted of those that suit it."""
    if media_type in accepted:
        return media_type
    suitable = ("image/png", "image/jpeg") if media_type in FLAT_TYPES else ("image/jpeg", "image/png")
    return next((each for each in suitable if each in accepted), media_type)


def _is_turned(data: bytes, media_type: str) -> bool:
    return media_type in {"image/jpeg", "image/png"} and stored_orientation(data, media_type) != UPRIGHT


def _has_huge_profile(data: bytes, media_type: str) -> bool:
    """Tell whether a PNG has a profile that decoders with Pillow's limit of texts refuse."""
    if media_type != "image/png":
        return False
    profile = next((chunk.payload for chunk in png_chunks(data) if chunk.kind == b"iCCP"), b"")
    return len(inflated_profile(bytes(profile))) > STRICT_PROFILE_BYTES


def _encoded(picture: Image.Image, media_type: str, **options: Any) -> bytes:
    shown = on_white(picture) if media_type == "image/jpeg" else picture
    buffer = io.BytesIO()
    shown.save(buffer, pillow_format(media_type), **OPTIONS.get(media_type, {}), **options)
    return buffer.getvalue()
