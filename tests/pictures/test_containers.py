"""The parts of picture files, as Pillow writes them and as they come damaged."""

import io
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.pictures.containers import (
    ALWAYS_ALLOWED,
    COUNTERS,
    MOST_SCANS,
    Part,
    boxes,
    gif_end,
    has_too_many_scans,
    has_too_many_segments,
    jpeg_segments,
    png_chunk,
    png_chunks,
    webp_chunks,
)
from service.pictures.decoding import pillow_format
from service.pictures.messages import BadPictureError
from service.pictures.metadata import without_metadata
from service.pictures.previews import examine
from tests.emulators.pictures import large_jpeg
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


MANY = 4 * ALWAYS_ALLOWED
EMPTY_CHUNK = b"\0\0\0\0abCd\0\0\0\0"
EMPTY_TEXT = b"\0\0\0\0tEXt\0\0\0\0"


def plain(media_type: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").save(out, pillow_format(media_type), **options)
    return out.getvalue()


JPEG, PNG, GIF, WEBP, AVIF = (plain(media_type) for media_type in COUNTERS)
FIRST = GIF.index(b",")
"""The place in a GIF at which the picture begins, behind its colours, which hold no comma."""


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        pytest.param("image/jpeg", JPEG[:2] + b"\xff\xfe\0\2" * MANY + JPEG[2:], id="JPEG of comments"),
        pytest.param("image/jpeg", JPEG[:2] + b"\xff" * MANY + JPEG[2:], id="JPEG of fill bytes"),
        pytest.param("image/jpeg", JPEG[:20] + b"\0" * MANY + JPEG[20:], id="JPEG of what stands between"),
        pytest.param("image/jpeg", JPEG[:-2] + b"\xff\xda\0\2" * MANY + JPEG[-2:], id="JPEG of scans"),
        pytest.param("image/png", PNG[:33] + EMPTY_CHUNK * MANY + PNG[33:], id="PNG of chunks"),
        pytest.param("image/png", PNG[:-12] + EMPTY_TEXT * MANY + PNG[-12:], id="PNG of texts behind the pixels"),
        pytest.param("image/gif", GIF[:FIRST] + b"\x21\xfe" + b"\1a" * MANY + b"\0" + GIF[FIRST:], id="GIF of blocks"),
        pytest.param("image/gif", GIF[:FIRST] + b"\x21\xfe\0" * MANY + GIF[FIRST:], id="GIF of comments"),
        pytest.param("image/gif", GIF[:FIRST] + b"\0" * MANY + GIF[FIRST:], id="GIF of what stands between"),
        pytest.param("image/webp", WEBP + b"abcd\0\0\0\0" * MANY, id="WebP of chunks"),
        pytest.param("image/avif", AVIF + b"\0\0\0\x08free" * MANY, id="AVIF of boxes"),
    ],
)
def test_what_is_nothing_but_pieces_is_not_opened(media_type: str, data: bytes) -> None:
    """Attack: twenty megabytes of them, by an upload link, held everybody up for twenty seconds."""
    assert has_too_many_segments(data, media_type)
    assert without_metadata(data, media_type) == data
    with pytest.raises(BadPictureError, match="too many pieces"):
        examine(data)


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        pytest.param("image/jpeg", JPEG, id="JPEG"),
        pytest.param("image/jpeg", plain("image/jpeg", progressive=True), id="progressive JPEG"),
        pytest.param("image/jpeg", large_jpeg(), id="noise, full of what looks like markers"),
        pytest.param("image/png", PNG, id="PNG"),
        pytest.param("image/gif", GIF, id="GIF"),
        pytest.param("image/jpeg", JPEG + bytes(MANY), id="JPEG with something behind it"),
        pytest.param("image/png", PNG + bytes(16 * MANY), id="PNG with something behind it"),
        pytest.param("image/gif", GIF + bytes(MANY), id="GIF with something behind it"),
        pytest.param("image/avif", AVIF, id="AVIF"),
    ],
)
def test_an_honest_picture_has_few_pieces(media_type: str, data: bytes) -> None:
    assert not has_too_many_segments(data, media_type)
    assert examine(data).media_type == media_type
    if media_type in COUNTERS:
        assert sum(1 for _ in COUNTERS[media_type](data)) < 100


def test_a_large_picture_may_have_more_of_them() -> None:
    """Ours: an encoder that writes pieces of four kilobytes is an honest one."""
    piece = (4096).to_bytes(4) + b"IDAT" + bytes(4096 + 4)
    assert not has_too_many_segments(PNG[:33] + piece * 2 * ALWAYS_ALLOWED, "image/png")


@given(st.sampled_from(sorted(COUNTERS)), st.binary(max_size=300))
def test_whatever_the_bytes_are_the_count_ends(media_type: str, data: bytes) -> None:
    """Ours: the next step says what is wrong with them."""
    assert not has_too_many_segments(data, media_type)


def with_scans(count: int) -> bytes:
    """A small progressive JPEG whose last scan stands there so many times; each goes over 64 pixels."""
    data = encoded(FLAT, "image/jpeg", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def test_a_jpeg_of_passes_is_not_opened() -> None:
    """Attack: each pass goes over all pixels, and takes ten bytes: a valid file of 60 kB held a decoder for 29 s."""
    assert not has_too_many_scans(with_scans(MOST_SCANS // 2), "image/jpeg")
    assert has_too_many_scans(with_scans(MOST_SCANS + 1), "image/jpeg")
    with pytest.raises(BadPictureError, match=f"has more than {MOST_SCANS} passes over its pixels") as caught:
        examine(with_scans(MOST_SCANS + 1))
    assert caught.value.code == "too_complex"
