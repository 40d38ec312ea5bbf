"""The contract of an image service. The pipeline knows nothing else of one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from service.images import ImageRequest, Picture, Progress, WorkError


@dataclass(frozen=True)
class RemoteTask:
    """Work that goes on at the image service without us. `id` is the service's own; with it anybody can ask again."""

    id: str


@dataclass(frozen=True, kw_only=True)
class Offers:
    """The models that a service lists now: those that draw pictures, and those that do something else.

    `complete` says that the service has no model which it does not list, so that one which is missing is gone.
    """

    images: tuple[str, ...]
    others: frozenset[str] = frozenset()
    complete: bool = True


class Upstream(ABC):
    """One image service. Holds its settings and the shared `ClientSession`, nothing else."""

    name: ClassVar[str]
    """The short name that `models.json`, the log and the history use."""

    charges: ClassVar[bool] = True
    """Whether a picture may cost something."""

    deadline_s: float
    """Seconds after which the pipeline gives up on one `generate` or `follow`, whatever the upstream is doing."""

    @abstractmethod
    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        """Return at least one picture or raise `WorkError`; stop promptly when cancelled.

        A service that only takes the work in gives a `RemoteTask`: the pipeline writes it down, then follows it.
        """

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        """Wait for work that `generate` left at the service, in this process or an earlier one; never pays again.

        A `WorkError` means that the work has ended. While it may go on this waits, until its caller cancels it.
        """
        raise NotImplementedError(f"{self.name} gives no tasks, so there is no {task.id} to follow")

    async def fetch_again(self, source: str) -> bytes:  # noqa: ARG002 - who keeps pictures, reads it
        """Download once more what this service gave as the `source` of a picture. It is never drawn again for that.

        Raise `WorkError`, of the kind `gone` where the service does not have it any more, else `download`.
        """
        raise WorkError(f"{self.name} keeps no pictures, so this one cannot be had again.", kind="gone")

    @abstractmethod
    def describe(self) -> str:
        """One line for the person who starts the service: what this is and where it reaches. No secrets."""

    async def offers(self) -> Offers | None:
        """What the service lists now, or None if it has no list. Raise `WorkError` when it cannot be read."""
        return None
