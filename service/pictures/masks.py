"""Masks: the region of a picture that is to change, read as people and programs write it, and as models take it.

Two conventions go round, and one rule tells them apart. A mask with transparent parts is one as OpenAI's users make it:
what is transparent changes. Any other is black and white, and what is white changes; a wholly opaque picture with an
alpha channel is such a one.

A mask that was read (`ReadMask`) is white where the picture is to change, of the picture's own size, and has no greys:
what a service makes of a half-transparent pixel is said nowhere. Another size of the same shape is brought to it. What
marks nothing, everything, or is no mask but a photograph is refused, before anything is paid for.

Everything here blocks, and runs in a decoder process.
"""

from math import sqrt
from typing import Final

from PIL import Image, ImageChops, ImageFilter, ImageStat

from service.pictures.conversion import encoded, scaled
from service.pictures.decoding import LARGE_PIXELS, decode, on_white, shown_size, within
from service.pictures.messages import BadPictureError, ConvertedPicture, MarkedCopy, ReadMask

HALF: Final = 128
NEAR: Final = 0.03
"""Deviation of width to height up to which a mask has the shape of its picture: sizes are rounded on the way."""

GREYS: Final = (64, 192)
MOST_GREY: Final = 1 / 3
"""Share of middle greys up to which a picture is black and white; soft edges have some, photographs have more."""

SMALLEST_SIDE: Final = 64
"""A mask that has to have fewer bytes is made coarser down to here; no mask of so few pixels has a kilobyte."""

MARKED_PIXELS: Final = 2_000_000
"""A picture that shows a region only is seen by the model in about as many."""

TINT: Final = 0.55
COLOURS: Final = {"magenta": (255, 0, 200), "green": (0, 220, 60)}
"""Colours of the mark: that one is taken which is farther from the colours of the region."""


def read_mask(data: bytes, picture: bytes) -> ReadMask:
    """Read the mask of a picture. Raises `BadPictureError`, whose code begins with `mask_` for what is no mask."""
    decoded = decode(data, within(LARGE_PIXELS))
    size = shown_size(picture)
    _check_shape((decoded.width, decoded.height), size)
    by_transparency = _has_holes(decoded.picture)
    region = _holes(decoded.picture) if by_transparency else _whites(decoded.picture)
    region = _fitted(region, _within_large(size))
    per_mille = _checked_share(region, by_transparency=by_transparency)
    return ReadMask(
        data=encoded(region.convert("1"), "image/png", {}),
        width=decoded.width,
        height=decoded.height,
        by_transparency=by_transparency,
        fitted=(decoded.width, decoded.height) != size,
        per_mille=per_mille,
    )


def alpha_mask(mask: bytes, width: int, height: int, most_bytes: int) -> ConvertedPicture:
    """Return a mask as OpenAI's edits take it: a PNG of this size, transparent where the picture is to change."""
    region = _fitted(_region(mask), (width, height))
    nothing = Image.new("L", (width, height))
    while True:
        kept = ImageChops.invert(_fitted(region, (width, height)))
        picture = Image.merge("RGBA", (nothing, nothing, nothing, kept))
        data = encoded(picture, "image/png", {"compress_level": 9})
        if len(data) <= most_bytes or min(region.size) <= SMALLEST_SIDE:
            return ConvertedPicture(data=data, media_type="image/png", width=width, height=height)
        region = _fitted(region, (region.width // 2, region.height // 2))  # coarser: it changes less from row to row


def marked_copy(picture: bytes, mask: bytes) -> MarkedCopy:
    """Return a small copy of a picture whose region is marked."""
    copy = scaled(on_white(decode(picture, within(LARGE_PIXELS)).picture), MARKED_PIXELS)
    region = _fitted(_region(mask), copy.size)
    means = ImageStat.Stat(copy, region).mean
    name = max(COLOURS, key=lambda each: sum(abs(a - b) for a, b in zip(COLOURS[each], means, strict=True)))
    tinted = Image.blend(copy, Image.new("RGB", copy.size, COLOURS[name]), TINT)
    copy.paste(tinted, (0, 0), region)
    outline = ImageChops.difference(region, region.filter(ImageFilter.MinFilter(2 * max(1, min(copy.size) // 200) + 1)))
    copy.paste(COLOURS[name], (0, 0), outline)
    return MarkedCopy(data=encoded(copy, "image/jpeg", {"quality": 90, "subsampling": 0}), colour=name)


def _check_shape(mask: tuple[int, int], picture: tuple[int, int]) -> None:
    """Refuse a mask whose sides are to each other otherwise than those of its picture."""
    deviation = (mask[0] * picture[1]) / (mask[1] * picture[0])
    if not 1 - NEAR <= deviation <= 1 + NEAR:
        raise BadPictureError(
            "mask",
            f"has {mask[0]}×{mask[1]} pixels, and the picture has {picture[0]}×{picture[1]}: a mask must have its "
            "shape",
            "mask_shape",
        )


def _has_holes(picture: Image.Image) -> bool:
    return picture.mode == "RGBA" and any(picture.getchannel("A").histogram()[:HALF])


def _holes(picture: Image.Image) -> Image.Image:
    return picture.getchannel("A").point(lambda alpha: 255 if alpha < HALF else 0)


def _whites(picture: Image.Image) -> Image.Image:
    """Return the white parts of a picture that is black and white; refuse any other."""
    greys = picture.convert("L")
    histogram = greys.histogram()
    if sum(histogram[GREYS[0] : GREYS[1]]) > MOST_GREY * greys.width * greys.height:
        raise BadPictureError(
            "mask",
            "is no mask: it must be white where the picture is to change and black elsewhere, or transparent where it "
            "is to change",
            "mask_grey",
        )
    return greys.point(lambda value: 255 if value >= HALF else 0)


def _checked_share(region: Image.Image, *, by_transparency: bool) -> int:
    """Return the thousandths of a region that are to change, 1 at least. Refuse a mask of nothing or of everything."""
    marked, pixels = region.histogram()[255], region.width * region.height
    right = "transparent" if by_transparency else "white"
    if not marked:
        raise BadPictureError("mask", f"marks nothing: make {right} what is to change", "mask_empty")
    if marked == pixels:
        problem = f"marks the whole picture ({right} is what changes): leave the mask out to change all of it"
        raise BadPictureError("mask", problem, "mask_full")
    return max(1, round(1000 * marked / pixels))


def _within_large(size: tuple[int, int]) -> tuple[int, int]:
    factor = min(1.0, sqrt(LARGE_PIXELS / (size[0] * size[1])))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _fitted(region: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a region in another size, without greys."""
    if region.size == size:
        return region
    smaller = size[0] * size[1] < region.width * region.height
    resized = region.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.NEAREST)
    return resized.point(lambda value: 255 if value >= HALF else 0)


def _region(mask: bytes) -> Image.Image:
    """Return the region of a mask that was read."""
    return decode(mask, within(LARGE_PIXELS)).picture.convert("L")
