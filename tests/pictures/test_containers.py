"""The parts of picture files, as Pillow writes them and as they come damaged."""

import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.pictures.containers import Part, boxes, gif_end, jpeg_segments, png_chunk, png_chunks, webp_chunks
from tests.pictures.samples import encoded, photo

FLAT = Image.new("RGB", (8, 8))


def test_a_jpeg_is_read_segment_by_segment_and_a_scan_with_its_data() -> None:
    data = encoded(photo(), "image/jpeg", progressive=True)
    parts = list(jpeg_segments(data))
    assert data[:2] + b"".join(part.raw for part in parts) == data
    assert [parts[0].kind, parts[-1].kind] == [b"\xe0", b"\xd9"]
    assert sum(part.kind == b"\xda" for part in parts) > 1


def test_bytes_between_segments_are_skipped() -> None:
    """Ours: browsers do the same, and show the picture."""
    data = encoded(FLAT, "image/jpeg")
    odd = data[:20] + b"\0\0\xff\xff" + data[20:]
    assert [part.raw for part in jpeg_segments(odd)] == [part.raw for part in jpeg_segments(data)]


def test_a_jpeg_ends_with_its_first_picture() -> None:
    data = encoded(FLAT, "image/jpeg")
    assert list(jpeg_segments(data + data)) == list(jpeg_segments(data))


def test_png_chunks_come_with_their_payload() -> None:
    data = encoded(FLAT)
    parts = list(png_chunks(data))
    assert [part.kind for part in parts] == [b"IHDR", b"IDAT", b"IEND"]
    assert bytes(parts[0].payload[:8]) == struct.pack(">II", 8, 8)
    assert png_chunk(b"IDAT", bytes(parts[1].payload)) == bytes(parts[1].raw)


def test_a_cut_part_says_so() -> None:
    png, webp, avif = encoded(FLAT)[:-14], encoded(FLAT, "image/webp")[:-3], encoded(photo(), "image/avif")[:-3]
    for parts in (png_chunks(png), webp_chunks(webp), boxes(avif)):
        *before, last = parts
        assert all(part.is_whole for part in before)
        assert not last.is_whole


def test_the_size_in_a_riff_header_is_not_asked() -> None:
    """Ours: writers set it wrong, and browsers show the picture."""
    data = encoded(FLAT, "image/webp")
    wrong = data[:4] + struct.pack("<I", 4) + data[8:]
    assert [part.kind for part in webp_chunks(wrong)] == [part.kind for part in webp_chunks(data)]


def test_boxes_of_64_bits_and_to_the_end_are_known() -> None:
    """ISO/IEC 14496-12, 4.2: a size of 1 stands before a larger one, and 0 means the rest of the file."""
    data = struct.pack(">I4sQ", 1, b"mdat", 18) + b"ab" + struct.pack(">I4s", 0, b"free") + b"rest"
    assert [(part.kind, bytes(part.payload)) for part in boxes(data)] == [(b"mdat", b"ab"), (b"free", b"rest")]


def test_the_end_of_the_first_picture_of_a_gif_is_found() -> None:
    data = encoded(photo().quantize(16), "image/gif")
    assert data[gif_end(data) :] == b"\0;"
    assert gif_end(data[:-9]) > len(data[:-9])


@pytest.mark.parametrize("walk", [jpeg_segments, png_chunks, webp_chunks, boxes])
@given(data=st.binary(max_size=300))
def test_whatever_the_bytes_are_a_walk_ends(walk: Callable[[bytes], Iterator[Part]], data: bytes) -> None:
    for part in walk(data):
        assert len(part.payload) <= len(part.raw)
    assert gif_end(data) >= 0
