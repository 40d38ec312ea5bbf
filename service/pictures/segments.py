"""The limit of segments a picture may be built of, checked before a library walks through them.

Twenty megabytes can be five million empty segments. Pillow reads each of them in Python, ten seconds in which no other
thread gets its share of the processor; the segments of an honest picture have kilobytes each. A file of more segments
than its size warrants is not opened.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

from service.pictures.containers import (
    END,
    GIF_EXTENSION,
    GIF_HEADER_BYTES,
    GIF_IMAGE,
    NEXT_MARKER,
    RIFF_HEADER_BYTES,
    SCAN,
    WITHOUT_LENGTH,
    boxes,
)

ALWAYS_ALLOWED: Final = 10_000
"""Segments that any picture may have: some ten milliseconds."""

BYTES_FOR_ONE_MORE: Final = 1000
"""Bytes that allow one segment more. Encoders write PNG in chunks of four kilobytes and more."""


def has_too_many_segments(data: bytes, media_type: str) -> bool:
    """Tell whether a file has more segments than its size warrants. Counts no further than it may have."""
    count = COUNTERS.get(media_type)
    if count is None:
        return False
    allowed = ALWAYS_ALLOWED + len(data) // BYTES_FOR_ONE_MORE
    try:
        return sum(1 for _ in islice(count(data), allowed + 1)) > allowed
    except (IndexError, struct.error):
        return False  # cut short: the decoder says so


def _jpeg(data: bytes) -> Iterator[None]:
    """Yield for each segment, and each byte between them (ITU T.81, B.1.1), to the end behind a scan."""
    at, scanned = 2, False
    while at < len(data):
        yield
        if data[at] != 0xFF or data[at + 1] == 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker == END and scanned:
            return
        at += 2 if marker in WITHOUT_LENGTH else 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
        if marker == SCAN:
            scanned = True
            following = NEXT_MARKER.search(data, at)
            at = len(data) if following is None else following.start()


def _png(data: bytes) -> Iterator[None]:
    """Yield for each chunk (PNG Third Edition, 5.3) before IEND."""
    at = 8
    while at < len(data) and data[at + 4 : at + 8] != b"IEND":
        yield
        at += 12 + int(struct.unpack_from(">I", data, at)[0])


def _gif(data: bytes) -> Iterator[None]:
    """Yield for each sub-block before the first picture, and each byte between (GIF89a, 15, 16 and 24)."""
    at = GIF_HEADER_BYTES + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while at < len(data) and data[at] != GIF_IMAGE:
        yield
        if data[at] != GIF_EXTENSION:
            at += 1
            continue
        at += 2
        while data[at]:
            yield
            at += 1 + data[at]
        at += 1


def _webp(data: bytes) -> Iterator[None]:
    """Yield for each chunk (RFC 9649, 2.3)."""
    at = RIFF_HEADER_BYTES
    while at < len(data):
        yield
        length = int(struct.unpack_from("<I", data, at + 4)[0])
        at += 8 + length + length % 2


def _avif(data: bytes) -> Iterator[None]:
    """Yield for each box of the file (ISO/IEC 14496-12, 4.2)."""
    return (None for _ in boxes(data))


COUNTERS: Final[Mapping[str, Callable[[bytes], Iterator[None]]]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/webp": _webp,
    "image/avif": _avif,
}
