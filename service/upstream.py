"""The contract of an image service. The pipeline knows nothing else of one."""

from abc import ABC, abstractmethod
from typing import ClassVar

from service.images import ImageRequest, Picture, Progress


class Upstream(ABC):
    """One image service. Holds its settings and the shared `ClientSession`, nothing else."""

    name: ClassVar[str]
    """The short name that `models.json`, the log and the history use."""

    deadline_s: ClassVar[float]
    """Seconds after which the pipeline gives up on one attempt, whatever the upstream is doing."""

    @abstractmethod
    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        """Return at least one picture or raise `WorkError`; stop promptly when cancelled."""

    @abstractmethod
    def describe(self) -> str:
        """One line for the person who starts the service: what this is and where it reaches. No secrets."""
