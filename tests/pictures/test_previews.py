"""Previews of good, damaged, huge and misnamed pictures. All pictures are made here, none is a file."""

import io

import pytest
from PIL import ExifTags, Image, ImageCms, ImageDraw

from service.images import EXTENSIONS, WorkError
from service.pictures.colour import SRGB_CURVE, profile_by_numbers
from service.pictures.messages import PREVIEW_SIDE, Examined
from service.pictures.previews import (
    COPY_SIDES,
    PREVIEW_BYTES,
    copy,
    derive,
    examine,
    shrink,
    sizes_of_copies,
    take_in,
)
from service.storage.files import WIDTHS
from tests.pictures.samples import RED, WHITE, corner_marked, difference, encoded, likeness, noise


def refusal(data: bytes) -> WorkError:
    with pytest.raises(WorkError) as caught:
        examine(data)
    return caught.value


def opened(examined: Examined) -> Image.Image:
    return Image.open(io.BytesIO(examined.preview), formats=["JPEG"])


@pytest.mark.parametrize("media_type", EXTENSIONS)
def test_every_type_that_we_keep_is_told_by_its_bytes(media_type: str) -> None:
    """Ours: `images.EXTENSIONS` is the table of what is kept, so nothing in it may be refused here."""
    examined = examine(encoded(corner_marked(1600, 800), media_type))
    assert (examined.media_type, examined.width, examined.height) == (media_type, 1600, 800)
    assert opened(examined).size == (PREVIEW_SIDE, PREVIEW_SIDE // 2)
    assert difference(opened(examined), corner_marked(PREVIEW_SIDE, PREVIEW_SIDE // 2)) < 3


def test_bytes_that_are_no_picture_are_refused_by_name() -> None:
    """Ours: the words of `sniffing.describe` end the sentence."""
    error = refusal(b"<!DOCTYPE html>")
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
def test_exif_orientation_is_applied(media_type: str, orientation: int, stored: Image.Transpose | None) -> None:
    """Ours: width, height and preview are as a person sees the picture. Exif 2.32, 4.6.4 A, Orientation."""
    upright = corner_marked(320, 160)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image = upright if stored is None else upright.transpose(stored)
    examined = examine(encoded(image, media_type, exif=exif.tobytes()))
    assert (examined.width, examined.height) == (320, 160)
    assert difference(opened(examined), upright) < 3


def test_broken_exif_does_not_refuse_the_picture() -> None:
    """Ours: browsers show such a picture; it was paid for."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12\0\x03"
    examined = examine(encoded(corner_marked(80, 40), "image/jpeg", exif=exif))
    assert (examined.width, examined.height) == (80, 40)


def test_the_preview_carries_no_metadata() -> None:
    """Ours: where a picture was taken, or the prompt it holds, is not shown to whoever sees the preview."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "somebody's camera"
    examined = examine(encoded(corner_marked(80, 40), "image/jpeg", exif=exif.tobytes(), comment=b"a secret"))
    assert not opened(examined).getexif()
    assert b"secret" not in examined.preview


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "LA", "P", "I;16"])
def test_every_png_mode_gives_the_same_grey(mode: str) -> None:
    """Bug: 16-bit grey was clipped to white by a plain convert; a palette's indices are not its colours."""
    grey = 255 if mode == "1" else 128
    flat = Image.new("L", (40, 40), grey)
    image = Image.new("I;16", (40, 40), grey * 257) if mode == "I;16" else flat.convert(mode)
    shown = opened(examine(encoded(image)))
    assert difference(shown, flat) < 2


def test_cmyk_is_shown_in_its_colours() -> None:
    """Ours: a CMYK JPEG is legal, and inverted channels are the classic mistake with it."""
    shown = opened(examine(encoded(Image.new("RGB", (40, 40), RED).convert("CMYK"), "image/jpeg")))
    assert difference(shown, Image.new("RGB", (40, 40), RED)) < 12


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), id="rgba"),
        pytest.param(Image.new("LA", (40, 40), (0, 0)), id="la"),
    ],
)
def test_what_is_transparent_is_white(image: Image.Image) -> None:
    """Ours: JPEG has no transparency, and the colour under it is black as a rule: a black preview looks broken."""
    assert difference(opened(examine(encoded(image))), Image.new("RGB", (40, 40), WHITE)) < 2


@pytest.mark.parametrize("transparency", [pytest.param(0, id="one-index"), pytest.param(b"\0\xff", id="a-table")])
def test_a_transparent_palette_entry_is_white(transparency: int | bytes) -> None:
    """Ours: a palette's transparency stands beside the pixels, in two forms, and is lost by converting to RGB."""
    data = encoded(Image.new("P", (40, 40), 0), transparency=transparency)
    assert difference(opened(examine(data)), Image.new("RGB", (40, 40), WHITE)) < 2


def test_of_an_animation_the_first_frame_is_shown() -> None:
    """Ours: a preview is one picture."""
    first, second = Image.new("RGB", (40, 40), RED), Image.new("RGB", (40, 40), WHITE)
    data = encoded(first, "image/gif", save_all=True, append_images=[second])
    assert difference(opened(examine(data)), first) < 3


@pytest.mark.parametrize("size", [(1600, 1200), (768, 768)])
def test_noise_is_made_to_fit(size: tuple[int, int]) -> None:
    """Ours: a result stays under 800 kB, so a preview is at most 200,000 bytes whatever is on it."""
    examined = examine(encoded(noise("RGB", size), compress_level=0))
    assert len(examined.preview) <= PREVIEW_BYTES
    assert max(opened(examined).size) <= PREVIEW_SIDE


@pytest.mark.parametrize("max_bytes", [1_000, 10_000, 30_000, 60_000])
def test_a_preview_of_more_bytes_has_a_thumbnail_that_fits(max_bytes: int) -> None:
    """Ours: it is what `shrink` would make of the preview, without decoding that first."""
    examined = examine(encoded(noise("RGB", (900, 900))), max_bytes)
    assert len(examined.preview) > max_bytes
    thumbnail, shrunk = Image.open(io.BytesIO(examined.thumbnail)), shrink(examined.preview, max_bytes)
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (shrunk.width, shrunk.height))
    assert len(examined.thumbnail) <= max_bytes or max(thumbnail.size) == COPY_SIDES[-1]


def test_a_preview_that_fits_has_no_thumbnail() -> None:
    assert examine(encoded(corner_marked(900, 900)), 30_000).thumbnail == b""


def test_a_small_picture_is_not_made_larger() -> None:
    """Ours: a preview of more pixels than the picture costs tokens and shows nothing."""
    assert opened(examine(encoded(corner_marked(100, 60)))).size == (100, 60)


@pytest.mark.parametrize("size", [(1, 40_000), (40_000, 1), (1, 1)])
def test_a_sliver_has_a_preview(size: tuple[int, int]) -> None:
    """Ours: reducing must not end at zero pixels."""
    examined = examine(encoded(Image.new("RGB", size, RED)))
    assert (examined.width, examined.height) == size
    assert min(opened(examined).size) == 1


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
def test_a_copy_fits_its_limit_and_says_what_it_cost(
    size: tuple[int, int], max_bytes: int, reduced: bool, longest: int
) -> None:
    """Ours: a result has to stay under 800 kB, whatever was drawn."""
    noise = io.BytesIO()
    Image.effect_noise(size, 60).save(noise, "PNG")
    copied = copy(noise.getvalue(), max_bytes)
    image = Image.open(io.BytesIO(copied.data))
    assert (image.format, image.size, max(image.size)) == ("JPEG", (copied.width, copied.height), longest)
    assert len(copied.data) <= max_bytes
    assert copied.reduced is reduced


@pytest.mark.parametrize("max_bytes", [1_000, 10_000, 30_000, 60_000, 120_000])
def test_a_preview_that_is_shrunk_is_the_copy_of_it_that_fits(max_bytes: int) -> None:
    """Ours: what is left out is the one try that cannot fit."""
    preview = examine(encoded(Image.effect_noise((900, 900), 60).convert("RGB"))).preview
    assert len(preview) > max_bytes
    assert shrink(preview, max_bytes) == copy(preview, max_bytes)


def test_a_copy_is_encoded_once_for_each_size_and_quality() -> None:
    """Bug: a picture smaller than the first sides was encoded again for each of them, six times the same JPEG."""
    small = Image.effect_noise((200, 200), 60)
    sides = list(sizes_of_copies(small.size))
    assert sides == [200]
    assert list(sizes_of_copies((2000, 900))) == [2000, 1536, 1024, 768, 512, 256]
    assert list(sizes_of_copies((1024, 900))) == [1024, 768, 512, 256]


def test_a_copy_stands_upright_on_white() -> None:
    """Ours: JPEG has no transparency, and a copy no EXIF."""
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(turned, "PNG", exif=exif)
    image = Image.open(io.BytesIO(copy(turned.getvalue(), 10_000).data))
    assert (image.size, image.getpixel((5, 5))) == ((20, 40), (255, 255, 255))
    assert not image.getexif()


# Types that an image service may give, and that are kept as PNG.


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_a_picture_of_another_type_is_kept_as_png(kind: str, mode: str) -> None:
    """Bug: it was paid for, refused by its type, and lost."""
    picture = Image.new("L", (64, 32), 255).convert(mode)
    out = io.BytesIO()
    picture.save(out, kind)
    examined = examine(out.getvalue())
    assert (examined.media_type, examined.note) == ("image/png", f"It came as {kind}, and was converted to PNG.")
    kept = Image.open(io.BytesIO(examined.data))
    assert (kept.format, kept.size) == ("PNG", (examined.width, examined.height))
    assert difference(kept, Image.new("RGB", kept.size, WHITE)) == 0


def test_a_cmyk_tiff_is_kept_in_its_colours() -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), RED).convert("CMYK").save(out, "TIFF")
    assert difference(Image.open(io.BytesIO(examine(out.getvalue()).data)), Image.new("RGB", (40, 40), RED)) < 12


def test_a_turned_tiff_is_kept_upright() -> None:
    out = io.BytesIO()
    corner_marked(320, 160).transpose(Image.Transpose.ROTATE_90).save(out, "TIFF", tiffinfo={0x0112: 6})
    assert difference(Image.open(io.BytesIO(examine(out.getvalue()).data)), corner_marked(320, 160)) < 1


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_a_damaged_picture_of_another_type_is_refused(kind: str) -> None:
    out = io.BytesIO()
    noise("RGB", (64, 64)).save(out, kind)
    assert str(refusal(out.getvalue()[:3000])) == f"The image service's {kind} picture is damaged or cut short."


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_pictures_of_scanners_and_screens_are_taken_as_png(kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 32)).save(out, kind)
    taken = take_in(out.getvalue())
    assert (taken.media_type, taken.width, taken.height) == ("image/png", 64, 32)


def test_an_icon_is_no_reference() -> None:
    """Ours: the reader of icons is old, and is open to image services alone."""
    out = io.BytesIO()
    Image.new("RGB", (64, 32)).save(out, "ICO")
    with pytest.raises(WorkError, match="an ICO picture, a type that is not kept"):
        take_in(out.getvalue())


def derived(data: bytes, width: int, media_type: str = "image/webp") -> Image.Image:
    made = derive(data, width, media_type)
    image = Image.open(io.BytesIO(made.data))
    assert (image.get_format_mimetype(), image.size) == (media_type, (made.width, made.height))
    assert "icc_profile" not in image.info
    return image


@pytest.mark.parametrize("media_type", ["image/webp", "image/jpeg"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_derivative_has_its_width_or_that_of_a_smaller_picture(width: int, media_type: str) -> None:
    image = derived(encoded(corner_marked(1000, 500)), width, media_type)
    assert image.size == (min(width, 1000), min(width, 1000) // 2)
    assert difference(image.convert("RGB"), corner_marked(*image.size)) < 3


def test_a_derivative_of_a_strip_fits_its_format() -> None:
    """WebP has 16,383 pixels of height at most (RFC 9649, 2.5)."""
    assert derived(encoded(Image.new("RGB", (500, 20_000))), 1280).size == (128, 5120)


def test_a_derivative_stands_upright_in_srgb() -> None:
    """Ours: as the preview does. The red of Display P3 lies outside of sRGB, and a dropped profile dulls all others."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = corner_marked(320, 160).transpose(Image.Transpose.ROTATE_90)
    upright = derived(encoded(turned, "image/jpeg", exif=exif, quality=95), 160)
    assert difference(upright.convert("RGB"), corner_marked(160, 80)) < 6
    wide = encoded(Image.new("RGB", (64, 64), (200, 100, 50)), icc_profile=profile_by_numbers(12, SRGB_CURVE))
    shown = derived(wide, 160, "image/jpeg").convert("RGB").resize((1, 1)).tobytes()
    assert tuple(shown) == pytest.approx((215, 93, 31), abs=4)


def test_a_derivative_keeps_what_is_transparent_and_is_white_there_as_jpeg() -> None:
    image = Image.new("RGBA", (640, 320), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 320, 320))
    data = encoded(image)
    webp = derived(data, 320)
    assert (webp.mode, webp.getpixel((300, 80))[3], webp.getpixel((20, 80))[3]) == ("RGBA", 0, 255)  # type: ignore[index]  # of RGBA
    assert derived(data, 320, "image/jpeg").getpixel((300, 80)) == (255, 255, 255)


def test_a_derivative_of_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (320, 160), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    image = derived(buffer.getvalue(), 160)
    assert getattr(image, "n_frames", 1) == 1
    assert difference(image.convert("RGB"), Image.new("RGB", (160, 80), "red")) < 8


def scene(side: int) -> Image.Image:
    """A picture with soft light, texture, edges and lines of text, as image services draw them."""
    light = Image.merge("RGB", [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.radial_gradient("L")])
    picture = light.resize((side, side), Image.Resampling.BICUBIC)
    for size, strength in ((side // 32, 0.25), (side // 8, 0.12)):
        texture = noise("RGB", (size, size)).resize((side, side), Image.Resampling.BICUBIC)
        picture = Image.blend(picture, texture, strength)
    pen, unit = ImageDraw.Draw(picture), side // 64
    for row in range(4):
        pen.text((4 * unit, (6 + 6 * row) * unit), "A lighthouse in the snow", fill="white", font_size=3 * unit)
        pen.ellipse((8 * unit, (36 + 5 * row) * unit, (20 + 8 * row) * unit, 60 * unit), outline="navy", width=unit)
    return picture


@pytest.mark.parametrize(
    ("side", "media_type", "wide"),
    [
        pytest.param(1024, "image/png", False, id="PNG"),
        pytest.param(1536, "image/png", False, id="PNG of twice its side"),
        pytest.param(2048, "image/png", True, id="large PNG in Display P3"),
        pytest.param(1280, "image/webp", False, id="WebP"),
        pytest.param(2048, "image/jpeg", True, id="JPEG in Display P3"),
    ],
)
def test_a_preview_is_as_good_to_the_eye_as_a_slow_one(side: int, media_type: str, wide: bool) -> None:
    """Ours: Lanczos' filter over all pixels, their colours managed before, takes three times as long."""
    profile = profile_by_numbers(12, SRGB_CURVE) if wide else b""
    data = encoded(scene(side), media_type, quality=92, compress_level=1, **({"icc_profile": profile} if wide else {}))
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    if wide:
        display = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        managed = ImageCms.profileToProfile(whole, display, ImageCms.createProfile("sRGB"))
        assert managed is not None
        whole = managed
    slow = whole.resize((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    found = opened(examine(data)).convert("RGB")
    assert likeness(slow, found) >= 0.98
    assert difference(slow.reduce(16), found.reduce(16)) < 2


def test_a_preview_tells_nothing_that_stands_beside_the_pixels() -> None:
    """Bug: a picture that needed no conversion would hand its comment on to its preview."""
    data = encoded(scene(256), "image/gif", comment=b"at home")
    assert b"at home" not in examine(data).preview
    assert b"at home" not in derive(data, 160, "image/jpeg").data
