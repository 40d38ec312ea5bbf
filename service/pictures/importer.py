"""Imports pictures from outside, references and uploads alike: metadata out, examined, stored under their owner.

Metadata goes first, so that the bytes which are examined are the bytes which are kept.
"""

import asyncio
from dataclasses import dataclass, field

from service.pictures.decoding import BadPictureError
from service.pictures.metadata import without_metadata
from service.pictures.previews import Previews
from service.pictures.sniffing import describe, sniff
from service.storage.files import Files
from service.storage.store import Store


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
        media_type = sniff(data)
        if media_type is None:
            raise BadPictureError("answer", f"is {describe(data)}")
        kept = await asyncio.to_thread(without_metadata, data, media_type)
        await self.previews.examine(kept)
        name = await self.files.keep(owner, kept, media_type)
        await self.store.add_file(owner, name, len(kept))
        return ImportedPicture(name=name, media_type=media_type, data=kept)
