"""Mending of pictures that lack their last bytes: browsers show them whole, strict decoders refuse them.

A file is closed again where no more than a sliver of the picture is missing. The sliver is filled with bytes that mean
nothing, grey or black for the most part; a picture of which more is missing stays damaged.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

from PIL import Image, ImageChops

from service.pictures.containers import (
    JPEG_END,
    JPEG_SCAN,
    PNG_SIGNATURE,
    RIFF_HEADER_BYTES,
    Part,
    boxes,
    gif_end,
    jpeg_segments,
    png_chunk,
    png_chunks,
    webp_chunks,
)

MISSING_SHARE: Final = 50
"""A picture may lack one row, or one byte of its pixels, of so many."""

MISSING_ROWS: Final = 17
"""Rows that a JPEG may lack in any case: the last row of its blocks (ITU T.81, A.2), and one that colour spreads to."""

MISSING_BYTES: Final = 16
"""Packed bytes that may be missing in any case."""

COMPARED_PIXELS: Final = 4096 * 4096
"""JPEGs of more pixels are compared at a fraction of their size, so that memory stays bounded."""

JPEG_FILL: Final = bytes.fromhex("a5c35a96") * 1024
"""Bytes that no decoder takes for the end of a scan, and that never decode to an even grey."""

FILLS: Final = (b"\x00", b"\x55", b"\xaa", b"\xff")
"""Bytes to fill a cut part with: an arithmetic decoder may find an error in some and go on with others."""

INFLATED_PIECE: Final = 65_536
ZLIB_HEADER_BYTES: Final = 2
IHDR_BYTES: Final = 13
NOT_INTERLACED: Final = ((0, 0, 1, 1),)
ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes of an interlaced PNG: first column and row, steps (PNG Third Edition, 8.1)."""

CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Values of one pixel by colour type (PNG Third Edition, 6.1)."""

GIF_BLOCK: Final = 255


def mended(data: bytes, media_type: str) -> Iterator[bytes]:
    """Yield forms of a picture that failed to decode with its end put right; none where too much is missing. Blocks."""
    mend = MENDERS.get(media_type)
    if mend is not None:
        yield from mend(data)


def _jpeg(data: bytes) -> Iterator[bytes]:
    """Close a scan that ends with the file. Decoded twice, with and without bytes to go on with, it must look alike."""
    kinds = [segment.kind for segment in jpeg_segments(data)]
    if JPEG_SCAN not in kinds or kinds[-1] == JPEG_END[1:]:
        return
    cut = data.rstrip(b"\xff")  # half a marker
    ended, continued = _decoded(cut + JPEG_END), _decoded(cut + JPEG_FILL + JPEG_END)
    difference = ImageChops.difference(ended, continued).getbbox()
    missing = 0 if difference is None else ended.height - difference[1]
    if missing <= max(MISSING_ROWS, ended.height // MISSING_SHARE):
        yield cut + JPEG_END


def _decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    factor = 1
    while image.width * image.height > COMPARED_PIXELS * factor**2:
        factor *= 2
    image.draft(None, (image.width // factor, image.height // factor))
    image.load()
    return image


def _png(data: bytes) -> Iterator[bytes]:
    """Pack the pixels again, up to the byte where they end or break, and empty ones behind them."""
    chunks = list(png_chunks(data))
    if not chunks or chunks[0].kind != b"IHDR" or len(chunks[0].payload) != IHDR_BYTES:
        return
    whole, height = _pixel_bytes(bytes(chunks[0].payload)), int.from_bytes(chunks[0].payload[4:8])
    sliver = whole // max(1, min(height, MISSING_SHARE))
    packer = zlib.compressobj(1)
    packed, present = [], 0
    for piece in _inflated((chunk.payload for chunk in chunks if chunk.kind == b"IDAT"), 1 + sliver // 16):
        packed.append(packer.compress(piece[: whole - present]))
        present = min(whole, present + len(piece))
        if present == whole:  # a bomb has more
            break
    if not present or whole - present > sliver:
        return
    packed += [packer.compress(bytes(whole - present)), packer.flush()]
    first = next(number for number, chunk in enumerate(chunks) if chunk.kind == b"IDAT")
    head, tail = chunks[:first], [chunk for chunk in chunks[first:] if chunk.kind != b"IDAT"]
    pixels = [png_chunk(b"IDAT", b"".join(packed))]
    yield b"".join(chain([PNG_SIGNATURE], (each.raw for each in head), pixels, (each.raw for each in tail)))


def _pixel_bytes(header: bytes) -> int:
    """Return the inflated bytes of all rows, each with the byte of its filter (PNG Third Edition, 7.2 and 8.1)."""
    width, height, depth, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * CHANNELS.get(colour_type, 1)
    total = 0
    for left, top, across, down in ADAM7 if interlaced else NOT_INTERLACED:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        total += rows * (1 + (columns * bits + 7) // 8) if columns > 0 and rows > 0 else 0
    return total


def _inflated(payloads: Iterable[memoryview], most: int) -> Iterator[bytes]:
    """Yield the inflated bytes in pieces of up to `most`, to the one in which they break; no checksum is asked."""
    inflater, skipped = zlib.decompressobj(-zlib.MAX_WBITS), ZLIB_HEADER_BYTES
    for payload in payloads:
        packed: bytes | memoryview = payload[skipped:]
        skipped -= min(skipped, len(payload))
        while packed and not inflater.eof:
            try:
                yield inflater.decompress(packed, min(most, INFLATED_PIECE))
            except zlib.error:
                return
            packed = inflater.unconsumed_tail
    yield inflater.flush()


def _webp(data: bytes) -> Iterator[bytes]:
    """Fill up the last chunk, and name the size that the file has then."""
    *_, last = webp_chunks(data)
    size = 8 + int.from_bytes(last.raw[4:8], "little")
    for filled in _filled(data, last, size + size % 2):
        yield filled[:4] + struct.pack("<I", len(filled) - RIFF_HEADER_BYTES + 4) + filled[8:]


def _avif(data: bytes) -> Iterator[bytes]:
    """Fill up the last box, which holds the coded pixels."""
    *_, last = boxes(data)
    return _filled(data, last, int.from_bytes(last.raw[:4]))


def _gif(data: bytes) -> Iterator[bytes]:
    """Fill up the last block of the first picture, and add blocks for a sliver of pixels (GIF89a, 15 and 22)."""
    missing = gif_end(data) - len(data)
    if missing <= 0:
        return
    width, height = struct.unpack_from("<HH", data, 6)
    blocks = 1 + width * height // MISSING_SHARE // GIF_BLOCK
    yield data + bytes(missing) + (b"\xff" + bytes(GIF_BLOCK)) * blocks + b"\x00;"


def _filled(data: bytes, last: Part, size: int) -> Iterator[bytes]:
    missing = size - len(last.raw)
    if 0 < missing <= max(MISSING_BYTES, size // MISSING_SHARE) and missing < len(last.raw):
        yield from (data + fill * missing for fill in FILLS)


MENDERS: Final[Mapping[str, Callable[[bytes], Iterator[bytes]]]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
    "image/avif": _avif,
    "image/gif": _gif,
}
