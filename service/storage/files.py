"""The contract of byte storage: pictures under names that we mint, never under names that somebody gives.

A name is 32 hexadecimal digits and one of the extensions of `images.EXTENSIONS` or, for files of an earlier server,
`OLD_EXTENSIONS`. It is a capability: who knows it may see the picture. So it is HMAC-SHA256 over the owner and the
bytes, keyed by our secret and cut to 128 bits: it cannot be guessed from a prompt, a URL or the bytes, and one owner's
name says nothing about whether another has the same picture.

A picture may have *derivatives*: smaller copies, made from it when they are first asked for. They belong to it: they
are found under its name with an addition (`Derivative`), in no list, and go with it.
"""

import hmac
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Self

from service.images import EXTENSIONS, OLD_EXTENSIONS, Job, Picture


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """Media type and size in bytes of a stored picture. The bytes under one name never change."""

    media_type: str
    size: int


WIDTHS: Final = (160, 320, 640, 1280)
"""The widths of derivatives, in pixels: a tile, a preview, and both on a screen of twice the density."""

DERIVED_TYPES: Final[Mapping[str, str]] = {"webp": "image/webp", "jpg": "image/jpeg"}
"""The extensions of derivatives, and their media types."""


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """One of the smaller copies that a picture can have: its width, and its extension."""

    width: int
    extension: str

    @property
    def media_type(self) -> str:
        """The media type of its bytes."""
        return DERIVED_TYPES[self.extension]

    def of(self, name: str) -> str:
        """Return the name of this derivative of a picture."""
        return f"{name}~{self.width}.{self.extension}"


DERIVATIVES: Final = tuple(Derivative(width=width, extension=each) for width in WIDTHS for each in DERIVED_TYPES)


class OpenRange(ABC):
    """A range of a stored picture's bytes, open for reading. An async context manager, which closes it.

    It ends early when the picture has fewer bytes than the range asks for.
    """

    disk_file: BinaryIO | None = None
    """The unbuffered file that holds the picture, for `loop.sendfile`. None where the bytes lie on no local disk."""

    @abstractmethod
    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the range, in pieces of a size that the storage likes to read."""

    @abstractmethod
    async def close(self) -> None:
        """Release what the storage holds open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """One of all files. `written_at` is when it was kept, in seconds since the epoch."""

    name: str
    size: int
    written_at: float


class Files(ABC):
    """Keeps the bytes of pictures."""

    @abstractmethod
    async def keep(self, owner: str, data: bytes, media_type: str) -> str:
        """Store `data` durably and return its name. The same bytes of the same owner get the same name.

        Atomic: after a crash at any moment either the whole file is there or nothing is.
        Raises `WorkError` when the disk refuses, saying which setting names the folder.
        """

    @abstractmethod
    async def keep_named(self, name: str, data: bytes) -> None:
        """Store bytes under the name that they have at another place of the same secret, as `keep` does."""

    @abstractmethod
    async def keep_derived(self, name: str, derivative: Derivative, data: bytes) -> bool:
        """Store a derivative of the picture of this name, as `keep` does; False where the picture is gone."""

    @abstractmethod
    async def find(self, name: str) -> StoredFile | None:
        """The file behind a name, or None. A name of any other form is None without a look at the disk."""

    def stamp(self, name: str) -> Hashable | None:  # noqa: ARG002 - for those that can tell
        """A value that tells the file behind a name from any other, before and after; None where there is none.

        It takes microseconds. None, too, where the storage cannot tell without waiting: `find` has to be asked then.
        """
        return None

    look_holds_s: float = 0.0
    """Seconds for which a look that found a file may hold, where each takes a round trip to a storage elsewhere."""

    removals: int = 0
    """A number that is another one once this process has removed files, which ends what earlier looks found."""

    @abstractmethod
    async def read(self, name: str) -> bytes | None:
        """All bytes behind a name, or None when there are none or the disk cannot read them, which is logged."""

    @abstractmethod
    async def open_range(self, name: str, span: range) -> OpenRange | None:
        """Bytes `span.start` up to `span.stop` of a picture, for sending them in pieces; None as for `read`."""

    @abstractmethod
    async def remove(self, names: Collection[str]) -> list[str]:
        """Remove the pictures of these names with their derivatives; returns the names that lead to nothing any more.

        What the disk does not let go is left out of that, and the log says so.
        """

    @abstractmethod
    async def listing(self) -> list[ListedFile]:
        """Every picture there is. What is kept or removed meanwhile may be among them or not."""


class Arrivals(ABC):
    """Pictures that an image service has given for working jobs, until their rows tell how the jobs ended.

    They are as they came, those that are not downloaded yet without their bytes.
    """

    @abstractmethod
    async def keep(self, job: Job, pictures: Sequence[Picture], part: int = 0) -> None:
        """Store the pictures of a part durably, as one, in the place of those that are there. Raises `WorkError`."""

    @abstractmethod
    def read(self, job: Job) -> Awaitable[dict[int, list[Picture]]]:
        """The pictures of a job by part, without parts that have none or cannot be read, which is logged.

        Raises `WorkError` of kind `storage` where that cannot be told now.
        """

    @abstractmethod
    def remove(self, job: Job) -> Awaitable[None]:
        """Remove the pictures of a job that has ended. Never raises."""

    @abstractmethod
    async def listing(self) -> frozenset[str]:
        """A name for each job whose pictures are here (`arrival_name`). Raises `WorkError`."""

    @abstractmethod
    async def remove_ended(self, names: Collection[str], working: Collection[tuple[str, int]]) -> None:
        """Remove those of these names whose jobs, by owner and `history_id`, are not at work: a crash left them."""


STORED: Final = {**EXTENSIONS, **OLD_EXTENSIONS}
"""The media types that have a name here, and their extensions."""

TYPES: Final = {extension: media_type for media_type, extension in STORED.items()}
NAME: Final = re.compile(rf"[0-9a-f]{{32}}\.({'|'.join(TYPES)})")
NAME_OR_DERIVED: Final = re.compile(
    rf"{NAME.pattern}(?:~(?:{'|'.join(map(str, WIDTHS))})\.({'|'.join(DERIVED_TYPES)}))?"
)
OWNER_LENGTH_BYTES: Final = 8


def mint(key: bytes, owner: str, data: bytes, media_type: str) -> str:
    """Return the name of some bytes of an owner. The owner's length is hashed first: no two pairs read the same."""
    prefix = owner.encode()
    keyed = hmac.new(key, len(prefix).to_bytes(OWNER_LENGTH_BYTES, "big") + prefix, "sha256")
    keyed.update(data)
    return f"{keyed.hexdigest()[:32]}.{STORED[media_type]}"


def media_type_of(name: str) -> str | None:
    """Return the media type of a picture or a derivative by its name; None for a name that there cannot be."""
    matched = NAME_OR_DERIVED.fullmatch(name)
    if matched is None:
        return None
    return DERIVED_TYPES[matched[2]] if matched[2] else TYPES[matched[1]]
