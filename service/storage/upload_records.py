"""The contract of the records of uploads: one-time links, and the pictures that came by them.

An upload link and its pictures belong to one request: no chat of an owner draws from the picture of another chat.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

OPEN_S: Final = 3600.0
"""Lifetime of an open link: long enough to find a photo, short enough to lie around in a chat."""

FRESH_S: Final = OPEN_S / 2
"""A link is told again while this much is left of it. So a request never has more than two open ones."""

KEPT_S: Final = 24 * 3600.0
"""Lifetime of sent pictures that wait to be used."""


IdOf: TypeAlias = Callable[[str, float], str]
"""Makes the id of an upload out of its owner and its time."""


@dataclass(frozen=True, kw_only=True)
class UploadRequest:
    """The request that pictures are sent for: `key` tells it from all others, `prompt` tells the person, shortened.

    `picture` is the name of the file over which the person paints a mask; then the mask is sent, and no pictures.
    `paints` says that a mask is painted next, over the first of the pictures that are sent.
    """

    key: str
    prompt: str
    picture: str = ""
    paints: bool = False


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One link and its pictures. `id` is the SHA-256 of its secret, `names` are those of files of the owner."""

    id: str
    owner: str
    request: UploadRequest
    created_at: float
    expires_at: float
    names: tuple[str, ...] = ()
    used_at: float | None = None


class UploadKeeper(ABC):
    """Keeps uploads. Every question but the one by the secret itself takes an owner.

    A job that starts from an upload uses it: `Store.begin` notes that, by the `upload` of the job's references.
    """

    @abstractmethod
    async def open(self, owner: str, request: UploadRequest, now: float, id_of: IdOf) -> Upload:
        """Return the request's open upload that has `FRESH_S` left, or a new one, at a time of its own for the owner.

        `id_of` makes the id out of owner and time; an upload of another id was made with another secret, and is never
        given again. Uploads older than `KEPT_S` are removed. Raises `LimitError` where a new one would pass a limit.
        """

    @abstractmethod
    async def find(self, id_: str) -> Upload | None:
        """Return the upload of this id, also one that is used or over."""

    @abstractmethod
    async def receive(self, id_: str, names: Sequence[str]) -> bool:
        """Record the files that came by a link; false if the link was used before."""

    @abstractmethod
    async def ready(self, owner: str, key: str, since: float) -> Upload | None:
        """Return the upload for a call of this request: the newest that no job uses, else one that is not used up."""

    @abstractmethod
    async def latest(self, owner: str, since: float, picture: str = "") -> Upload | None:
        """Return the newest upload with pictures, of any request of the owner, used up or not.

        With `picture` it is the newest mask that was painted over that one.
        """

    @abstractmethod
    async def spend(self, id_: str, now: float) -> None:
        """Count an upload as used up, without a job."""
