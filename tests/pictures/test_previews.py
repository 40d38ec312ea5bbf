"""What Pillow makes of good, damaged, huge and misnamed pictures. All pictures are made here, none is a file."""

import asyncio
import hashlib
import io
import struct
import threading
import zlib

import pytest
from PIL import ExifTags, Image, ImageChops, ImageStat

from service.images import EXTENSIONS, WorkError
from service.pictures.previews import (
    MAX_PIXELS,
    PREVIEW_BYTES,
    PREVIEW_SIDE,
    THREADS,
    Examined,
    Previews,
    reduced,
    reduction,
)

RED, WHITE = (255, 0, 0), (255, 255, 255)


async def examine(data: bytes) -> Examined:
    previews = Previews()
    try:
        return await previews.examine(data)
    finally:
        await previews.close()


async def refusal(data: bytes) -> WorkError:
    with pytest.raises(WorkError) as caught:
        await examine(data)
    return caught.value


def encoded(image: Image.Image, media_type: str = "image/png", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, media_type.removeprefix("image/"), **options)
    return buffer.getvalue()


def corner_marked(width: int, height: int) -> Image.Image:
    """White, with a red top left quarter: each of the eight orientations shows it elsewhere or in another shape."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 4))
    return image


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    """The worst there is to compress, and the same each time."""
    length = size[0] * size[1] * len(mode)
    return Image.frombytes(mode, size, hashlib.shake_128(b"noise").digest(length))


def opened(examined: Examined) -> Image.Image:
    return Image.open(io.BytesIO(examined.preview), formats=["JPEG"])


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean distance of two pictures per pixel and channel, 0 to 255."""
    channels = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
    return max(channels)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG with this size in its header and no pixels at all."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize("media_type", EXTENSIONS)
async def test_every_type_that_we_keep_is_told_by_its_bytes(media_type: str) -> None:
    """Ours: `images.EXTENSIONS` is the table of what is kept, so nothing in it may be refused here."""
    examined = await examine(encoded(corner_marked(1600, 800), media_type))
    assert (examined.media_type, examined.width, examined.height) == (media_type, 1600, 800)
    assert examined.preview_type == "image/jpeg"
    assert opened(examined).size == (PREVIEW_SIDE, PREVIEW_SIDE // 2)
    assert difference(opened(examined), corner_marked(PREVIEW_SIDE, PREVIEW_SIDE // 2)) < 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "is empty.", id="empty"),
        pytest.param(b" \r\n", "is empty.", id="blank"),
        pytest.param(b"<!DOCTYPE html><title>502</title>", "is an HTML page, not a picture.", id="html"),
        pytest.param(b"\xef\xbb\xbf\n<!-- hi --><HTML>", "is an HTML page, not a picture.", id="html-after-comment"),
        pytest.param(b'<?xml version="1.0"?><svg xmlns="x">', "is an SVG drawing", id="svg"),
        pytest.param(b'{"error": {"code": 429}}', "is JSON, not a picture.", id="json"),
        pytest.param(b"data:image/png;base64,iVBORw0KGgo=", "is a data: URL", id="data-url"),
        pytest.param("生成失败，请稍后再试".encode() * 200, "is plain text, not a picture.", id="chinese-text-cut"),
        pytest.param(b"%PDF-1.7", "is a PDF document, not a picture.", id="pdf"),
        pytest.param(encoded(Image.new("RGB", (9, 9)), "image/bmp"), "is a BMP picture, a type that", id="bmp"),
        pytest.param(encoded(Image.new("RGB", (9, 9)), "image/tiff"), "is a TIFF picture, a type that", id="tiff"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC picture or a video", id="heic"),
        pytest.param(b"\x07\x00\xfe\xff" * 9, "is of an unknown kind", id="noise"),
    ],
)
async def test_what_is_no_picture_is_refused_and_named(data: bytes, said: str) -> None:
    """Ours: a person can act on "an HTML page", and cannot on "cannot identify image file"."""
    error = await refusal(data)
    assert error.kind == "bad_picture"
    assert f"The image service's answer {said}" in str(error)


@pytest.mark.parametrize("progressive", [False, True])
async def test_a_jpeg_cut_short_is_refused_though_it_is_decoded_reduced(progressive: bool) -> None:
    """Ours: the reduced decode computes less, but has to read all; a half grey picture must not be paid and kept."""
    whole = encoded(noise("RGB", (2400, 1600)), "image/jpeg", progressive=progressive)
    assert (await examine(whole)).width == 2400
    assert "damaged or cut short" in str(await refusal(whole[: len(whole) * 9 // 10]))


@pytest.mark.parametrize("media_type", EXTENSIONS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
async def test_a_picture_cut_short_is_refused(media_type: str, kept: float) -> None:
    """Ours: a download that ended early has the right magic and the right size in its header."""
    whole = encoded(noise("RGB", (300, 200)), media_type)
    error = await refusal(whole[: int(len(whole) * kept)])
    assert (error.kind, str(error)) == (
        "bad_picture",
        f"The image service's {media_type} picture is damaged or cut short.",
    )


@pytest.mark.parametrize(
    ("width", "height"),
    [
        pytest.param(10_000, 5_001, id="just-above"),
        pytest.param(10_000, 10_000, id="where-pillow-only-warns"),
        pytest.param(60_000, 60_000, id="where-pillow-refuses"),
    ],
)
async def test_too_many_pixels_are_refused_by_the_header_alone(width: int, height: int) -> None:
    """Ours: the file holds no pixels, so an attempt to decode it would call it damaged instead."""
    error = await refusal(png_of_size(width, height))
    assert (error.kind, "50 million pixels" in str(error)) == ("bad_picture", True)


async def test_as_many_pixels_as_allowed_are_decoded() -> None:
    """Ours: the cap names what is allowed, not the first size that is refused."""
    examined = await examine(encoded(Image.new("1", (MAX_PIXELS // 5_000, 5_000), 1)))
    assert examined.width * examined.height == MAX_PIXELS


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp", "image/avif"])
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        pytest.param(1, None, id="upright"),
        pytest.param(2, Image.Transpose.FLIP_LEFT_RIGHT, id="mirrored"),
        pytest.param(3, Image.Transpose.ROTATE_180, id="upside-down"),
        pytest.param(4, Image.Transpose.FLIP_TOP_BOTTOM, id="flipped"),
        pytest.param(5, Image.Transpose.TRANSPOSE, id="transposed"),
        pytest.param(6, Image.Transpose.ROTATE_90, id="on-its-left-side"),
        pytest.param(7, Image.Transpose.TRANSVERSE, id="transversed"),
        pytest.param(8, Image.Transpose.ROTATE_270, id="on-its-right-side"),
        pytest.param(9, None, id="no-orientation-of-exif"),
    ],
)
async def test_exif_orientation_is_applied(media_type: str, orientation: int, stored: Image.Transpose | None) -> None:
    """Ours: width, height and preview are as a person sees the picture. Exif 2.32, 4.6.4 A, Orientation."""
    upright = corner_marked(320, 160)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image = upright if stored is None else upright.transpose(stored)
    examined = await examine(encoded(image, media_type, exif=exif.tobytes()))
    assert (examined.width, examined.height) == (320, 160)
    assert difference(opened(examined), upright) < 3


async def test_broken_exif_does_not_refuse_the_picture() -> None:
    """Ours: browsers show such a picture; it was paid for."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12\0\x03"
    examined = await examine(encoded(corner_marked(80, 40), "image/jpeg", exif=exif))
    assert (examined.width, examined.height) == (80, 40)


async def test_the_preview_carries_no_metadata() -> None:
    """Ours: where a picture was taken, or the prompt it holds, is not shown to whoever sees the preview."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "somebody's camera"
    examined = await examine(encoded(corner_marked(80, 40), "image/jpeg", exif=exif.tobytes(), comment=b"a secret"))
    assert not opened(examined).getexif()
    assert b"secret" not in examined.preview


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "LA", "P", "I;16"])
async def test_every_png_mode_gives_the_same_grey(mode: str) -> None:
    """Bug: 16-bit grey was clipped to white by a plain convert; a palette's indices are not its colours."""
    grey = 255 if mode == "1" else 128
    flat = Image.new("L", (40, 40), grey)
    image = Image.new("I;16", (40, 40), grey * 257) if mode == "I;16" else flat.convert(mode)
    shown = opened(await examine(encoded(image)))
    assert difference(shown, flat) < 2


async def test_cmyk_is_shown_in_its_colours() -> None:
    """Ours: a CMYK JPEG is legal, and inverted channels are the classic mistake with it."""
    shown = opened(await examine(encoded(Image.new("RGB", (40, 40), RED).convert("CMYK"), "image/jpeg")))
    assert difference(shown, Image.new("RGB", (40, 40), RED)) < 12


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), id="rgba"),
        pytest.param(Image.new("LA", (40, 40), (0, 0)), id="la"),
    ],
)
async def test_what_is_transparent_is_white(image: Image.Image) -> None:
    """Ours: JPEG has no transparency, and the colour under it is black as a rule: a black preview looks broken."""
    assert difference(opened(await examine(encoded(image))), Image.new("RGB", (40, 40), WHITE)) < 2


@pytest.mark.parametrize("transparency", [pytest.param(0, id="one-index"), pytest.param(b"\0\xff", id="a-table")])
async def test_a_transparent_palette_entry_is_white(transparency: int | bytes) -> None:
    """Ours: a palette's transparency stands beside the pixels, in two forms, and is lost by converting to RGB."""
    data = encoded(Image.new("P", (40, 40), 0), transparency=transparency)
    assert difference(opened(await examine(data)), Image.new("RGB", (40, 40), WHITE)) < 2


async def test_of_an_animation_the_first_frame_is_shown() -> None:
    """Ours: a preview is one picture."""
    first, second = Image.new("RGB", (40, 40), RED), Image.new("RGB", (40, 40), WHITE)
    data = encoded(first, "image/gif", save_all=True, append_images=[second])
    assert difference(opened(await examine(data)), first) < 3


@pytest.mark.parametrize("size", [(1600, 1200), (768, 768)])
async def test_noise_is_made_to_fit(size: tuple[int, int]) -> None:
    """Ours: a result stays under 800 kB, so a preview is at most 200,000 bytes whatever is on it."""
    examined = await examine(encoded(noise("RGB", size), compress_level=0))
    assert len(examined.preview) <= PREVIEW_BYTES
    assert max(opened(examined).size) <= PREVIEW_SIDE


async def test_a_small_picture_is_not_made_larger() -> None:
    """Ours: a preview of more pixels than the picture costs tokens and shows nothing."""
    assert opened(await examine(encoded(corner_marked(100, 60)))).size == (100, 60)


@pytest.mark.parametrize("size", [(1, 40_000), (40_000, 1), (1, 1)])
async def test_a_sliver_has_a_preview(size: tuple[int, int]) -> None:
    """Ours: reducing must not end at zero pixels."""
    examined = await examine(encoded(Image.new("RGB", size, RED)))
    assert (examined.width, examined.height) == size
    assert min(opened(examined).size) == 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_bands_leave_no_seam(mode: str) -> None:
    """Ours: large pictures are converted band by band, which must not be seen. 3333 is no multiple of any band."""
    size = (5001, 3333)
    image = noise("L", size).convert(mode)
    assert reduced(image).tobytes() == image.convert("RGB").reduce(reduction(size)).tobytes()


async def test_two_hundred_at_once_are_decoded_by_few_threads() -> None:
    """Ours: a decoded picture takes up to 250 MB, so how many there are at once is bounded, not by their number."""
    previews = Previews()
    picture = encoded(corner_marked(1024, 768))
    results = await asyncio.gather(*(previews.examine(picture) for _ in range(200)))
    assert [result.width for result in results] == [1024] * 200
    assert preview_threads() == THREADS
    await previews.close()
    assert preview_threads() == 0


async def test_cancelled_callers_leave_the_threads_usable() -> None:
    """Ours: a client that goes away must not take a thread with it."""
    previews = Previews()
    picture = encoded(corner_marked(1024, 768))
    leaving = [asyncio.create_task(previews.examine(picture)) for _ in range(20)]
    await asyncio.wait(leaving, return_when=asyncio.FIRST_COMPLETED)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert any(task.cancelled() for task in leaving)
    assert (await previews.examine(picture)).width == 1024
    await previews.close()


def preview_threads() -> int:
    return sum(thread.name.startswith("preview") for thread in threading.enumerate())


# Copies as JPEG.


@pytest.mark.parametrize(
    ("size", "max_bytes", "reduced", "longest"),
    [
        pytest.param((1600, 900), 2_000_000, False, 1600, id="fits"),
        pytest.param((1600, 900), 900_000, True, 1600, id="lower quality"),
        pytest.param((1600, 900), 100_000, True, 512, id="fewer pixels"),
        pytest.param((60, 30), 1_000_000, False, 60, id="small ones are not enlarged"),
    ],
)
async def test_a_copy_fits_its_limit_and_says_what_it_cost(
    size: tuple[int, int], max_bytes: int, reduced: bool, longest: int
) -> None:
    """Ours: a result has to stay under 800 kB, whatever was drawn."""
    noise = io.BytesIO()
    Image.effect_noise(size, 60).save(noise, "PNG")
    previews = Previews()
    copy = await previews.copy(noise.getvalue(), max_bytes)
    await previews.close()
    image = Image.open(io.BytesIO(copy.data))
    assert (image.format, image.size, max(image.size)) == ("JPEG", (copy.width, copy.height), longest)
    assert len(copy.data) <= max_bytes
    assert copy.reduced is reduced


async def test_a_copy_stands_upright_on_white() -> None:
    """Ours: JPEG has no transparency, and a copy no EXIF."""
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(turned, "PNG", exif=exif)
    previews = Previews()
    copy = await previews.copy(turned.getvalue(), 10_000)
    with pytest.raises(WorkError, match="cannot be read"):
        await previews.copy(b"nothing", 10_000)
    await previews.close()
    image = Image.open(io.BytesIO(copy.data))
    assert (image.size, image.getpixel((5, 5))) == ((20, 40), (255, 255, 255))
    assert not image.getexif()
