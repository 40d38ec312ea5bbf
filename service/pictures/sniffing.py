"""The kind of a file by its first bytes: a picture that is kept, with its size, or a description of any other body.

Magic bytes alone decide, never a name or a Content-Type. What image services and the proxies before them have been
seen to send instead of a picture has a description of its own, so that a person can act on it.
"""

import codecs
import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

from service.pictures.containers import LOOKED_AT, Part, avif_properties, jpeg_segments, webp_chunks

HEAD_BYTES: Final = 1024
"""Bytes of a file that are looked at: comments and a doctype may come before the first tag of a text."""

MAGIC: Final[Mapping[str, tuple[bytes, ...]]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}

OTHER_PICTURES: Final[Mapping[bytes, str]] = {
    b"BM": "a BMP picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"\x00\x00\x01\x00": "an ICO picture",
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL picture",
}
CONVERTIBLE: Final[Mapping[str, str]] = {"a BMP picture": "BMP", "a TIFF picture": "TIFF", "an ICO picture": "ICO"}
"""Those that are kept as PNG where an image service gives one, since it is paid for; by Pillow's name of the type."""

OTHER_FILES: Final[Mapping[bytes, str]] = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip data",
}
AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1"})
"""Brands of the pictures that iPhones make (ISO/IEC 23008-12, annex B). Other brands are those of videos."""


def sniff(data: bytes) -> str | None:
    """Return the media type by magic bytes, or None for a type that is not among `images.EXTENSIONS`."""
    for media_type, starts in MAGIC.items():
        if data.startswith(starts):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if AVIF_BRANDS & set(brands(data)):
        return "image/avif"
    return None


def is_opaque(head: bytes) -> bool:
    """Tell by its first bytes that nothing of a picture is transparent; False where they do not say so."""
    match sniff(head):
        case "image/jpeg":
            return True
        case "image/png":
            return head[25:26] in {b"\x00", b"\x02"} and b"tRNS" not in head and b"IDAT" in head
        case "image/webp":
            return head[12:16] == b"VP8 "
        case _:
            return False


def brands(data: bytes) -> Iterator[bytes]:
    """Yield the brands of an ISO base media file (ISO/IEC 14496-12, 4.3), the major one first; none of other files."""
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4]), 256)
        yield data[8:12]
        yield from (data[at : at + 4] for at in range(16, end - 3, 4))


def other_picture(data: bytes) -> str | None:
    """Name the picture type that is not kept, such as "a HEIC picture"; None for any other file."""
    if is_heic(data):
        return "a HEIC picture"
    if is_text(data[:HEAD_BYTES]):  # a text may begin with the two letters BM
        return None
    return next((name for magic, name in OTHER_PICTURES.items() if data.startswith(magic)), None)


def convertible(data: bytes) -> str | None:
    """Return the type, such as "BMP", of a picture that is kept as PNG where an image service gives it; else None."""
    return CONVERTIBLE.get(other_picture(data) or "")


def is_heic(data: bytes) -> bool:
    """Tell whether this is a HEIC picture, the format of iPhone photos; an AVIF may have some of its brands."""
    return not AVIF_BRANDS & set(brands(data)) and bool(HEIC_BRANDS & set(brands(data)))


def describe(data: bytes) -> str:
    """Describe a body that is not kept, to end the sentence "The answer is …"."""
    if not data.strip():
        return "empty"
    if picture := other_picture(data):
        return f"{picture}, a type that is not kept"
    if file := next((name for magic, name in OTHER_FILES.items() if data.startswith(magic)), None):
        return f"{file}, not a picture"
    if any(brands(data)):
        return "a video, not a picture"
    return _describe_text(data[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower())


def is_text(head: bytes) -> bool:
    """Tell whether this may be the start of a UTF-8 text; its last character may be cut in two."""
    try:
        return "\x00" not in codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False


def _describe_text(head: bytes) -> str:
    """Describe what may be text by its lower-cased start."""
    if b"<svg" in head:
        return "an SVG drawing, which may hold scripts and is not kept"
    if head.startswith((b"<!doctype html", b"<html")) or b"<html" in head or b"<body" in head:
        return "an HTML page, not a picture"
    if head.startswith((b"{", b"[")):
        return "JSON, not a picture"
    if head.startswith(b"data:image/"):
        return "a data: URL that was not decoded, not a picture"
    if is_text(head):
        return "plain text, not a picture"
    return "of an unknown kind, not a PNG, JPEG, WebP, GIF or AVIF picture"


# The size of a picture, and its cost

JPEG_HEAD_BYTES: Final = 512 * 1024
"""Bytes of a JPEG in which its size is looked for; EXIF, previews and colour profiles stand before it."""

FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of the segment that holds width and height (ITU T.81, table B.1, SOFn)."""

MEMORY_PER_PIXEL: Final[Mapping[str, int]] = {
    "image/png": 7,
    "image/jpeg": 8,
    "image/webp": 18,
    "image/gif": 7,
    "image/avif": 10,
}
"""Bytes that Pillow and its libraries take for a pixel at most (measured): a progressive JPEG has its coefficients,
WebP two canvases and a copy."""

MEMORY_BESIDE: Final = 100_000_000
"""Bytes for the interpreter, and for the smaller picture that is made of the whole one."""


def stored_size(data: bytes, media_type: str) -> tuple[int, int] | None:
    """Return width and height by the header, as the rows are stored; None where it is not found. Takes microseconds."""
    measure = MEASURES.get(media_type)
    try:
        size = None if measure is None else measure(data)
    except (IndexError, struct.error):
        return None
    return size if size is not None and min(size) > 0 else None


def memory_needed(data: bytes, media_type: str) -> int:
    """Return the bytes that decoding takes at most, by the header; 0 where that tells no size."""
    width, height = stored_size(data, media_type) or (0, 0)
    pixels = width * height
    return pixels and MEMORY_BESIDE + 3 * len(data) + pixels * MEMORY_PER_PIXEL[media_type]


def _png_size(data: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from(">II", data, 16)
    return (width, height) if data[12:16] == b"IHDR" else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    for segment in islice(jpeg_segments(data[:JPEG_HEAD_BYTES]), LOOKED_AT):
        if segment.kind[0] in FRAMES:
            height, width = struct.unpack_from(">HH", segment.payload, 1)
            return width, height
    return None


def _gif_size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Return the size of the canvas, or of the one picture (RFC 9649, 2.5 to 2.7, and 3.4)."""
    first = next(webp_chunks(data), None)
    match first:
        case Part(b"VP8X", _, payload):
            return 1 + int.from_bytes(payload[4:7], "little"), 1 + int.from_bytes(payload[7:10], "little")
        case Part(b"VP8 ", _, payload):
            width, height = struct.unpack_from("<HH", payload, 6)
            return width & 0x3FFF, height & 0x3FFF
        case Part(b"VP8L", _, payload):
            (bits,) = struct.unpack_from("<I", payload, 1)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case _:
            return None


def _avif_size(data: bytes) -> tuple[int, int] | None:
    """Return the largest of the sizes (`ispe`, ISO/IEC 23008-12, 6.5.3): parts of the picture are smaller than it."""
    sizes = [struct.unpack_from(">II", each, 4) for each in avif_properties(data, b"ispe")]
    width, height = max(sizes, key=lambda size: int(size[0] * size[1]), default=(0, 0))
    return width, height


MEASURES: Final[Mapping[str, Callable[[bytes], tuple[int, int] | None]]] = {
    "image/png": _png_size,
    "image/jpeg": _jpeg_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
    "image/avif": _avif_size,
}
