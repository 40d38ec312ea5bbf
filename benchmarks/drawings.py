"""PNGs of a wanted weight, which compress about as a drawn picture does, and any number of different ones of each.

One byte for a pixel: 1.1 MB at 1024², 4.2 MB at 2048². Copies differ by a comment within the file, so that nothing can
take one for another, and cost nothing to make.
"""

import io
import random
import zlib
from functools import cache
from typing import Final

from PIL import Image, ImageChops, ImageDraw

from benchmarks.serving import CACHE

GRAIN: Final = 0.79
"""Standard deviation of the noise, which gives the file its weight."""

SIDES: Final = {"20 kB": 140, "200 kB": 436, "2 MB": 1400, "1.1 MB": 1024, "4.2 MB": 2048}
HEAD: Final = 33
"""Signature and first chunk of a PNG."""


@cache
def drawing(size: str) -> bytes:
    """The PNG of one of the `SIDES`: drawn once, and kept for the processes and runs after this one."""
    kept = CACHE / "drawings" / f"{size}.png"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(".part")
        temporary.write_bytes(_drawn(SIDES[size]))
        temporary.rename(kept)
    return kept.read_bytes()


def _drawn(side: int) -> bytes:
    chance = random.Random(side)  # noqa: S311 - the same picture each time
    picture = Image.merge(
        "RGB", [Image.linear_gradient("L").resize((side, side)).rotate(90 * turn) for turn in range(3)]
    )
    brush = ImageDraw.Draw(picture)
    for _ in range(30):
        x, y, r = chance.randrange(side), chance.randrange(side), chance.randrange(side // 50, side // 5)
        brush.ellipse((x - r, y - r, x + r, y + r), fill=tuple(chance.randrange(256) for _ in range(3)))
    noise = Image.merge("RGB", [Image.effect_noise((side, side), GRAIN) for _ in range(3)])
    out = io.BytesIO()
    ImageChops.add(picture, noise, offset=-128).save(out, "PNG")
    return out.getvalue()


def comment(number: int) -> bytes:
    """The chunk that makes a copy differ: 24 bytes, with those before it a multiple of three, as base64 likes it."""
    chunk = b"tEXt" + b"n\0" + f"{number:010}".encode()
    return (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")


def copy(size: str, number: int) -> bytes:
    """One of many different pictures of a size."""
    png = drawing(size)
    return png[:HEAD] + comment(number) + png[HEAD:]
