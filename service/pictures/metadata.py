"""Removal of metadata: place, time, owner, comments and small copies that a camera wrote beside a picture.

A reference goes on to an image service and lies behind a link, and a photo from a phone says where its maker lives.
Only the segments that make the picture are kept; nothing is decoded or encoded again. Colour profiles stay, and so does
the orientation, as an EXIF block that holds nothing else. JPEG, PNG and WebP are stripped, the formats of cameras,
phones and screenshots. GIF and AVIF stay as they are, and so do bytes that are not built as their format says.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from PIL import Image

from service.pictures.decoding import DAMAGED, orientation_of, pillow_format
from service.pictures.segments import END, NEXT_MARKER, RESTARTS, SCAN, TEMPORARY, has_too_many_segments

EXIF: Final = b"Exif\x00\x00"
"""The identifier before the block in a JPEG segment (Exif 2.32, 4.7.2.1)."""

APPLICATION: Final = range(0xE0, 0xF0)
COMMENT: Final = 0xFE
KEPT_APPLICATIONS: Final = ((0xE0, b"JFIF\x00"), (0xE2, b"ICC_PROFILE\x00"), (0xEE, b"Adobe"))
"""APPn segments that a decoder needs: density, colour profile, colour transform."""

PNG_START: Final = 8
PNG_PRIVATE: Final = frozenset({b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf", b"caBX"})
WEBP_PRIVATE: Final = frozenset({b"EXIF", b"XMP "})
WEBP_EXIF, WEBP_XMP = 0x08, 0x04
"""Flags of VP8X (WebP Container Specification, Extended File Format)."""


class OddError(ValueError):
    """The bytes are not built as their format says."""


def without_metadata(data: bytes, media_type: str) -> bytes:
    """Return the same picture without metadata. Blocks for milliseconds."""
    strip = STRIPPERS.get(media_type)
    if strip is None or has_too_many_segments(data, media_type):
        return data
    try:
        with Image.open(io.BytesIO(data), formats=[pillow_format(media_type)]) as image:
            orientation = orientation_of(image)
        return b"".join(strip(data, b"" if orientation == 1 else _exif(orientation)))
    except (OddError, struct.error, IndexError, *DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return data  # `examine` says what is wrong with it


def _exif(orientation: int) -> bytes:
    """Return a TIFF block with this one field (Exif 2.32, 4.6.4 A): big-endian, one SHORT entry, no further block."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _jpeg(data: bytes, exif: bytes) -> Iterator[bytes]:
    """Yield the segments (ITU T.81, B.1.1) that are kept; behind the end of the picture another one may follow."""
    yield data[:2]
    block = struct.pack(">BBH", 0xFF, 0xE1, len(EXIF + exif) + 2) + EXIF + exif if exif else b""
    at = 2
    while True:
        mark, marker = data[at], data[at + 1]
        if mark != 0xFF:
            raise OddError
        if marker == 0xFF:  # any number of these may stand before a marker
            at += 1
            continue
        if block and marker != APPLICATION.start:  # JFIF wants to be the first
            yield block
            block = b""
        if marker == END:
            yield data[at : at + 2]
            return
        end = at + 2 if marker == TEMPORARY or marker in RESTARTS else at + 2 + _length(data, at + 2)
        if _belongs(marker, data[at + 4 : at + 16]):
            yield data[at:end]
        at = end
        if marker == SCAN:
            following = NEXT_MARKER.search(data, at)
            if following is None:
                raise OddError
            yield data[at : following.start()]
            at = following.start()


def _length(data: bytes, at: int) -> int:
    length = int.from_bytes(data[at : at + 2])
    if length < 2 or at + length > len(data):
        raise OddError
    return length


def _belongs(marker: int, start: bytes) -> bool:
    if marker in APPLICATION:
        return any(marker == kept and start.startswith(name) for kept, name in KEPT_APPLICATIONS)
    return marker != COMMENT


def _png(data: bytes, exif: bytes) -> Iterator[bytes]:
    """Yield the chunks (PNG Third Edition, 5.3) that are kept; eXIf stands before the first IDAT."""
    yield data[:PNG_START]
    at = PNG_START
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + length + 12
        if end > len(data):
            raise OddError
        if exif and kind == b"IDAT":
            yield struct.pack(">I4s", len(exif), b"eXIf") + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
            exif = b""
        if kind not in PNG_PRIVATE:
            yield data[at:end]
        if kind == b"IEND":
            return
        at = end


def _webp(data: bytes, exif: bytes) -> Iterator[bytes]:
    """Yield the kept chunks of the RIFF container, its size and its flags put right."""
    chunks = list(_webp_chunks(data, exif))
    yield struct.pack("<4sI4s", b"RIFF", 4 + sum(map(len, chunks)), b"WEBP")
    yield from chunks


def _webp_chunks(data: bytes, exif: bytes) -> Iterator[bytes]:
    at, size = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= size:
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2
        if at + 8 + length > size:
            raise OddError
        chunk = data[at:end].ljust(end - at, b"\x00")
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~(WEBP_EXIF | WEBP_XMP) | (WEBP_EXIF if exif else 0)]) + chunk[9:]
        if kind not in WEBP_PRIVATE:
            yield chunk
        elif kind == b"EXIF" and exif:
            yield struct.pack("<4sI", b"EXIF", len(exif)) + exif
        at = end


STRIPPERS: Final[Mapping[str, Callable[[bytes, bytes], Iterator[bytes]]]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
}
