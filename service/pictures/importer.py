"""Imports pictures from outside, references and uploads alike: examined, without metadata, stored under their owner."""

from dataclasses import dataclass, field
from typing import Final

from service.pictures.decoding import BadPictureError
from service.pictures.previews import Previews
from service.pictures.sniffing import is_heic, sniff
from service.storage.files import Files
from service.storage.store import Store

HEIC_PROBLEM: Final = (
    "is a HEIC picture, the format of iPhone photos, which image services do not take: send it as JPEG, which an "
    "iPhone does for a picture that is chosen from Photos, or send a screenshot of it"
)


@dataclass(frozen=True, kw_only=True)
class ImportedPicture:
    """A picture that was stored: its bytes as kept, and the name of their file."""

    name: str
    media_type: str
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
        await self.store.add_file(owner, name, len(seen.readable))
        return ImportedPicture(name=name, media_type=seen.media_type, data=seen.readable)
