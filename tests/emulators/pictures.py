"""Real pictures for emulators: plausible sizes in pixels, a colour of its own for each number, made in no time."""

import io
from functools import cache, lru_cache
from typing import Final

from PIL import Image

STEP: Final = 0x9E3779
"""Odd, and far from any pattern: numbers that follow each other get colours that differ at a glance."""

Size = tuple[int, int]


def colour(number: int) -> tuple[int, int, int]:
    """A colour that no other number below 2**24 has."""
    mixed = number * STEP % 2**24
    return mixed >> 16, mixed >> 8 & 255, mixed & 255


@lru_cache(maxsize=64)  # some ask for hundreds of millions of pixels, each time half a second
def png(number: int, size: Size = (1024, 1024)) -> bytes:
    """One colour, one bit for a pixel: some hundred bytes, in less than a millisecond."""
    picture = Image.new("P", size, 0)
    picture.putpalette([*colour(number), 0, 0, 0])
    out = io.BytesIO()
    picture.save(out, "PNG", bits=1, compress_level=1)
    return out.getvalue()


def jpeg(number: int, size: Size = (1024, 1024)) -> bytes:
    """One colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour(number)).save(out, "JPEG", quality=85)
    return out.getvalue()


@cache
def large_jpeg() -> bytes:
    """Noise, which does not compress: over 3 MB, so over 4 MB as base64."""
    size = (2048, 2048)
    noise = Image.merge("RGB", [Image.effect_noise(size, 80) for _ in range(3)])
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=85)
    return out.getvalue()
