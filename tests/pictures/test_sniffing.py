"""Types by first bytes: pictures that are kept, and the words for anything else."""

import io

import pytest
from PIL import Image

from service.images import EXTENSIONS
from service.pictures.sniffing import describe, other_picture, sniff


def encoded(media_type: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9)).save(buffer, media_type.removeprefix("image/"))
    return buffer.getvalue()


@pytest.mark.parametrize("media_type", EXTENSIONS)
def test_every_type_that_is_kept_is_told_by_its_first_bytes(media_type: str) -> None:
    """Ours: `images.EXTENSIONS` is the table of types that are kept."""
    assert sniff(encoded(media_type)) == media_type
    assert other_picture(encoded("image/bmp")) == "a BMP picture"


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
        pytest.param(encoded("image/bmp"), "a BMP picture, a type that is not kept", id="bmp"),
        pytest.param(encoded("image/tiff"), "a TIFF picture, a type that is not kept", id="tiff"),
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
