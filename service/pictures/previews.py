"""Looks at the bytes that an image service gave, and draws the small picture that goes into a result.

In order, and each before the next:
1. sniff: the magic bytes alone say what it is, never a name or a Content-Type;
2. cap: its pieces are counted before they are read, and the header's pixels before any of them is decoded;
3. decode: to the last row, so that a picture cut short is found (of an animation, the first frame);
4. preview: upright, on white, JPEG, without the metadata of the original.

The original stays as it is: it is kept in the bytes it came in. All of it runs in threads of its own, since decoding
takes up to seconds and Pillow lets go of the GIL meanwhile.
"""

import asyncio
import codecs
import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import product
from threading import Lock
from typing import Final

from PIL import ExifTags, Image

from service.images import WorkError
from service.pictures.segments import has_too_many_segments

MAX_PIXELS: Final = 50_000_000
"""Above 8K (33 million) and all that the services give. Decoding so many takes 250 MB as PNG, 780 MB as WebP."""

THREADS: Final = 2
"""Pictures decoded at once. It bounds memory: all others wait as the bytes they came in."""

LARGE_PIXELS: Final = 4096 * 4096
"""Above it, 70 MB as PNG and 270 MB as WebP, pictures are decoded one at a time."""

PREVIEW_TYPE: Final = "image/jpeg"
PREVIEW_SIDE: Final = 768
PREVIEW_BYTES: Final = 200_000

STEPS: Final = ((PREVIEW_SIDE, 85), (PREVIEW_SIDE, 70), (PREVIEW_SIDE, 50), (512, 50), (256, 50))
"""Longer side and JPEG quality, tried until the preview fits. Pure noise, the worst there is, fits the last."""

COPY_SIDES: Final = (1536, 1024, 768, 512, 256)
COPY_QUALITIES: Final = (90, 75)
"""A copy keeps all its pixels if one of these qualities lets it fit, else the most of them that do."""

BAND_PIXELS: Final = 4_000_000
"""Converting needs a copy or two, so it goes by bands of the picture. One band is 16 MB."""

SNIFFED_TEXT: Final = 1024
"""How far into a text we look for its first tag: comments and a doctype come before it."""

MAGIC: Final[Mapping[str, tuple[bytes, ...]]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}

UNKEPT: Final[Mapping[bytes, str]] = {
    b"%PDF": "a PDF document",
    b"BM": "a BMP picture, a type that is not kept",
    b"II*\x00": "a TIFF picture, a type that is not kept",
    b"MM\x00*": "a TIFF picture, a type that is not kept",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip data",
}
"""What services and the proxies before them have been seen to send instead."""

UPRIGHT: Final[Mapping[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (Exif 2.32, 4.6.4 A) → what turns the stored rows upright. 5 to 8 swap width and height."""

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
"""What Pillow's readers raise on bytes that are not what their header says."""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What a picture turned out to be. Width and height are as a person sees it, EXIF orientation applied."""

    media_type: str
    width: int
    height: int
    preview: bytes = field(repr=False)
    preview_type: str = PREVIEW_TYPE


@dataclass(frozen=True, kw_only=True)
class JpegCopy:
    """A picture as JPEG that fits a limit. `reduced`: it has fewer pixels than the picture, or is of lower quality."""

    data: bytes = field(repr=False)
    width: int
    height: int
    reduced: bool


class BadPictureError(WorkError):
    """Bytes that are no picture we keep. `problem` is the end of a sentence about them, without whose they are."""

    def __init__(self, subject: str, problem: str) -> None:
        super().__init__(f"The image service's {subject} {problem}.", kind="bad_picture")
        self.problem = problem


class Previews:
    """Examines pictures, `THREADS` at once. Its owner closes it when nothing is examined any more."""

    def __init__(self) -> None:
        # Pillow only warns between one and two times its own cap. Its documentation gives this line to make it refuse.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")  # broken EXIF
        self._large = Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="preview")

    async def examine(self, data: bytes) -> Examined:
        """Say what `data` is and draw its preview, or raise `WorkError` of the kind `bad_picture`.

        A picture being decoded when its caller is cancelled is decoded to its end and keeps its thread until then.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, examined, data, self._large)

    async def copy(self, data: bytes, max_bytes: int) -> JpegCopy:
        """A JPEG of at most so many bytes, of a picture that was examined before."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, copied, data, max_bytes, self._large)

    async def close(self) -> None:
        """Wait for the last decoding to end and let the threads go."""
        await asyncio.to_thread(self._pool.shutdown)


def examined(data: bytes, large: Lock) -> Examined:
    """All four steps, in the calling thread; `large` is held while a large picture is decoded."""
    media_type = sniff(data)
    if media_type is None:
        raise BadPictureError("answer", f"is {described(data)}")
    if has_too_many_segments(data, media_type):
        raise BadPictureError(f"{media_type} picture", "is built of too many pieces")
    try:
        with Image.open(io.BytesIO(data), formats=[pillow_format(media_type)]) as image:
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise too_large()
            with large if pixels > LARGE_PIXELS else nullcontext():
                return decoded(image, media_type)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large() from error
    except DAMAGED as error:
        raise BadPictureError(f"{media_type} picture", "is damaged or cut short") from error


def copied(data: bytes, max_bytes: int, large: Lock) -> JpegCopy:
    """The first of `COPY_STEPS` that fits, in the calling thread; none is needed for the pixels that were examined."""
    try:
        with large, Image.open(io.BytesIO(data)) as image:
            image.load()
            upright = UPRIGHT.get(orientation_of(image))
            picture = on_white(image)
            picture = picture.transpose(upright) if upright is not None else picture
    except DAMAGED as error:
        raise WorkError("The picture cannot be read any more.", kind="bad_picture") from error
    best = (max(picture.size), COPY_QUALITIES[0])
    for side, quality in product((best[0], *COPY_SIDES), COPY_QUALITIES):
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= max_bytes:
            break
    reduced = (side, quality) != best
    return JpegCopy(data=buffer.getvalue(), width=picture.width, height=picture.height, reduced=reduced)


def decoded(image: Image.Image, media_type: str) -> Examined:
    """Steps 3 and 4 on a picture of which only the header was read yet."""
    width, height = image.size
    factor = reduction(image.size)
    image.draft(None, (max(1, width // factor), max(1, height // factor)))  # JPEG: reads all, computes less
    image.load()
    orientation = orientation_of(image)
    preview = reduced(image)
    if orientation in UPRIGHT:
        preview = preview.transpose(UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    return Examined(media_type=media_type, width=width, height=height, preview=jpeg(preview))


def sniff(data: bytes) -> str | None:
    """The media type by magic bytes, or None where it is none of `images.EXTENSIONS`."""
    for media_type, starts in MAGIC.items():
        if data.startswith(starts):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if {b"avif", b"avis"} & set(brands(data)):
        return "image/avif"
    return None


def brands(data: bytes) -> Iterator[bytes]:
    """The brands of an ISO base media file (ISO/IEC 14496-12, 4.3): major, then compatible ones; none of any other."""
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4]), 256)
        yield data[8:12]
        yield from (data[at : at + 4] for at in range(16, end - 3, 4))


def described(data: bytes) -> str:
    """What a body that we do not keep looks like, to end the sentence "The answer is …"."""
    if not data.strip():
        return "empty"
    if unkept := next((what for magic, what in UNKEPT.items() if data.startswith(magic)), None):
        return unkept if "picture" in unkept else f"{unkept}, not a picture"
    if any(brands(data)):
        return "a HEIC picture or a video, a type that is not kept"
    return described_text(data[:SNIFFED_TEXT].removeprefix(b"\xef\xbb\xbf").lstrip().lower())


def described_text(start: bytes) -> str:
    """The same for what may be text, given its lower-cased start."""
    if b"<svg" in start:
        return "an SVG drawing, which may hold scripts and is not kept"
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start or b"<body" in start:
        return "an HTML page, not a picture"
    if start.startswith((b"{", b"[")):
        return "JSON, not a picture"
    if start.startswith(b"data:image/"):
        return "a data: URL that was not decoded, not a picture"
    if is_text(start):
        return "plain text, not a picture"
    return "of an unknown kind, not a PNG, JPEG, WebP, GIF or AVIF picture"


def is_text(start: bytes) -> bool:
    """Whether it may be the start of a UTF-8 text; its last character may be cut in two."""
    try:
        return "\x00" not in codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False


def pillow_format(media_type: str) -> str:
    """Pillow's name of a media type, which is its subtype in capitals."""
    return media_type.removeprefix("image/").upper()


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, as far as it was read. Broken EXIF says nothing: browsers show such a picture too."""
    try:
        # PNG's own `getexif` decodes the picture to look behind it, whether its pixels were counted or not.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except DAMAGED:
        return 1
    return value if value in UPRIGHT else 1


def reduction(size: tuple[int, int]) -> int:
    """By how much a picture can be reduced, cheaply, and still be twice as large as its preview."""
    return max(1, max(size) // (2 * PREVIEW_SIDE))


def reduced(image: Image.Image) -> Image.Image:
    """The picture on white in RGB, somewhat larger than its preview. By bands, so that no copy of it all is made."""
    width, height = image.size
    factor = reduction(image.size)
    canvas = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, BAND_PIXELS // (width * factor))
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        canvas.paste(on_white(band).reduce(factor), (0, top // factor))
    return canvas


def on_white(image: Image.Image) -> Image.Image:
    """Any mode that the five formats decode to, as RGB."""
    if image.mode.startswith("I"):  # 16-bit grey; converting would clip it, not scale it
        image = image.point(lambda value: value / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    return paper.convert("RGB")


def jpeg(picture: Image.Image) -> bytes:
    """The first of `STEPS` that fits."""
    for side, quality in STEPS:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= PREVIEW_BYTES:
            break
    return buffer.getvalue()


def too_large() -> WorkError:
    """More pixels than the cap, by the header alone."""
    return BadPictureError("picture", f"has more than the {MAX_PIXELS // 1_000_000} million pixels allowed")
