"""Decoding of pictures that nobody vouches for, with Pillow, within bounds of time and memory.

In this order, each step before the next:
1. type: the magic bytes alone decide (`sniffing.py`);
2. bounds: segments and passes are counted before they are read, and the header's pixels before any is decoded
   (`containers.py`);
3. parts: those that make the picture are left (`metadata.py`), so that a damaged one beside it stops nothing;
4. decoding: to the last row, so that a picture cut short is found; where only a sliver is missing it is filled
   (`mending.py`); of an animation, the first frame;
5. appearance: upright and in sRGB, as browsers show it.

Everything here blocks, and runs in a decoder process (`decoder_process.py`), which has limits of memory and time: at
8192×8192 a JPEG takes up to 480 MB (measured), a PNG 400 MB and an AVIF 620 MB.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Final, TypeAlias

from PIL import Image

from service.pictures.colour import profile_of, to_srgb
from service.pictures.containers import MOST_SCANS, has_too_many_scans, has_too_many_segments
from service.pictures.mending import mended
from service.pictures.messages import MAX_PIXELS, BadPictureError, too_many_pixels
from service.pictures.metadata import shown_orientation, turned, without_metadata
from service.pictures.sniffing import describe, is_heic, sniff

LARGE_PIXELS: Final = 4096 * 4096
"""A copy or conversion of a picture has no more."""

BAND_PIXELS: Final = 4_000_000
"""A conversion needs a copy or two, so it goes by bands of the picture. One band is 16 MB."""

PLAIN_MODES: Final = frozenset({"L", "RGB", "CMYK"})
"""Modes that are reduced and shown as they are, where nothing in them is transparent."""

OPAQUE: Final = 255

APPLE_ONLY: Final = b"CgBI"
"""The first chunk of a PNG that Xcode has changed for iOS apps: no PNG any more, and shown by Apple's programs only."""

DAMAGED: Final = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""Exceptions that Pillow's readers raise on bytes that are not what their header says."""

BOMBS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)

Factor: TypeAlias = Callable[[tuple[int, int]], int]
"""Width and height → the number to divide both by."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A picture as a person sees it: upright, in sRGB, of mode RGB or RGBA, reduced by a factor.

    Width and height are those of the whole picture. `readable` is the file without metadata, for strict decoders.
    """

    picture: Image.Image = field(repr=False)
    media_type: str
    width: int
    height: int
    readable: bytes = field(repr=False)


@dataclass(frozen=True)
class _Stored:
    """Rows as they are stored, reduced, and what has to be done before they are shown."""

    picture: Image.Image
    size: tuple[int, int]
    orientation: int
    profile: bytes


def decode(data: bytes, factor: Factor) -> Decoded:
    """Decode a picture within the bounds, or raise `BadPictureError`."""
    media_type = checked_type(data)
    readable = without_metadata(data, media_type)
    try:
        stored = _stored(readable, media_type, factor)
    except DAMAGED as error:
        stored, readable = _mended(readable, media_type, factor, error)
    except BOMBS as error:
        raise too_many_pixels() from error
    width, height = stored.size[::-1] if stored.orientation >= 5 else stored.size
    shown = turned(to_srgb(stored.picture, stored.profile), stored.orientation)
    return Decoded(picture=shown, media_type=media_type, width=width, height=height, readable=readable)


def shown_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a picture as a person sees it, by its header. Raises `BadPictureError`."""
    media_type = checked_type(data)
    readable = without_metadata(data, media_type)
    try:
        with Image.open(io.BytesIO(readable), formats=[pillow_format(media_type)]) as image:
            width, height = image.size
            return (height, width) if shown_orientation(readable, media_type, image) >= 5 else (width, height)
    except DAMAGED as error:
        raise BadPictureError(f"{media_type} picture", "is damaged or cut short", "damaged") from error
    except BOMBS as error:
        raise too_many_pixels() from error


def decode_other(data: bytes, pillow_type: str) -> Image.Image:
    """Decode a picture of a type that is not kept, or raise `BadPictureError`. Pillow turns a TIFF upright itself."""
    try:
        with Image.open(io.BytesIO(data), formats=[pillow_type]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise too_many_pixels()
            image.load()
            return to_srgb(_plain(image), image.info.get("icc_profile") or b"")
    except DAMAGED as error:
        raise BadPictureError(f"{pillow_type} picture", "is damaged or cut short", "damaged") from error
    except BOMBS as error:
        raise too_many_pixels() from error


def checked_type(data: bytes) -> str:
    """Return the media type of a picture that may be opened, or raise `BadPictureError`."""
    media_type = sniff(data)
    if media_type is None:
        code = "empty" if not data else "heic" if is_heic(data) else "not_a_picture"
        raise BadPictureError("answer", f"is {describe(data)}", code)
    if data[12:16] == APPLE_ONLY and media_type == "image/png":
        raise BadPictureError(
            "PNG picture", "is in the form that only iOS apps use (CgBI): export it as a usual PNG", "ios_png"
        )
    if has_too_many_segments(data, media_type):
        raise BadPictureError(f"{media_type} picture", "is built of too many pieces", "too_complex")
    if has_too_many_scans(data, media_type):
        problem = f"has more than {MOST_SCANS} passes over its pixels"
        raise BadPictureError(f"{media_type} picture", problem, "too_complex")
    return media_type


def pillow_format(media_type: str) -> str:
    """Return Pillow's name of a media type, which is its subtype in capitals."""
    return media_type.removeprefix("image/").upper()


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """Return a decoded picture as L, RGB, RGBA or CMYK, each side divided by `factor`. No full-size copy is made."""
    if image.mode in PLAIN_MODES and not image.has_transparency_data:
        return image if factor == 1 else image.reduce(factor)
    width, height = image.size
    canvas = None
    rows = factor * max(1, BAND_PIXELS // (width * factor))
    for top in range(0, height, rows):
        band = _plain(image.crop((0, top, width, min(top + rows, height))))
        band = band if factor == 1 else band.reduce(factor)
        if canvas is None:
            if rows >= height:
                return band
            canvas = Image.new(band.mode, (-(-width // factor), -(-height // factor)))
        canvas.paste(band, (0, top // factor))
    return image if canvas is None else canvas


def within(pixels: int) -> Factor:
    """Return the factor that leaves a picture at most so many pixels."""
    return lambda size: ceil(sqrt(size[0] * size[1] / pixels))


def on_white(picture: Image.Image) -> Image.Image:
    """Return a picture of mode RGB or RGBA as RGB, on white where it is transparent."""
    if picture.mode != "RGBA":
        return picture
    if is_opaque(picture):
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    return paper.convert("RGB")


def is_opaque(picture: Image.Image) -> bool:
    """Tell that nothing of a picture of mode RGBA is transparent, as that of many a service."""
    return picture.getchannel("A").getextrema() == (OPAQUE, OPAQUE)


def _mended(data: bytes, media_type: str, factor: Factor, error: Exception) -> tuple[_Stored, bytes]:
    """Decode the first mended form of a picture that can be; else raise `BadPictureError` from the first error."""
    candidates = mended(data, media_type)
    while True:
        try:
            candidate = next(candidates, None)
            if candidate is None:
                break
            return _stored(candidate, media_type, factor), candidate
        except DAMAGED:
            continue
    raise BadPictureError(f"{media_type} picture", "is damaged or cut short", "damaged") from error


def _stored(data: bytes, media_type: str, factor: Factor) -> _Stored:
    """Decode the stored rows, reduced."""
    with Image.open(io.BytesIO(data), formats=[pillow_format(media_type)]) as image:
        size = image.size
        if image.width * image.height > MAX_PIXELS:
            raise too_many_pixels()
        divisor = factor(size)
        # A JPEG is read whole by this, and computed at a half, a quarter or an eighth of its size.
        image.draft(None, (max(1, size[0] // divisor), max(1, size[1] // divisor)))
        _show_first_frame(image)
        image.load()
        orientation, profile = shown_orientation(data, media_type, image), profile_of(data, media_type, image)
        picture = reduced(image, factor(image.size))
        picture.info = {}  # comments and profiles, which a copy would be written with
        return _Stored(picture, size, orientation, profile)


def _show_first_frame(image: Image.Image) -> None:
    """Go to the first frame of an APNG whose default image is shown only by programs that know no animation."""
    if getattr(image, "default_image", False) and getattr(image, "n_frames", 1) > 1:
        image.seek(1)


def _plain(image: Image.Image) -> Image.Image:
    """Return a part of a picture in one of the four modes that are reduced and shown."""
    if image.mode.startswith("I"):  # 16-bit grey; converting would clip it instead of scaling it
        image = image.point(lambda value: value / 256).convert("L")
        image.info.pop("transparency", None)
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in PLAIN_MODES:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
