"""The pictures in our keeping, by name: imported or drawn, stored, read, shown small, copied as JPEG.

The bytes under a name never change, so that a preview which was made once is remembered with it.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from service.images import KeptPicture, Picture, WorkError
from service.pictures.conversion import ConvertedPicture
from service.pictures.decoding import BadPictureError
from service.pictures.previews import Examined, JpegCopy, PreviewMemory, Previews
from service.pictures.sniffing import is_heic, sniff
from service.routes import PICTURES
from service.storage.files import Files
from service.storage.store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Keeps pictures in `files`. `url` stands before a picture's name in links, and ends in a slash."""

    files: Files
    previews: Previews
    url: str
    memory: PreviewMemory = field(default_factory=PreviewMemory)

    def url_for(self, reached_at: str) -> str:
        """Return the beginning of links for a call, at the address by which it came where links follow that."""
        return reached_at + PICTURES.path if reached_at else self.url

    async def examine(self, data: bytes) -> Examined:
        """Decode a picture once. Raises `WorkError` of kind `bad_picture` for bytes that are none."""
        return await self.previews.examine(data)

    async def keep(self, owner: str, picture: Picture, examined: Examined) -> KeptPicture:
        """Store an examined picture durably. Raises `WorkError` of kind `storage` when the disk refuses."""
        name = await self.files.keep(owner, picture.data, examined.media_type)
        self.memory.remember(name, examined.preview)
        return KeptPicture(
            name=name,
            media_type=examined.media_type,
            width=examined.width,
            height=examined.height,
            size=len(picture.data),
            note=picture.note,
            source=picture.source,
        )

    async def read(self, name: str) -> bytes | None:
        """Return the bytes of a picture, or None when they are gone."""
        return await self.files.read(name)

    async def preview(self, name: str) -> bytes | None:
        """Return the preview of a picture; None when its bytes are gone, or damaged on the disk."""
        preview = self.memory.find(name)
        data = await self.read(name) if preview is None else None
        if data is not None:
            try:
                preview = (await self.previews.examine(data)).preview
            except WorkError as error:  # the rest of the job is there to be seen
                logger.warning("%s cannot be shown: %s", name, error)
                return None
            self.memory.remember(name, preview)
        return preview

    async def copy(self, name: str, max_bytes: int) -> JpegCopy | None:
        """Return a picture as a JPEG of at most so many bytes, or None when its bytes are gone."""
        data = await self.read(name)
        return None if data is None else await self.previews.copy(data, max_bytes)

    async def convert(self, data: bytes, accepted: Collection[str]) -> ConvertedPicture:
        """Return a picture as an image service takes it that accepts these types. Raises `BadPictureError`."""
        return await self.previews.convert(data, accepted)

    async def shrink(self, preview: bytes, max_bytes: int) -> bytes | None:
        """Return a preview in at most so many bytes; None for 0, which leaves no room for any."""
        if len(preview) <= max_bytes:
            return preview
        return (await self.previews.copy(preview, max_bytes)).data if max_bytes else None


HEIC_PROBLEM: Final = (
    "is a HEIC picture, the format of iPhone photos, which image services do not take: send it as JPEG, which an "
    "iPhone does for a picture that is chosen from Photos, or send a screenshot of it"
)


@dataclass(frozen=True, kw_only=True)
class ImportedPicture:
    """A picture that was stored: its bytes as kept, and the name of their file. `fresh`: there was none before."""

    name: str
    media_type: str
    fresh: bool
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Importer:
    """Examines bytes that somebody gives, and stores them when they are a picture."""

    files: Files
    store: Store
    previews: Previews

    async def import_picture(self, owner: str, data: bytes) -> ImportedPicture:
        """Store the picture under this owner. Raises `BadPictureError` for bytes that are no picture to keep."""
        if is_heic(data):
            raise BadPictureError("picture", HEIC_PROBLEM, "heic")
        if sniff(data) == "image/webp":
            data = await self.previews.upright_webp(data)
        seen = await self.previews.examine(data)
        name = await self.files.keep(owner, seen.readable, seen.media_type)
        fresh = await self.store.add_file(owner, name, len(seen.readable))
        return ImportedPicture(name=name, media_type=seen.media_type, fresh=fresh, data=seen.readable)
