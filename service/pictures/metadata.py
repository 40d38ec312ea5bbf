"""Removal of everything beside a picture: place, time, owner, comments, small copies, and parts that stop a decoder.

A reference goes on to an image service and lies behind a link, and a photo from a phone says where its maker lives.
Only the parts that make the picture are kept; nothing is decoded or encoded again. Sound colour profiles stay, and so
does the orientation of a JPEG or PNG, as an EXIF block that holds nothing else; browsers turn no WebP.

Browsers pass over a side part that is damaged, and show the picture; Pillow refuses the whole file for it. So the same
list of kept parts also makes a file readable: a chunk with a wrong checksum or of a wrong length, an endless text, a
profile that is none are left out, and a cut container is closed. JPEG, PNG and WebP are stripped, the formats of
cameras, phones and screenshots; GIF and AVIF stay as they are. A file with one defect of its pixels keeps it.

Orientation, how the stored rows are turned before a person sees them, follows the rules of browsers: EXIF decides in
JPEG (its first EXIF segment) and PNG (an eXIf chunk before the pixels), `irot` and `imir` in AVIF, and nothing in WebP
and GIF. An orientation in XMP counts nowhere: programs that turn pixels leave a stale one behind.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from PIL import Image

from service.pictures.colour import inflated_profile, is_sound
from service.pictures.containers import (
    PNG_SIGNATURE,
    Part,
    has_too_many_segments,
    jpeg_segments,
    png_chunk,
    png_chunks,
    webp_chunks,
)

APPLICATION: Final = range(0xE0, 0xF0)
COMMENT: Final = 0xFE
KEPT_APPLICATIONS: Final = ((0xE0, b"JFIF\x00", 14), (0xEE, b"Adobe", 12))
"""APPn segments that a decoder needs, density and colour transform: marker, identifier, least bytes of payload."""

PROFILE_PART: Final = b"ICC_PROFILE\x00"
PROFILE_PART_HEADER_BYTES: Final = 14

PNG_KEPT: Final[Mapping[bytes, int | None]] = {
    b"IHDR": 13,
    b"PLTE": None,
    b"IDAT": None,
    b"IEND": 0,
    b"tRNS": None,
    b"cICP": 4,
    b"iCCP": None,
    b"sRGB": 1,
    b"gAMA": 4,
    b"cHRM": 32,
    b"pHYs": 9,
    b"acTL": 8,
    b"fcTL": 26,
    b"fdAT": None,
}
"""Chunks that make the picture (PNG Third Edition, 11), each with its only length."""

WEBP_KEPT: Final = frozenset({b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"})
WEBP_FLAGS: Final = 8
WEBP_EXIF, WEBP_XMP, WEBP_PROFILE = 0x08, 0x04, 0x20
"""The byte of flags in a VP8X chunk, and three of them (RFC 9649, 2.7.1)."""


def without_metadata(data: bytes, media_type: str) -> bytes:
    """Return the same picture without metadata and without damaged side parts. Blocks for milliseconds."""
    strip = STRIPPERS.get(media_type)
    if strip is None or has_too_many_segments(data, media_type):
        return data
    stripped = b"".join(strip(data))
    return data if stripped == data else stripped


def _orientation_block(data: bytes, media_type: str) -> bytes:
    orientation = stored_orientation(data, media_type)
    return b"" if orientation == UPRIGHT else tiff_block(orientation)


def _jpeg(data: bytes) -> Iterator[bytes | memoryview]:
    """Yield the segments (ITU T.81, B.1.1) that are kept; behind the end of the picture another one may follow."""
    yield data[:2]
    segments = list(jpeg_segments(data))
    has_sound_profile = is_sound(_jpeg_profile(segments))
    exif = _orientation_block(data, "image/jpeg")
    block = struct.pack(">BBH", 0xFF, 0xE1, len(EXIF_HEADER + exif) + 2) + EXIF_HEADER + exif if exif else b""
    for segment in segments:
        marker = segment.kind[0]
        if block and marker != APPLICATION.start:  # JFIF wants to be the first
            yield block
            block = b""
        if marker not in APPLICATION:
            kept = marker != COMMENT
        elif bytes(segment.payload[:12]) == PROFILE_PART:
            kept = marker == 0xE2 and has_sound_profile
        else:
            kept = any(
                marker == each and bytes(segment.payload).startswith(name) and len(segment.payload) >= least
                for each, name, least in KEPT_APPLICATIONS
            )
        if kept:
            yield segment.raw


def _jpeg_profile(segments: Iterable[Part]) -> bytes:
    """Join the parts of a colour profile in the order of their numbers (ICC.1:2022, B.4)."""
    parts = [each.payload for each in segments if each.kind == b"\xe2" and bytes(each.payload[:12]) == PROFILE_PART]
    ordered = sorted(parts, key=lambda part: bytes(part[12:13]))
    return b"".join(part[PROFILE_PART_HEADER_BYTES:] for part in ordered)


def _png(data: bytes) -> Iterator[bytes | memoryview]:
    """Yield the chunks that are kept; eXIf stands before the first IDAT, and IEND at the end."""
    yield PNG_SIGNATURE
    exif = _orientation_block(data, "image/png")
    for chunk in png_chunks(data):
        if exif and chunk.kind == b"IDAT":
            yield png_chunk(b"eXIf", exif)
            exif = b""
        if chunk.kind == b"IEND":
            break
        if not _is_kept(chunk):
            continue
        # The pixels have a checksum of their own inside, and decoders agree to pass over this one.
        yield chunk.raw if chunk.is_whole else png_chunk(chunk.kind, bytes(chunk.payload))
    yield png_chunk(b"IEND", b"")


def _is_kept(chunk: Part) -> bool:
    length = PNG_KEPT.get(chunk.kind, -1)
    if length == -1 or (length is not None and len(chunk.payload) != length):
        return False
    if chunk.kind[:1].isupper():
        return True
    if not chunk.is_whole:
        return chunk.kind == b"fdAT"
    checksum = zlib.crc32(chunk.payload, zlib.crc32(chunk.kind))
    if checksum != int.from_bytes(chunk.raw[-4:]):
        return False
    return chunk.kind != b"iCCP" or is_sound(inflated_profile(bytes(chunk.payload)))


def _webp(data: bytes) -> Iterator[bytes]:
    """Yield the kept chunks of the RIFF container, its size and its flags put right."""
    chunks = [_webp_chunk(each) for each in _webp_kept(data)]
    if chunks and chunks[0].startswith(b"VP8X") and len(chunks[0]) > WEBP_FLAGS:
        flags = chunks[0][WEBP_FLAGS] & ~(WEBP_EXIF | WEBP_XMP | WEBP_PROFILE)
        flags |= WEBP_PROFILE if any(each.startswith(b"ICCP") for each in chunks) else 0
        chunks[0] = chunks[0][:WEBP_FLAGS] + bytes([flags]) + chunks[0][WEBP_FLAGS + 1 :]
    yield struct.pack("<4sI4s", b"RIFF", 4 + sum(map(len, chunks)), b"WEBP")
    yield from chunks


def _webp_kept(data: bytes) -> Iterator[Part]:
    for chunk in webp_chunks(data):
        if chunk.kind not in WEBP_KEPT:
            continue
        if chunk.kind == b"ICCP" and not is_sound(bytes(chunk.payload)):
            continue
        yield chunk


def _webp_chunk(chunk: Part) -> bytes:
    """Return the chunk with one more byte where its bytes are odd in number; one that is cut stays so."""
    return bytes(chunk.raw) + bytes(len(chunk.raw) % 2 if chunk.is_whole else 0)


STRIPPERS: Final[Mapping[str, Callable[[bytes], Iterator[bytes | memoryview]]]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
}


# Orientation

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
