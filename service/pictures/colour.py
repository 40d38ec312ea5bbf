"""Colours as browsers show them: a picture of any colour space becomes sRGB.

An ICC profile says the space; a PNG may name it by numbers instead (cICP, or gAMA and cHRM), an AVIF by its `nclx` box
(ITU-T H.273). The order in PNG is that of the specification, Third Edition, 4.3: cICP, iCCP, sRGB, gAMA. A profile that
is broken, or that is for other values than the picture has, counts for nothing.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Final

from PIL import Image, ImageCms

from service.pictures.code_points import (
    BT709_CURVES,
    CURVES,
    D65,
    PRIMARIES,
    SRGB_CURVE,
    SRGB_PRIMARIES,
    power,
    profile_by_numbers,
)
from service.pictures.containers import Part, boxes, png_chunks
from service.pictures.icc import colour_space, inflated_profile, is_sound, made_profile

MOST_BOXES: Final = 1000
"""Boxes of one level that are looked through; each property of a picture is one."""

GAMMA_UNIT: Final = 100_000
SRGB_GAMMA: Final = 45_455
"""The gAMA value of programs that mean sRGB; browsers take it as that."""

FULL_RANGE, RGB_MATRIX = 1, 0

PIXELS_OF: Final[Mapping[str, frozenset[str]]] = {
    "RGB": frozenset({"RGB", "L"}),
    "GRAY": frozenset({"L"}),
    "CMYK": frozenset({"CMYK"}),
}
"""Colour space of a profile → modes of pictures that it can be for. A grey picture may have a profile of RGB."""


def profile_of(data: bytes, media_type: str, image: Image.Image) -> bytes:
    """Return a sound ICC profile of the picture's colours; empty for sRGB, and where none is said."""
    match media_type:
        case "image/png":
            return _png_profile(data)
        case "image/gif":  # browsers do not read the one of a GIF
            return b""
        case _:
            profile: bytes = image.info.get("icc_profile") or b""
            named = _named_in_avif(data) if media_type == "image/avif" else b""
            return profile if is_sound(profile) else named


def to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Return a picture of mode L, RGB, RGBA or CMYK as RGB or RGBA in sRGB."""
    if picture.mode == "RGBA":
        shown = to_srgb(picture.convert("RGB"), profile)
        shown.putalpha(picture.getchannel("A"))
        return shown
    space = colour_space(profile) if profile else ""
    if picture.mode not in PIXELS_OF.get(space, ()):
        return picture.convert("RGB")
    if space == "RGB":
        picture = picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture.convert("RGB")
    if converted is None:
        return picture.convert("RGB")
    converted.info.pop("icc_profile", None)  # littleCMS' own, with the date of today
    return converted


def _png_profile(data: bytes) -> bytes:
    chunks: dict[bytes, bytes] = {}
    for chunk in png_chunks(data):
        if chunk.kind == b"IDAT":
            break
        chunks.setdefault(chunk.kind, bytes(chunk.payload))
    match chunks.get(b"cICP"):
        case bytes(numbers) if len(numbers) == 4 and numbers[2:] == bytes((RGB_MATRIX, FULL_RANGE)):
            if numbers[0] in PRIMARIES and numbers[1] in CURVES:
                return profile_by_numbers(numbers[0], numbers[1])
    profile = inflated_profile(chunks.get(b"iCCP", b""))
    if is_sound(profile):
        return profile
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return b""
    return _profile_by_gamma(int.from_bytes(chunks[b"gAMA"]), chunks.get(b"cHRM", b""))


def _profile_by_gamma(gamma: int, chromaticities: bytes) -> bytes:
    """Return the profile of a gAMA chunk, with the primaries of a cHRM chunk (PNG Third Edition, 11.3.2)."""
    primaries, white = SRGB_PRIMARIES, D65
    if len(chromaticities) == 32:
        values = [value / GAMMA_UNIT for value in struct.unpack(">8I", chromaticities)]
        white, *given = zip(values[::2], values[1::2], strict=True)
        if all(y > 0 for _, y in (white, *given)):
            primaries = (given[0], given[1], given[2])
    elif gamma == SRGB_GAMMA:
        return b""
    if not gamma:
        return b""
    try:
        return made_profile(primaries, white, partial(power, GAMMA_UNIT / gamma))
    except (ZeroDivisionError, OverflowError, struct.error):  # points that span no colours
        return b""


def _named_in_avif(data: bytes) -> bytes:
    """Return the profile of an `nclx` box, among the properties of the items (ISO/IEC 14496-12, 12.1.5)."""
    for meta in _inside(boxes(data), b"meta"):
        for properties in _inside(boxes(meta[4:]), b"iprp"):
            for container in _inside(boxes(properties), b"ipco"):
                for colour in _inside(boxes(container), b"colr"):
                    if bytes(colour[:4]) == b"nclx" and len(colour) >= 8:
                        primaries, curve = struct.unpack_from(">HH", colour, 4)
                        return profile_by_numbers(primaries, SRGB_CURVE if curve in BT709_CURVES else curve)
    return b""


def _inside(parts: Iterator[Part], kind: bytes) -> Iterator[memoryview]:
    """Yield the payloads of the first boxes of one kind; a file has a handful of each."""
    return (part.payload for part in islice(parts, MOST_BOXES) if part.kind == kind)
