"""The contract of the upload keeper: records of the one-time links, and of the pictures that came by them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

OPEN_S: Final = 3600.0
"""Lifetime of an open link: long enough to find a photo, short enough to lie around in a chat."""

FRESH_S: Final = OPEN_S / 2
"""A link is told again while this much is left of it. So an owner never has more than two open ones."""

KEPT_S: Final = 24 * 3600.0
"""Lifetime of sent pictures that wait to be used."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One link and what came by it. `id` is the SHA-256 of its secret, `names` are those of files of the owner."""

    id: str
    owner: str
    created_at: float
    expires_at: float
    names: tuple[str, ...] = ()
    used_at: float | None = None


class UploadKeeper(ABC):
    """Keeps uploads. Every question but the one by the secret itself takes an owner."""

    @abstractmethod
    async def open(self, owner: str, now: float, id_of: Callable[[str, float], str]) -> Upload:
        """The owner's newest open upload that has `FRESH_S` left, or a new one, whose time no other of theirs has.

        `id_of` makes the id out of owner and time; an upload whose id it does not make is nobody's to give again.
        What is older than `KEPT_S` is removed.
        """

    @abstractmethod
    async def find(self, id_: str) -> Upload | None:
        """The upload of this id, whatever became of it."""

    @abstractmethod
    async def receive(self, id_: str, names: Sequence[str]) -> bool:
        """Write down what came by a link; false if something came by it before."""

    @abstractmethod
    async def ready(self, owner: str, since: float) -> Upload | None:
        """Return the upload for the next call: the newest that no job uses, else the newest that is not used up."""

    @abstractmethod
    async def latest_used(self, owner: str, since: float) -> Upload | None:
        """Return the newest upload that is used up."""

    @abstractmethod
    async def spend(self, id_: str, now: float) -> None:
        """Count an upload as used up, without a job."""
