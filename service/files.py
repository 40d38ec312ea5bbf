"""The contract of byte storage: pictures under names that we mint, never under names that somebody gives.

A name is 32 hexadecimal digits and one of the extensions of `images.EXTENSIONS`. It is a capability: who knows it may
see the picture, so it is keyed by our secret and cannot be guessed from a prompt, a URL or the bytes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """Where a picture lies. The bytes under one name never change."""

    path: Path
    media_type: str
    size: int


class Files(ABC):
    """Keeps the bytes of pictures."""

    @abstractmethod
    async def keep(self, owner: str, data: bytes, media_type: str) -> str:
        """Store `data` durably and return its name. The same bytes of the same owner get the same name.

        Atomic: after a crash at any moment either the whole file is there or nothing is.
        Raises `WorkError` when the disk refuses, saying which setting names the folder.
        """

    @abstractmethod
    async def find(self, name: str) -> StoredFile | None:
        """The file behind a name, or None. A name of any other form is None without a look at the disk."""
