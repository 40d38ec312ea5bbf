"""Orientation: how the stored rows of a picture are turned before a person sees them, by the rules of browsers.

EXIF decides in JPEG (its first EXIF segment) and PNG (an eXIf chunk before the pixels), `irot` and `imir` in AVIF, and
nothing in WebP and GIF. An orientation in XMP counts nowhere: programs that turn pixels leave a stale one behind.
"""

import struct
from collections.abc import Mapping
from typing import Final

from PIL import Image

from service.pictures.containers import jpeg_segments, png_chunks, webp_chunks

EXIF_HEADER: Final = b"Exif\x00\x00"
"""The identifier before the TIFF block in a JPEG segment (Exif 2.32, 4.7.2.1)."""

ORIENTATION_TAG: Final = 0x0112
SHORT: Final = 3
TURNS: Final[Mapping[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Orientation (Exif 2.32, 4.6.4 A) → the turn that makes the stored rows upright. 5 to 8 swap width and height."""

UPRIGHT: Final = 1


def shown_orientation(data: bytes, media_type: str, image: Image.Image) -> int:
    """Return the orientation, 1 to 8, by which browsers show an opened picture."""
    match media_type:
        case "image/jpeg" | "image/png":
            return stored_orientation(data, media_type)
        case "image/avif":  # Pillow gives `irot` and `imir` in this form, and reads no EXIF orientation beside them
            return tiff_orientation(image.info.get("exif", b""))
        case _:
            return UPRIGHT


def stored_orientation(data: bytes, media_type: str) -> int:
    """Return the orientation of the EXIF block in a JPEG, PNG or WebP; 1 where there is none that counts."""
    match media_type:
        case "image/jpeg":
            blocks = (each.payload for each in jpeg_segments(data) if each.kind == b"\xe1")
            first = next((block for block in blocks if bytes(block[:6]) == EXIF_HEADER), None)
            return UPRIGHT if first is None else tiff_orientation(bytes(first[6:]))
        case "image/png":
            return _png_orientation(data)
        case "image/webp":
            block = next((each.payload for each in webp_chunks(data) if each.kind == b"EXIF"), b"")
            return tiff_orientation(bytes(block))
        case _:
            return UPRIGHT


def tiff_orientation(block: bytes) -> int:
    """Return the orientation in the first directory of a TIFF block (TIFF 6.0, section 2), if it is a single SHORT."""
    block = block.removeprefix(EXIF_HEADER)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(block[:4])
    if order is None:
        return UPRIGHT
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, directory)
        for number in range(entries):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", block, directory + 2 + 12 * number)
            if tag == ORIENTATION_TAG:
                return value if (kind, count) == (SHORT, 1) and value in TURNS else UPRIGHT
    except struct.error:  # broken EXIF; browsers show the picture as it is stored
        pass
    return UPRIGHT


def tiff_block(orientation: int) -> bytes:
    """Return a TIFF block with this one field (Exif 2.32, 4.6.4 A): big-endian, one SHORT entry, no further block."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, ORIENTATION_TAG, SHORT, 1, orientation, 0, 0)


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture as its orientation says."""
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def _png_orientation(data: bytes) -> int:
    for chunk in png_chunks(data):
        if chunk.kind == b"IDAT":
            break
        if chunk.kind == b"eXIf":
            block = bytes(chunk.payload)
            return UPRIGHT if block.startswith(EXIF_HEADER) else tiff_orientation(block)
    return UPRIGHT
