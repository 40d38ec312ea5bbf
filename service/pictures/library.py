"""The pictures in our keeping, by name: imported or drawn, stored, read, shown small, copied as JPEG.

The bytes under a name never change, so that a preview which was made once is remembered with it.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from service.images import AWAY, KeptPicture, Picture, Reference, ReferenceRules, WorkError
from service.pictures.decoders import Decoders
from service.pictures.messages import (
    OUT_OF_BOUNDS,
    BadPictureError,
    ConvertedPicture,
    Examined,
    JpegCopy,
    ReadMask,
)
from service.pictures.sniffing import is_heic, sniff, stored_size
from service.profiles import THUMBNAIL_BYTES
from service.routes import PICTURES
from service.storage.files import Files
from service.storage.store import Store

logger = logging.getLogger(__name__)


AWAY_NOTE: Final = "This server keeps no pictures: the link is the image service's own, and ends when that says so."

MEMORY_BYTES: Final = 8_000_000
"""About a hundred previews of usual size; the pictures of the chats that go on now."""


class PreviewMemory:
    """The previews drawn last, by the name of their picture, and their thumbnails: a look at one decodes nothing.

    The least recently used is forgotten first.
    """

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        """Hold previews and thumbnails of `max_bytes` in all."""
        self._max_bytes = max_bytes
        self._size = 0
        self._previews: OrderedDict[str, bytes] = OrderedDict()
        self._thumbnails: dict[bytes, bytes] = {}

    def remember(self, name: str, preview: bytes, thumbnail: bytes = b"") -> None:
        """Hold one preview; the bytes under a name never change, and so neither does it."""
        if name not in self._previews:
            self._size += len(preview)
        self._previews[name] = preview
        self._previews.move_to_end(name)
        if thumbnail and preview not in self._thumbnails:
            self._thumbnails[preview] = thumbnail
            self._size += len(thumbnail)
        while self._size > self._max_bytes:
            _, oldest = self._previews.popitem(last=False)
            self._size -= len(oldest) + len(self._thumbnails.pop(oldest, b""))

    def find(self, name: str) -> bytes | None:
        """Return the preview, or None when it is not held any more."""
        if name in self._previews:
            self._previews.move_to_end(name)
        return self._previews.get(name)

    def thumbnail_of(self, preview: bytes) -> bytes | None:
        """Return the thumbnail of a preview that is held, or None."""
        return self._thumbnails.get(preview)


Conversion: TypeAlias = tuple[str, str, ReferenceRules]
"""Owner, picture, and the rules that it was converted by."""

CONVERSION_BYTES: Final = 32_000_000
"""Some photos as they go to a model, for the calls that are under way."""


class ConversionMemory:
    """The conversions made last; of equal ones at the same time one is made. The least recently used goes first."""

    def __init__(self, max_bytes: int = CONVERSION_BYTES) -> None:
        """Hold pictures of `max_bytes` in all."""
        self._max_bytes = max_bytes
        self._made: OrderedDict[Conversion, ConvertedPicture] = OrderedDict()
        self._turns: WeakValueDictionary[Conversion, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: Conversion, convert: Callable[[], Awaitable[ConvertedPicture]]) -> ConvertedPicture:
        """Return a conversion, made now where none is held. One that fails is tried anew by whoever waits for it."""
        async with self._turns.setdefault(key, asyncio.Lock()):
            made = self._made.get(key) or await convert()
        self._made[key] = made
        self._made.move_to_end(key)
        while sum(len(each.data) for each in self._made.values()) > self._max_bytes:
            self._made.popitem(last=False)
        return made


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Keeps pictures in `files`. `url` stands before a picture's name at this service, and ends in a slash.

    `cdn_url` does so where a CDN serves the pictures; else it is empty.
    """

    files: Files
    decoders: Decoders
    url: str
    cdn_url: str = ""
    memory: PreviewMemory = field(default_factory=PreviewMemory)
    conversions: ConversionMemory = field(default_factory=ConversionMemory)
    keeps: bool = True
    """False leaves those pictures at their image service that can be had there again (EASEL_CACHE=0)."""

    def url_for(self, reached_at: str) -> str:
        """Return the beginning of links for a call: at the CDN, or else as `own_url_for`."""
        return self.cdn_url or self.own_url_for(reached_at)

    def own_url_for(self, reached_at: str) -> str:
        """Return the beginning of links to this service, at the address by which a call came where links follow that.

        Pages take it, since a CDN has neither smaller copies nor answers that every page may read.
        """
        return reached_at + PICTURES.path if reached_at else self.url

    async def examine(self, owner: str, data: bytes) -> Examined:
        """Decode a picture that is paid for. Raises `BadPictureError` for bytes that are none.

        A picture that may be whole, and that the limits of decoding forbid to look at, is kept without a preview.
        """
        try:
            return await self.decoders.examine(owner, data)
        except BadPictureError as error:
            media_type = sniff(data) or ""
            size = stored_size(data, media_type)
            if error.code not in OUT_OF_BOUNDS or size is None:
                raise
            logger.warning("A picture is kept that was not looked at: %s", error)
            note = f"It was not looked at here, and has no preview: it {error.problem}."
            return Examined(media_type=media_type, width=size[0], height=size[1], preview=b"", data=data, note=note)

    async def keep(self, owner: str, picture: Picture, examined: Examined) -> KeptPicture:
        """Store an examined picture durably. Raises `WorkError` of kind `storage` when the disk refuses.

        One that is left where it is gets a name by which its preview is remembered, and no file.
        """
        away = bool(picture.source) and not self.keeps
        if away:
            name = AWAY + hashlib.sha256(f"{len(owner)} {owner}{picture.source}".encode()).hexdigest()
        else:
            name = await self.files.keep(owner, examined.data, examined.media_type)
        self.memory.remember(name, examined.preview, examined.thumbnail)
        return KeptPicture(
            name=name,
            media_type=examined.media_type,
            width=examined.width,
            height=examined.height,
            size=len(examined.data),
            note=" ".join(filter(None, (picture.note, examined.note, AWAY_NOTE if away else ""))),
            source=picture.source,
        )

    async def read(self, name: str) -> bytes | None:
        """Return the bytes of a picture, or None when they are gone."""
        return await self.files.read(name)

    async def preview(self, owner: str, name: str) -> bytes | None:
        """Return the preview of a picture; None when its bytes are gone, damaged on the disk, or cannot be decoded."""
        preview = self.memory.find(name)
        data = await self.read(name) if preview is None else None
        if data is not None:
            preview, thumbnail = b"", b""
            try:
                seen = await self.decoders.examine(owner, data, is_paid=False)
                preview, thumbnail = seen.preview, seen.thumbnail
            except BadPictureError as error:  # the rest of the job is there to be seen
                logger.warning("%s cannot be shown: %s", name, error)
                if error.code == "undecoded":  # another time it may be
                    return None
            self.memory.remember(name, preview, thumbnail)
        return preview or None

    async def copy(self, owner: str, name: str, max_bytes: int) -> JpegCopy | None:
        """Return a picture as a JPEG of at most so many bytes, or None when its bytes are gone."""
        data = await self.read(name)
        return None if data is None else await self.copy_of(owner, data, max_bytes)

    async def copy_of(self, owner: str, data: bytes, max_bytes: int) -> JpegCopy:
        """Return a picture as a JPEG of at most so many bytes. Raises `WorkError` for one that cannot be decoded."""
        try:
            return await self.decoders.copy(owner, data, max_bytes)
        except BadPictureError as error:
            raise WorkError(f"The picture cannot be shown: it {error.problem}.", kind=error.kind) from error

    async def convert(self, owner: str, reference: Reference, rules: ReferenceRules) -> ConvertedPicture:
        """Return a picture as a model of these rules takes it. Raises `BadPictureError`.

        What was converted lately is remembered: retries, and calls for several pictures, start from the same ones.
        """
        name = reference.name or await asyncio.to_thread(_digest, reference.data)
        return await self.conversions.get(
            (owner, name, rules), lambda: self.decoders.convert(owner, reference.data, rules)
        )

    async def shrink(self, owner: str, preview: bytes, max_bytes: int) -> bytes | None:
        """Return a preview in at most so many bytes; None for 0, which leaves no room for any."""
        if len(preview) <= max_bytes:
            return preview
        if max_bytes == THUMBNAIL_BYTES and (thumbnail := self.memory.thumbnail_of(preview)):
            return thumbnail
        return await self.decoders.shrink(owner, preview, max_bytes) if max_bytes else None


HEIC_PROBLEM: Final = (
    "is a HEIC picture, the format of iPhone photos, which image services do not take: send it as JPEG, which an "
    "iPhone does for a picture that is chosen from Photos, or send a screenshot of it"
)


@dataclass(frozen=True, kw_only=True)
class ImportedMask:
    """A mask that was read and stored, and the name of its file. `fresh`: there was none before."""

    name: str
    fresh: bool
    read: ReadMask


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
    decoders: Decoders

    async def import_picture(self, owner: str, data: bytes) -> ImportedPicture:
        """Store the picture under this owner. Raises `BadPictureError` for bytes that are no picture to keep."""
        if is_heic(data):
            raise BadPictureError("picture", HEIC_PROBLEM, "heic")
        seen = await self.decoders.take_in(owner, data)
        name = await self.files.keep(owner, seen.data, seen.media_type)
        fresh = await self.store.add_file(owner, name, len(seen.data))
        return ImportedPicture(name=name, media_type=seen.media_type, fresh=fresh, data=seen.data)

    async def import_mask(self, owner: str, data: bytes, picture: bytes) -> ImportedMask:
        """Store a mask of a picture under this owner, as it is read. Raises `BadPictureError` for what is none."""
        if is_heic(data):
            raise BadPictureError("mask", HEIC_PROBLEM, "heic")
        read = await self.decoders.read_mask(owner, data, picture)
        name = await self.files.keep(owner, read.data, read.media_type)
        fresh = await self.store.add_file(owner, name, len(read.data))
        return ImportedMask(name=name, fresh=fresh, read=read)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
