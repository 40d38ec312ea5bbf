"""The kind of a file by its first bytes: a picture that is kept, or a description of any other body.

Magic bytes alone decide, never a name or a Content-Type. What image services and the proxies before them have been
seen to send instead of a picture has a description of its own, so that a person can act on it.
"""

import codecs
from collections.abc import Iterator, Mapping
from typing import Final

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
