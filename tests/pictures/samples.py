"""Pictures for tests of decoding, made here: encoded ones, noise, ones whose orientation shows."""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final

from PIL import Image, ImageChops, ImageMath, ImageStat

LUMINANCE, CONTRAST = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""The two constants of the SSIM."""

RED: Final = (255, 0, 0)
WHITE: Final = (255, 255, 255)


def encoded(image: Image.Image, media_type: str = "image/png", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, media_type.removeprefix("image/"), **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """The picture in a file, decoded."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


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


def png_chunk(kind: bytes, payload: bytes, *, wrong: int = 0) -> bytes:
    """A PNG chunk; `wrong` spoils its checksum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload) ^ wrong)


def png_with(image: Image.Image, *chunks: bytes) -> bytes:
    """A PNG with these chunks behind its header."""
    plain = encoded(image)
    return plain[:33] + b"".join(chunks) + plain[33:]


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def jpeg_with(image: Image.Image, *segments: bytes) -> bytes:
    """A JPEG of high quality with these segments behind JFIF."""
    plain = encoded(image, "image/jpeg", quality=95)
    return plain[:20] + b"".join(segments) + plain[20:]


def tiff(orientation: int, *, kind: int = 3, count: int = 1, order: str = ">") -> bytes:
    """A TIFF block with an orientation, of kind SHORT (3), LONG (4) or BYTE (1)."""
    value = {1: "B3x", 3: "H2x", 4: "I"}[kind]
    mark = b"MM" if order == ">" else b"II"
    return mark + struct.pack(f"{order}HIHHHI{value}I", 42, 8, 1, 0x0112, kind, count, orientation, 0)


def exif_segment(block: bytes) -> bytes:
    return jpeg_segment(0xE1, b"Exif\0\0" + block)


def xmp(orientation: int) -> bytes:
    return (
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
        % orientation
    )


def xmp_segment(orientation: int) -> bytes:
    return jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(orientation))


def photo(width: int = 320, height: int = 240) -> Image.Image:
    """Two gradients and grain, which compresses like a photo; the same each time."""
    grain = noise("L", (width, height)).point(lambda value: 120 + value // 16)
    gradients = (Image.linear_gradient("L"), Image.radial_gradient("L"))
    return Image.merge("RGB", [*(each.resize((width, height)) for each in gradients), grain])


def likeness(one: Image.Image, other: Image.Image) -> float:
    """Return how alike two pictures of one size are to the eye, 1 at most: the SSIM of Wang et al. (2004) of the light.

    In windows of 8×8 pixels that lie side by side, of pictures whose sides are multiples of that.
    """
    a, b = (each.convert("L").convert("F") for each in (one, other))

    def mean(expression: Callable[[dict[str, Any]], Any]) -> Image.Image:
        found: Image.Image = ImageMath.lambda_eval(expression, a=a, b=b).reduce(8)
        return found

    def ssim(at: dict[str, Any]) -> Any:
        products, squares = at["a"] * at["b"], at["a"] * at["a"] + at["b"] * at["b"]
        above = (2 * products + LUMINANCE) * (2 * (at["ab"] - products) + CONTRAST)
        return above / ((squares + LUMINANCE) * (at["aa"] + at["bb"] - squares + CONTRAST))

    means = {
        "a": mean(lambda at: at["a"] * 1),
        "b": mean(lambda at: at["b"] * 1),
        "aa": mean(lambda at: at["a"] * at["a"]),
        "bb": mean(lambda at: at["b"] * at["b"]),
        "ab": mean(lambda at: at["a"] * at["b"]),
    }
    alike: Image.Image = ImageMath.lambda_eval(ssim, **means)
    average = alike.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # ImageStat counts floats by bins
    assert isinstance(average, float)
    return average
