"""The limit of segments a picture may be built of, checked before a library walks through them.

Twenty megabytes can be five million empty segments. Pillow reads each of them in Python, ten seconds in which no other
thread gets its share of the processor; the segments of an honest picture have kilobytes each. A file of more segments
than its size warrants is not opened. WebP and AVIF are walked through in C.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

SCAN, START, END, TEMPORARY = 0xDA, 0xD8, 0xD9, 0x01
RESTARTS: Final = range(0xD0, 0xD8)
NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""Ends a scan: in its data FF is followed by 00, or by a restart (ITU T.81, B.1.1.2 and B.1.1.5)."""

ALWAYS_ALLOWED: Final = 10_000
"""Segments that any picture may have: some ten milliseconds."""

BYTES_FOR_ONE_MORE: Final = 1000
"""Bytes that allow one segment more. Encoders write PNG in chunks of four kilobytes and more."""

WITHOUT_LENGTH: Final = frozenset({0x00, TEMPORARY, START, END, *RESTARTS})
"""Markers without a length behind them (ITU T.81, B.1.1.3), and 00, which only looks like one."""

GIF_HEAD: Final = 13
IMAGE, EXTENSION = 0x2C, 0x21


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
    at = GIF_HEAD + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while at < len(data) and data[at] != IMAGE:
        yield
        if data[at] != EXTENSION:
            at += 1
            continue
        at += 2
        while data[at]:
            yield
            at += 1 + data[at]
        at += 1


COUNTERS: Final[Mapping[str, Callable[[bytes], Iterator[None]]]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
}
