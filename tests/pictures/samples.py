"""Pictures for tests of decoding, made here: encoded ones, noise, ones whose orientation shows."""

import hashlib
import io
import struct
import zlib
from typing import Final

from PIL import Image, ImageChops, ImageStat

RED: Final = (255, 0, 0)
WHITE: Final = (255, 255, 255)


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


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean distance of two pictures per pixel and channel, 0 to 255."""
    channels = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
    return max(channels)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG with this size in its header and no pixels at all."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
