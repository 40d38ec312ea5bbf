"""The contract of an image service: all that the pipeline knows of one."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Final

from service.images import ImageRequest, Picture, Progress, WorkError

REFERENCE_TYPES: Final = ("image/png", "image/jpeg", "image/webp")
"""Media types that image models take as references, where their service names no others."""


@dataclass(frozen=True)
class RemoteTask:
    """Work that goes on at the image service without us. `id` is the service's own, by which it can be asked again."""

    id: str


@dataclass(frozen=True, kw_only=True)
class Offers:
    """The models that a service lists now: those that draw pictures, and those that do something else.

    `complete` says that the service lists all its models, so that a missing one is gone.
    """

    images: tuple[str, ...]
    others: frozenset[str] = frozenset()
    complete: bool = True


class Upstream(ABC):
    """One image service. Holds its settings and the shared `ClientSession`, nothing else."""

    name: ClassVar[str]
    """The short name that `models.json`, the log and the history use."""

    charges: ClassVar[bool] = True
    """A picture may cost something."""

    deadline_s: float
    """Seconds after which the pipeline ends one `generate` or `follow`."""

    @abstractmethod
    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        """Return at least one picture or raise `WorkError`; stop promptly when cancelled.

        A service that accepts the work and draws later gives a `RemoteTask`. The pipeline writes it down, then follows.
        """

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        """Wait for work that `generate` left at the service, in this process or an earlier one. It never pays again.

        A `WorkError` means that the work has ended. As long as it may go on, this waits until its caller cancels it.
        """
        raise NotImplementedError(f"{self.name} gives no tasks, so there is no {task.id} to follow")

    async def fetch_again(self, source: str) -> bytes:  # noqa: ARG002 - services that keep pictures read it
        """Download a picture once more from the `source` that this service gave. Nothing is drawn for that.

        Raise `WorkError`, of the kind `gone` where the service does not have the picture any more, else `download`.
        """
        raise WorkError(f"{self.name} keeps no pictures, so this one cannot be had again.", kind="gone")

    def reference_types(self, model: str) -> Collection[str]:  # noqa: ARG002 - services with several families read it
        """Return the media types that a model takes as references. Pictures of other types are converted."""
        return REFERENCE_TYPES

    @abstractmethod
    def describe(self) -> str:
        """Return one line for the person who starts Easel: the service's name and its URL, without secrets."""

    async def offers(self) -> Offers | None:
        """Return the models that the service lists, or None if it has no list. Raise `WorkError`."""
        return None
