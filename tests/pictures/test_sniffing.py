"""Types by first bytes: pictures that are kept, and the words for anything else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.images import EXTENSIONS
from service.pictures.sniffing import (
    HEAD_BYTES,
    MEASURES,
    describe,
    is_opaque,
    memory_needed,
    other_picture,
    sniff,
    stored_size,
)
from tests.pictures.samples import encoded, photo


@pytest.mark.parametrize("media_type", EXTENSIONS)
def test_every_type_that_is_kept_is_told_by_its_first_bytes(media_type: str) -> None:
    """Ours: `images.EXTENSIONS` is the table of types that are kept."""
    assert sniff(encoded(Image.new("RGB", (9, 9)), media_type)) == media_type
    assert other_picture(encoded(Image.new("RGB", (9, 9)), "image/bmp")) == "a BMP picture"


@pytest.mark.parametrize(("mode", "media_type", "options", "opaque"), [
    ("RGB", "image/png", {}, True), ("L", "image/png", {}, True), ("RGBA", "image/png", {}, False),
    ("P", "image/png", {}, False), ("RGB", "image/png", {"transparency": (0, 0, 0)}, False),
    ("RGB", "image/jpeg", {}, True), ("RGB", "image/webp", {}, True), ("RGBA", "image/webp", {}, False),
    ("RGB", "image/webp", {"lossless": True}, False), ("RGB", "image/gif", {}, False),
])  # fmt: skip
def test_a_picture_is_opaque_where_its_head_says_so(mode: str, media_type: str, options: Any, opaque: bool) -> None:
    """Ours: where it says nothing, the picture counts as transparent, which costs time and no pixel."""
    assert is_opaque(encoded(Image.new(mode, (9, 9)), media_type, **options)[:HEAD_BYTES]) is opaque


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b" \r\n", "empty", id="blank"),
        pytest.param(b"<!DOCTYPE html><title>502</title>", "an HTML page, not a picture", id="html"),
        pytest.param(b"\xef\xbb\xbf\n<!-- hi --><HTML>", "an HTML page, not a picture", id="html-after-comment"),
        pytest.param(b'<?xml version="1.0"?><svg xmlns="x">', "an SVG drawing", id="svg"),
        pytest.param(b'{"error": {"code": 429}}', "JSON, not a picture", id="json"),
        pytest.param(b"data:image/png;base64,iVBORw0KGgo=", "a data: URL", id="data-url"),
        pytest.param("生成失败，请稍后再试".encode() * 200, "plain text, not a picture", id="chinese-text-cut"),
        pytest.param(b"BMW is a maker of cars", "plain text, not a picture", id="text-that-begins-like-a-bmp"),
        pytest.param(b"%PDF-1.7", "a PDF document, not a picture", id="pdf"),
        pytest.param(encoded(photo(), "image/bmp"), "a BMP picture, a type that is not kept", id="bmp"),
        pytest.param(encoded(photo(), "image/tiff"), "a TIFF picture, a type that is not kept", id="tiff"),
        pytest.param(b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture, a type that is not kept", id="jpeg-xl"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture, a type that is not kept", id="heic"),
        pytest.param(b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "a video, not a picture", id="video"),
        pytest.param(b"\x07\x00\xfe\xff" * 9, "of an unknown kind", id="noise"),
    ],
)
def test_a_body_that_is_no_picture_is_described(data: bytes, words: str) -> None:
    """Ours: a person can act on "an HTML page", and cannot on "cannot identify image file"."""
    assert sniff(data) is None
    assert describe(data).startswith(words)


WHOLE = {media_type: encoded(photo(), media_type) for media_type in MEASURES}
JPEG = WHOLE["image/jpeg"]


@pytest.mark.parametrize("media_type", MEASURES)
@pytest.mark.parametrize("size", [(300, 200), (7, 1021)])
def test_the_header_tells_the_size(media_type: str, size: tuple[int, int]) -> None:
    data = encoded(Image.new("RGB", size), media_type)
    assert stored_size(data, media_type) == size
    assert memory_needed(data, media_type) > size[0] * size[1] * 4


@pytest.mark.parametrize(
    ("data", "size"),
    [
        pytest.param(encoded(photo(), "image/webp", lossless=True), (320, 240), id="lossless WebP"),
        pytest.param(encoded(photo(), "image/webp", exif=b"MM"), (320, 240), id="WebP with a canvas"),
        pytest.param(encoded(photo(), "image/jpeg", progressive=True), (320, 240), id="progressive JPEG"),
        pytest.param(JPEG[:20] + bytes(9) + JPEG[20:], (320, 240), id="JPEG with bytes between"),
    ],
)
def test_each_form_of_a_header_is_read(data: bytes, size: tuple[int, int]) -> None:
    assert stored_size(data, sniff(data) or "") == size


@given(st.sampled_from(sorted(MEASURES)), st.binary(max_size=300), st.integers(0, 40))
def test_whatever_the_bytes_are_a_size_is_two_numbers_or_none(media_type: str, data: bytes, kept: int) -> None:
    """Ours: it is read in the service itself, before a decoder sees the file."""
    for each in (data, WHOLE[media_type][:kept] + data):
        size = stored_size(each, media_type)
        assert size is None or min(size) > 0
