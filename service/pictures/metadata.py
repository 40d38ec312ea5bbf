"""Removal of everything beside a picture: place, time, owner, comments, small copies, and parts that stop a decoder.

A reference goes on to an image service and lies behind a link, and a photo from a phone says where its maker lives.
Only the parts that make the picture are kept; nothing is decoded or encoded again. Sound colour profiles stay, and so
does the orientation of a JPEG or PNG, as an EXIF block that holds nothing else; browsers turn no WebP.

Browsers pass over a side part that is damaged, and show the picture; Pillow refuses the whole file for it. So the same
list of kept parts also makes a file readable: a chunk with a wrong checksum or of a wrong length, an endless text, a
profile that is none are left out, and a cut container is closed. JPEG, PNG and WebP are stripped, the formats of
cameras, phones and screenshots; GIF and AVIF stay as they are. A file with one defect of its pixels keeps it.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from service.pictures.containers import PNG_SIGNATURE, Part, jpeg_segments, png_chunk, png_chunks, webp_chunks
from service.pictures.icc import inflated_profile, is_sound
from service.pictures.orientation import EXIF_HEADER, UPRIGHT, stored_orientation, tiff_block
from service.pictures.segments import has_too_many_segments

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
