"""Takes a picture from outside into our keeping: of a reference and of an upload alike.

Metadata is left out first, so that what is examined is what is kept. The index of files knows whose it is.
"""

import asyncio
from dataclasses import dataclass, field

from service.pictures.metadata import without_metadata
from service.pictures.previews import BadPictureError, Previews, described, sniff
from service.storage.files import Files
from service.storage.store import Store


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A picture in our keeping: its bytes as kept, and the name under which they are."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Importer:
    """Looks at bytes that somebody gives, and keeps them if they are a picture."""

    files: Files
    store: Store
    previews: Previews

    async def take(self, owner: str, data: bytes) -> Taken:
        """Keep the picture for this owner. Raise `BadPictureError` for what is none that we keep."""
        media_type = sniff(data)
        if media_type is None:
            raise BadPictureError("answer", f"is {described(data)}")
        kept = await asyncio.to_thread(without_metadata, data, media_type)
        await self.previews.examine(kept)
        name = await self.files.keep(owner, kept, media_type)
        await self.store.file_kept(owner, name, len(kept))
        return Taken(name=name, media_type=media_type, data=kept)
