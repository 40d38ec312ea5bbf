"""Small copies of pictures: the preview that goes into a result, and JPEG copies that fit a limit of bytes.

A preview stands upright, in sRGB, on white, as JPEG, without the metadata of the original. The original stays as it is:
it is kept in the bytes it came in. Decoding takes up to seconds, so it runs in threads of its own; Pillow lets go of
the GIL meanwhile.
"""

import asyncio
import io
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from threading import Lock
from typing import Final, TypeVar

from PIL import Image, PngImagePlugin

from service.images import WorkError
from service.pictures.colour import LARGEST_PROFILE
from service.pictures.conversion import ConvertedPicture, convert, upright_webp
from service.pictures.decoding import LARGE_PIXELS, BadPictureError, decode, on_white, within

THREADS: Final = 2
"""Pictures decoded at once. It bounds memory: all others wait as the bytes they came in."""

PREVIEW_TYPE: Final = "image/jpeg"
PREVIEW_SIDE: Final = 768
PREVIEW_BYTES: Final = 200_000

STEPS: Final = ((PREVIEW_SIDE, 85), (PREVIEW_SIDE, 70), (PREVIEW_SIDE, 50), (512, 50), (256, 50))
"""Longer side and JPEG quality, tried until the preview fits. Pure noise, the worst there is, fits the last."""

COPY_SIDES: Final = (1536, 1024, 768, 512, 256)
JPEG_SIDE: Final = 65_500
"""The largest side that libjpeg writes."""

COPY_QUALITIES: Final = (90, 75)
"""A copy keeps all its pixels if one of these qualities lets it fit, else the most of them that do."""

MEMORY_BYTES: Final = 8_000_000
"""About a hundred previews of usual size; the pictures of the chats that go on now."""


Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A picture that was decoded. Width and height are as a person sees it.

    `readable` is the picture without metadata, and with its defects mended that browsers pass over.
    """

    media_type: str
    width: int
    height: int
    preview: bytes = field(repr=False)
    readable: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class JpegCopy:
    """A picture as JPEG that fits a limit. `reduced`: it has fewer pixels than the picture, or is of lower quality."""

    data: bytes = field(repr=False)
    width: int
    height: int
    reduced: bool


class Previews:
    """Draws previews and copies, `THREADS` at once. Its owner closes it when no call is left."""

    def __init__(self) -> None:
        """Start no thread yet; make Pillow refuse what it would only warn of."""
        # Pillow only warns between one and two times its own cap. Its documentation gives this line to make it refuse.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        PngImagePlugin.MAX_TEXT_CHUNK = LARGEST_PROFILE  # of texts and profiles; texts are left out before
        self._large = Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="preview")

    async def examine(self, data: bytes) -> Examined:
        """Decode a picture and draw its preview, or raise `BadPictureError`.

        A picture being decoded when its caller is cancelled is decoded to its end and keeps its thread until then.
        """
        return await self._run(lambda: examine(data, self._large))

    async def copy(self, data: bytes, max_bytes: int) -> JpegCopy:
        """Return a JPEG of at most `max_bytes` of a picture that was examined before, or raise `WorkError`."""
        return await self._run(lambda: copy(data, max_bytes, self._large))

    async def convert(self, data: bytes, accepted: Collection[str]) -> ConvertedPicture:
        """Return a picture as an image service takes it that accepts these media types, or raise `WorkError`."""
        return await self._run(lambda: convert(data, accepted, self._large))

    async def upright_webp(self, data: bytes) -> bytes:
        """Return a WebP with its EXIF orientation turned into the pixels."""
        return await self._run(lambda: upright_webp(data, self._large))

    async def close(self) -> None:
        """Wait for the last decoding to end and let the threads go."""
        await asyncio.to_thread(self._pool.shutdown)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


class PreviewMemory:
    """The previews drawn last, by the name of their picture, so that a look at one decodes nothing.

    The least recently used is forgotten first.
    """

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        """Hold previews of `max_bytes` in all."""
        self._max_bytes = max_bytes
        self._size = 0
        self._previews: OrderedDict[str, bytes] = OrderedDict()

    def remember(self, name: str, preview: bytes) -> None:
        """Hold one preview; the bytes under a name never change, and so neither does it."""
        if name not in self._previews:
            self._size += len(preview)
        self._previews[name] = preview
        self._previews.move_to_end(name)
        while self._size > self._max_bytes:
            _, oldest = self._previews.popitem(last=False)
            self._size -= len(oldest)

    def find(self, name: str) -> bytes | None:
        """Return the preview, or None when it is not held any more."""
        if name in self._previews:
            self._previews.move_to_end(name)
        return self._previews.get(name)


def examine(data: bytes, large: Lock) -> Examined:
    """Decode a picture and draw its preview, in the calling thread; `large` is held while a large one is decoded."""
    decoded = decode(data, large, reduction)
    return Examined(
        media_type=decoded.media_type,
        width=decoded.width,
        height=decoded.height,
        preview=_preview(on_white(decoded.picture)),
        readable=decoded.readable,
    )


def copy(data: bytes, max_bytes: int, large: Lock) -> JpegCopy:
    """Encode a picture as JPEG, by COPY_SIDES and COPY_QUALITIES until it has at most `max_bytes`.

    Blocks. A picture that is smaller than a side is not encoded for that side again.
    """
    try:
        decoded = decode(data, large, within(LARGE_PIXELS))
    except BadPictureError as error:
        raise WorkError("The picture cannot be read any more.", kind="bad_picture") from error
    picture = on_white(decoded.picture)
    for side, quality in product(sizes_of_copies(picture.size), COPY_QUALITIES):
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        encoded = _jpeg(picture, quality)
        if len(encoded) <= max_bytes:
            break
    whole = picture.size == (decoded.width, decoded.height) and quality == COPY_QUALITIES[0]
    return JpegCopy(data=encoded, width=picture.width, height=picture.height, reduced=not whole)


def sizes_of_copies(size: tuple[int, int]) -> tuple[int, ...]:
    """Return the longer sides to try for a picture of this size, each smaller than the one before."""
    longest = min(max(size), JPEG_SIDE)
    return (longest, *(side for side in COPY_SIDES if side < longest))


def reduction(size: tuple[int, int]) -> int:
    """Return the number by which a picture can be divided, cheaply, and still be twice as large as its preview."""
    return max(1, max(size) // (2 * PREVIEW_SIDE))


def _preview(picture: Image.Image) -> bytes:
    """Encode the first of `STEPS` that fits."""
    for side, quality in STEPS:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        encoded = _jpeg(picture, quality)
        if len(encoded) <= PREVIEW_BYTES:
            break
    return encoded


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
