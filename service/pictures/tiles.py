"""The tiles of pictures that were drawn just now, made before a page asks for them.

1. A tile is the derivative of which a page of many pictures is made. Of a picture that was drawn it is made of the
   preview, at a tenth of the cost; of one that has transparent parts, which a preview has not, of the picture.
2. It is made once no job has ended for `PAUSE_S`, and while the decoders have nothing else to do: what is drawn now
   costs no more by it.
3. Where jobs end all the time, and for pictures whose preview is forgotten, it is made when it is asked for.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.images import Job, KeptPicture, WorkError
from service.pictures.decoders import Decoders
from service.pictures.derivatives import Derivatives
from service.pictures.messages import PREVIEW_SIDE
from service.pictures.sniffing import HEAD_BYTES, is_opaque
from service.storage.files import Derivative, Files

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 200
PAUSE_S: Final = 3.0
"""Seconds after the end of a job: its answer, whoever looks at its picture, and the next one come first."""

TILE: Final = Derivative(width=320, extension="webp")
WIDE_TILE: Final = Derivative(width=640, extension="webp")
WIDE: Final = 1.4
"""The width of a picture of height 1 from which its tile has more than 320 pixels on a screen of usual density."""


@dataclass(frozen=True)
class _Tile:
    owner: str
    picture: KeptPicture
    derivative: Derivative


class Tiles:
    """Makes the tiles. `preview_of` gives the preview of a picture that was drawn lately."""

    def __init__(
        self,
        files: Files,
        decoders: Decoders,
        derivatives: Derivatives,
        preview_of: Callable[[str], bytes | None],
        pause_s: float = PAUSE_S,
    ) -> None:
        """Begin with none to make."""
        self._files = files
        self._decoders = decoders
        self._derivatives = derivatives
        self._preview_of = preview_of
        self._pause_s = pause_s
        self._waiting: asyncio.Queue[_Tile] = asyncio.Queue(MOST_WAITING)
        self._begin_at = 0.0

    def ended(self, job: Job) -> None:
        """Take note of a job that has ended."""
        self._begin_at = asyncio.get_running_loop().time() + self._pause_s
        for picture in job.pictures:
            if picture.is_away or not self._preview_of(picture.name):
                continue
            for derivative in (TILE, WIDE_TILE) if picture.width > WIDE * picture.height else (TILE,):
                if not self._waiting.full():
                    self._waiting.put_nowait(_Tile(job.owner, picture, derivative))

    async def make(self) -> None:
        """Make tiles as long as the service runs."""
        while True:
            tile = await self._waiting.get()
            while (left_s := self._begin_at - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 - a moment that moves
                await asyncio.sleep(left_s)
            try:
                await self._make(tile)
            except WorkError as error:
                logger.debug("A tile is not made: %s", error)
            except Exception:  # a mistake of ours with one may not end the others
                logger.exception("The tile of %s", tile.picture.name)

    async def _make(self, tile: _Tile) -> None:
        name, derivative = tile.picture.name, tile.derivative
        if await self._derivatives.is_wanted(name, derivative):
            source = await self._source(tile.picture, derivative.width)
            if source is not None:
                made = self._decoders.derive(
                    tile.owner, source, derivative.width, derivative.media_type, is_asked=False
                )
                await self._derivatives.keep(name, derivative, await made)

    async def _source(self, picture: KeptPicture, width: int) -> bytes | None:
        """Return the preview of a picture that is opaque, where that is wide enough; else the picture."""
        preview = self._preview_of(picture.name)
        reduced = picture.width * PREVIEW_SIDE // max(picture.width, picture.height, 1)
        if preview and reduced >= min(width, picture.width):
            head = await self._files.open_range(picture.name, range(min(picture.size, HEAD_BYTES)))
            if head is None:
                return None
            async with head:
                if is_opaque(b"".join([piece async for piece in head.chunks()])):
                    return preview
        return await self._files.read(picture.name)
