"""What Pillow makes of good, damaged, huge and misnamed pictures. All pictures are made here, none is a file."""

import asyncio
import io
import threading

import pytest
from PIL import ExifTags, Image

from service.images import EXTENSIONS, WorkError
from service.pictures.previews import (
    PREVIEW_BYTES,
    PREVIEW_SIDE,
    THREADS,
    Examined,
    PreviewMemory,
    Previews,
    sizes_of_copies,
)
from tests.pictures.samples import RED, WHITE, corner_marked, difference, encoded, noise


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


def opened(examined: Examined) -> Image.Image:
    return Image.open(io.BytesIO(examined.preview), formats=["JPEG"])


@pytest.mark.parametrize("media_type", EXTENSIONS)
async def test_every_type_that_we_keep_is_told_by_its_bytes(media_type: str) -> None:
    """Ours: `images.EXTENSIONS` is the table of what is kept, so nothing in it may be refused here."""
    examined = await examine(encoded(corner_marked(1600, 800), media_type))
    assert (examined.media_type, examined.width, examined.height) == (media_type, 1600, 800)
    assert opened(examined).size == (PREVIEW_SIDE, PREVIEW_SIDE // 2)
    assert difference(opened(examined), corner_marked(PREVIEW_SIDE, PREVIEW_SIDE // 2)) < 3


async def test_bytes_that_are_no_picture_are_refused_by_name() -> None:
    """Ours: the words of `sniffing.describe` end the sentence."""
    error = await refusal(b"<!DOCTYPE html>")
    assert (error.kind, str(error)) == (
        "bad_picture",
        "The image service's answer is an HTML page, not a picture.",
    )


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/avif"])
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


def test_a_copy_is_encoded_once_for_each_size_and_quality() -> None:
    """Bug: a picture smaller than the first sides was encoded again for each of them, six times the same JPEG."""
    small = Image.effect_noise((200, 200), 60)
    sides = list(sizes_of_copies(small.size))
    assert sides == [200]
    assert list(sizes_of_copies((2000, 900))) == [2000, 1536, 1024, 768, 512, 256]
    assert list(sizes_of_copies((1024, 900))) == [1024, 768, 512, 256]


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


def test_the_least_recently_used_go_first_when_memory_is_full() -> None:
    """Ours: memory stays bounded, whatever people look at."""
    memory = PreviewMemory(max_bytes=30)
    for name in ("a", "b", "c"):
        memory.remember(name, name.encode() * 10)
    assert memory.find("a") == b"a" * 10
    memory.remember("d", b"d" * 10)
    assert [memory.find(name) is not None for name in "abcd"] == [True, False, True, True]


def test_a_preview_that_is_remembered_twice_counts_once() -> None:
    memory = PreviewMemory(max_bytes=20)
    for _ in range(3):
        memory.remember("a", b"a" * 10)
    memory.remember("b", b"b" * 10)
    assert memory.find("a") == b"a" * 10
