"""Masks as people and programs write them, and as models take them."""

from typing import TypeAlias

import pytest
from PIL import Image, ImageDraw

from service.pictures.decoders import Decoders
from service.pictures.masks import COLOURS, MARKED_PIXELS, alpha_mask, marked_copy, read_mask
from service.pictures.messages import BadPictureError, ReadMask
from tests.pictures.samples import (
    corner_marked,
    encoded,
    exif_segment,
    jpeg_with,
    noise,
    opened,
    photo,
    png_chunk,
    png_with,
    tiff,
)

SIZE = (80, 40)
PICTURE = encoded(Image.new("RGB", SIZE, "teal"))
BOX = (10, 10, 29, 29)
"""The region of these masks, its last row and column included: 400 of 3200 pixels."""


Colour: TypeAlias = str | int | tuple[int, ...]


def drawn(mode: str, ground: Colour, region: Colour, size: tuple[int, int] = SIZE) -> Image.Image:
    factor = size[0] // SIZE[0]
    image = Image.new(mode, size, ground)
    low, high = (BOX[0] * factor, BOX[1] * factor), ((BOX[2] + 1) * factor - 1, (BOX[3] + 1) * factor - 1)
    ImageDraw.Draw(image).rectangle((low, high), fill=region)
    return image


def region_of(read: ReadMask) -> tuple[int, int, int, int] | None:
    return opened(read.data).convert("L").getbbox()


READ_AS = (10, 10, 30, 30)
MASK = encoded(drawn("L", 0, 255))

HOLE = drawn("RGBA", (9, 80, 200, 255), (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("data", "by_transparency"),
    [
        pytest.param(MASK, False, id="grey"),
        pytest.param(encoded(drawn("1", 0, 1)), False, id="one bit"),
        pytest.param(encoded(drawn("RGB", "black", "white")), False, id="RGB"),
        pytest.param(encoded(drawn("RGBA", (0, 0, 0, 255), (255, 255, 255, 255))), False, id="opaque RGBA"),
        pytest.param(encoded(drawn("RGB", "black", "white"), "image/jpeg", quality=70), False, id="hazy JPEG"),
        pytest.param(encoded(drawn("RGB", "black", "white"), "image/webp", lossless=True), False, id="WebP"),
        pytest.param(encoded(HOLE), True, id="a hole in the picture"),
        pytest.param(encoded(HOLE, "image/webp", lossless=True), True, id="a hole in a WebP"),
        pytest.param(encoded(drawn("RGBA", (255,) * 4, (0, 0, 0, 0))), True, id="a hole in white, as OpenAI's guide"),
        pytest.param(encoded(drawn("LA", (0, 255), (0, 0))), True, id="grey with alpha"),
        pytest.param(encoded(drawn("P", 1, 0), transparency=0), True, id="a transparent colour of a palette"),
        pytest.param(encoded(drawn("RGBA", (0, 0, 0, 200), (0, 0, 0, 90))), True, id="half transparent"),
    ],
)
def test_a_mask_is_read_by_one_rule(data: bytes, by_transparency: bool) -> None:
    """Ours: what is transparent changes; in a mask without transparency it is what is white."""
    read = read_mask(data, PICTURE)
    assert (region_of(read), read.by_transparency, read.per_mille, read.fitted) == (
        READ_AS,
        by_transparency,
        125,
        False,
    )
    assert opened(read.data).getcolors() is not None
    assert (opened(read.data).size, opened(read.data).mode) == (SIZE, "1")


def test_a_mask_that_was_read_reads_as_itself() -> None:
    """Ours: a mask that the person painted is named by its bytes, and a repeated call must find the same name."""
    read = read_mask(encoded(HOLE), PICTURE)
    assert read_mask(read.data, PICTURE).data == read.data


@pytest.mark.parametrize("factor", [2, 3])
def test_a_mask_of_another_size_is_fitted(factor: int) -> None:
    read = read_mask(encoded(drawn("L", 0, 255, (80 * factor, 40 * factor))), PICTURE)
    assert (region_of(read), read.fitted) == (READ_AS, True)
    assert (read.width, read.height) == (80 * factor, 40 * factor)
    enlarged = read_mask(MASK, encoded(Image.new("RGB", (80 * factor, 40 * factor))))
    assert (region_of(enlarged), enlarged.fitted) == (tuple(each * factor for each in READ_AS), True)


def test_a_size_that_is_rounded_has_the_same_shape() -> None:
    assert read_mask(MASK, encoded(Image.new("RGB", (161, 79)))).fitted


@pytest.mark.parametrize(
    ("data", "picture", "code", "said"),
    [
        pytest.param(MASK, encoded(Image.new("RGB", (40, 80))), "mask_shape", "80×40 pixels", id="another shape"),
        pytest.param(encoded(Image.new("L", SIZE)), PICTURE, "mask_empty", "make white what", id="black"),
        pytest.param(encoded(Image.new("RGBA", SIZE, "white")), PICTURE, "mask_full", "whole picture", id="white"),
        pytest.param(encoded(Image.new("RGBA", SIZE)), PICTURE, "mask_full", "transparent is what", id="transparent"),
        pytest.param(encoded(photo(*SIZE)), PICTURE, "mask_grey", "is no mask", id="a photo"),
        pytest.param(MASK[:-30], PICTURE, "damaged", "damaged", id="damaged"),
        pytest.param(b"words", PICTURE, "not_a_picture", "plain text", id="text"),
    ],
)
def test_what_is_no_mask_is_refused(data: bytes, picture: bytes, code: str, said: str) -> None:
    with pytest.raises(BadPictureError, match=said) as refused:
        read_mask(data, picture)
    assert refused.value.code == code


def test_orientation_counts_before_anything_else() -> None:
    """Ours: a phone's photo and a mask of it line up as a person sees them, however their rows are stored."""
    shown = corner_marked(40, 80)
    held = jpeg_with(shown.transpose(Image.Transpose.ROTATE_90), exif_segment(tiff(6)))
    region = Image.new("L", (40, 80))
    region.paste(255, (0, 0, 20, 20))
    assert region_of(read_mask(encoded(region), held)) == (0, 0, 20, 20)
    turned = region.transpose(Image.Transpose.ROTATE_90)
    held_mask = png_with(turned, png_chunk(b"eXIf", tiff(6)))
    assert region_of(read_mask(held_mask, held)) == (0, 0, 20, 20)
    with pytest.raises(BadPictureError, match="40×80"):
        read_mask(encoded(turned), held)


def test_an_edit_gets_a_png_that_is_transparent_where_it_changes() -> None:
    """OpenAI API reference, Create image edit: fully transparent areas, a PNG, the size of the picture."""
    made = alpha_mask(read_mask(MASK, PICTURE).data, 160, 80, 4_000_000)
    image = opened(made.data)
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (160, 80))
    alpha = image.getchannel("A")
    assert {value for _, value in alpha.getcolors() or []} == {0, 255}
    assert alpha.point(lambda value: 255 - value).getbbox() == (20, 20, 60, 60)
    assert (made.width, made.height) == (160, 80)


def test_a_mask_that_has_too_many_bytes_becomes_coarser() -> None:
    region = noise("L", (400, 400)).point(lambda value: 255 if value > 127 else 0)
    whole = alpha_mask(encoded(region), 400, 400, 10**9)
    made = alpha_mask(encoded(region), 400, 400, len(whole.data) // 3)
    assert len(made.data) <= len(whole.data) // 3
    assert opened(made.data).size == (400, 400)


@pytest.mark.parametrize(
    ("ground", "colour"),
    [pytest.param("green", "magenta", id="on green"), pytest.param("magenta", "green", id="on magenta")],
)
def test_a_marked_copy_shows_the_region_in_a_colour_that_stands_out(ground: str, colour: str) -> None:
    picture = encoded(Image.new("RGB", (800, 400), ground))
    made = marked_copy(picture, read_mask(encoded(drawn("L", 0, 255, (800, 400))), picture).data)
    image = opened(made.data).convert("RGB")
    assert (made.colour, image.size) == (colour, (800, 400))
    before = opened(picture).convert("RGB")

    def distance(at: tuple[int, int]) -> int:
        one, other = image.getpixel(at), before.getpixel(at)
        assert isinstance(one, tuple)
        assert isinstance(other, tuple)
        return max(abs(a - b) for a, b in zip(one, other, strict=True))

    assert distance((200, 200)) > 80
    assert distance((500, 200)) < 10
    edge = image.getpixel((100, 200))
    assert isinstance(edge, tuple)
    assert max(abs(a - b) for a, b in zip(edge, COLOURS[colour], strict=True)) < 60


def test_a_marked_copy_is_small() -> None:
    picture = encoded(Image.new("RGB", (3200, 1600)))
    size = opened(marked_copy(picture, read_mask(MASK, picture).data).data).size
    assert size[0] * size[1] <= MARKED_PIXELS


async def test_a_decoder_reads_the_mask_and_the_picture() -> None:
    decoders = Decoders()
    try:
        assert await decoders.read_mask("anna", MASK, PICTURE) == read_mask(MASK, PICTURE)
        assert await decoders.alpha_mask("anna", MASK, (160, 80), 4_000_000) == alpha_mask(MASK, 160, 80, 4_000_000)
        assert await decoders.marked_copy("anna", PICTURE, MASK) == marked_copy(PICTURE, MASK)
        with pytest.raises(BadPictureError, match="marks nothing"):
            await decoders.read_mask("anna", encoded(Image.new("L", SIZE)), PICTURE)
    finally:
        await decoders.close()
