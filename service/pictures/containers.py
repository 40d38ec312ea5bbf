"""The parts that a picture file is built of: JPEG segments, PNG and WebP chunks, AVIF boxes.

Walks read headers only and decode nothing. They are as forgiving as browsers: bytes between JPEG segments are skipped,
and the last part may be cut short, which its `is_whole` tells.

The parts are counted before a library opens the file:

1. Segments. Twenty megabytes can be five million empty ones; Pillow reads each of them in Python, for ten seconds, and
   the segments of an honest picture have kilobytes each. A file has no more of them than its size warrants.
2. Passes. Each scan of a JPEG goes over the whole picture, and may have ten bytes.

Frames cost nothing: of an animation the first one alone is decoded.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, takewhile
from typing import Final, NamedTuple

SCAN, START, END, TEMPORARY = 0xDA, 0xD8, 0xD9, 0x01
RESTARTS: Final = range(0xD0, 0xD8)
MARKER: Final = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
"""Begins a segment. FF 00 and restarts stand in scans alone, and FF may be filled up with more of it."""

NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""Ends a scan: in its data FF is followed by 00, or by a restart (ITU T.81, B.1.1.2 and B.1.1.5)."""

WITHOUT_LENGTH: Final = frozenset({0x00, TEMPORARY, START, END, *RESTARTS})
"""Markers without a length behind them (ITU T.81, B.1.1.3), and 00, which only looks like one."""

JPEG_SCAN, JPEG_END = bytes([SCAN]), bytes([0xFF, END])
PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
RIFF_HEADER_BYTES: Final = 12
GIF_HEADER_BYTES: Final = 13
GIF_IMAGE, GIF_EXTENSION = 0x2C, 0x21


class Part(NamedTuple):
    """One segment, chunk or box: its kind, its bytes with header, and its payload."""

    kind: bytes
    raw: memoryview
    payload: memoryview
    is_whole: bool = True


def jpeg_segments(data: bytes) -> Iterator[Part]:
    """Yield the segments behind SOI (ITU T.81, B.1.1), a scan with its data, up to EOI behind a scan.

    The kind is the marker's second byte.
    """
    view, at, scanned = memoryview(data), 2, False
    while found := MARKER.search(data, at):
        at = found.start()
        marker = data[at + 1]
        if marker == END:
            if scanned:
                yield Part(JPEG_END[1:], view[at : at + 2], view[:0])
                return
            at += 2
            continue
        start, end = at, at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
        payload = view[at + 4 : end]
        if marker == SCAN:
            scanned = True
            following = NEXT_MARKER.search(data, end)
            end = len(data) if following is None else following.start()
        yield Part(bytes([marker]), view[start:end], payload, end <= len(data))
        at = end


def png_chunks(data: bytes) -> Iterator[Part]:
    """Yield the chunks (PNG Third Edition, 5.3) up to IEND. The payload is without length, kind and checksum."""
    view, at = memoryview(data), len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + length + 12
        yield Part(kind, view[at:end], view[at + 8 : min(end - 4, len(data))], end <= len(data))
        if kind == b"IEND":
            return
        at = end


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """Return a chunk with its length and its checksum."""
    return struct.pack(">I4s", len(payload), kind) + payload + struct.pack(">I", zlib.crc32(kind + payload))


def webp_chunks(data: bytes) -> Iterator[Part]:
    """Yield the chunks of the RIFF container (RFC 9649, 2.3), whatever size its header names."""
    view, at = memoryview(data), RIFF_HEADER_BYTES
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length
        yield Part(kind, view[at:end], view[at + 8 : end], end <= len(data))
        at = end + length % 2


def boxes(data: bytes | memoryview) -> Iterator[Part]:
    """Yield the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2), or of one box's payload."""
    view, at = memoryview(data), 0
    while at + 8 <= len(view):
        size, kind = struct.unpack_from(">I4s", view, at)
        head = 8
        if size == 1 and at + 16 <= len(view):
            size, head = struct.unpack_from(">Q", view, at + 8)[0], 16
        end = len(view) if size == 0 else at + size
        if end < at + head:
            return
        yield Part(kind, view[at:end], view[at + head : end], end <= len(view))
        at = end


def gif_end(data: bytes) -> int:
    """Return the position behind the block of the first picture in which a GIF ends or is cut (GIF89a, 15 and 20).

    It is larger than the file where that block is cut.
    """
    at = GIF_HEADER_BYTES + _gif_table_bytes(data, 10)
    while at < len(data) and data[at] in {GIF_IMAGE, GIF_EXTENSION}:
        is_image = data[at] == GIF_IMAGE
        at += 11 + _gif_table_bytes(data, at + 9) if is_image else 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        if is_image:
            return at
        at += 1
    return len(data)


def is_animated(data: bytes, media_type: str) -> bool:
    """Tell whether a file has more frames than the first. Blocks for milliseconds where that one is large."""
    match media_type:
        case "image/png":
            kinds = (chunk.kind for chunk in islice(png_chunks(data), LOOKED_AT))
            return b"acTL" in takewhile(lambda kind: kind != b"IDAT", kinds)
        case "image/webp":
            return any(chunk.kind == b"ANMF" for chunk in islice(webp_chunks(data), LOOKED_AT))
        case "image/gif":
            return _has_second_image(data)
        case "image/avif":
            return data[8:12] == b"avis"
        case _:
            return False


def _has_second_image(data: bytes) -> bool:
    """Tell whether a GIF has an image behind its first one; comments may stand between."""
    at = gif_end(data) + 1
    while at < len(data) and data[at] == GIF_EXTENSION:
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return at < len(data) and data[at] == GIF_IMAGE


def _gif_table_bytes(data: bytes, at: int) -> int:
    """Return the bytes of a colour table by the flags at this position (GIF89a, 18 and 20)."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


# The cost of a picture

ALWAYS_ALLOWED: Final = 10_000
"""Segments that any picture may have: some ten milliseconds."""

BYTES_FOR_ONE_MORE: Final = 1000
"""Bytes that allow one segment more. Encoders write PNG in chunks of four kilobytes and more."""

MOST_SCANS: Final = 100
"""Scans of one JPEG. Encoders write ten or so, and one for each bit of each frequency would be some hundred."""

LOOKED_AT: Final = 500
"""Parts of one level among which a property is looked for."""


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


def has_too_many_scans(data: bytes, media_type: str) -> bool:
    """Tell whether a JPEG has more passes over its pixels than `MOST_SCANS`. Its segments are counted before."""
    if media_type != "image/jpeg":
        return False
    scans = (segment for segment in jpeg_segments(data) if segment.kind == JPEG_SCAN)
    return sum(1 for _ in islice(scans, MOST_SCANS + 1)) > MOST_SCANS


def avif_properties(data: bytes, kind: bytes) -> Iterator[memoryview]:
    """Return the payloads of the item properties of one kind (ISO/IEC 14496-12, 12.1.5)."""
    meta = next(_inside(boxes(data), b"meta"), memoryview(b""))
    properties = next(_inside(boxes(meta[4:]), b"iprp"), memoryview(b""))
    container = next(_inside(boxes(properties), b"ipco"), memoryview(b""))
    return _inside(boxes(container), kind)


def _inside(parts: Iterator[Part], kind: bytes) -> Iterator[memoryview]:
    return (part.payload for part in islice(parts, LOOKED_AT) if part.kind == kind)


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
