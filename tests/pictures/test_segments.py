"""Pieces of pictures: honest ones have few, and what is nothing but pieces is not opened."""

import io
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.pictures.decoding import BadPictureError, pillow_format
from service.pictures.metadata import without_metadata
from service.pictures.previews import examine
from service.pictures.segments import ALWAYS_ALLOWED, COUNTERS, has_too_many_segments
from tests.emulators.pictures import large_jpeg

MANY = 4 * ALWAYS_ALLOWED
EMPTY_CHUNK = b"\0\0\0\0abCd\0\0\0\0"
EMPTY_TEXT = b"\0\0\0\0tEXt\0\0\0\0"


def plain(media_type: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").save(out, pillow_format(media_type), **options)
    return out.getvalue()


JPEG, PNG, GIF, WEBP, AVIF = (plain(media_type) for media_type in COUNTERS)
FIRST = GIF.index(b",")
"""Where the picture begins in a GIF, behind its colours, which hold no comma."""


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
        examine(data, Lock())


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
    assert examine(data, Lock()).media_type == media_type
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
