"""The contract of the record keeper: jobs by owner. Every query takes an owner; a foreign row does not exist."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from service.images import Failure, ImageRequest, Job, KeptPicture


@dataclass(frozen=True, kw_only=True)
class Totals:
    """How much one owner has: jobs by state, pictures of finished jobs, and their bytes."""

    working: int
    done: int
    failed: int
    pictures: int
    picture_bytes: int


class Store(ABC):
    """Keeps jobs. A method returns only after what it wrote would survive a power cut."""

    @abstractmethod
    async def begin(self, owner: str, request: ImageRequest) -> Job:
        """Write a new job in state `working` and return it with its `history_id`."""

    @abstractmethod
    async def remember(self, job: Job, upstream: str, task: str) -> Job:
        """Write down under which id a working job goes on at its image service, so that any process can follow it."""

    @abstractmethod
    async def release(self, job: Job) -> None:
        """Follow a working job no longer: from now on it can be claimed, here or elsewhere."""

    @abstractmethod
    async def claim(self) -> list[Job]:
        """Take over all working jobs, of all owners, that have a task and that no living process follows.

        What one process is given, no other is, until that process releases it or dies.
        """

    @abstractmethod
    async def claim_one(self, owner: str, history_id: int) -> Job | None:
        """Take over this one, or None where there is nothing to follow or somebody follows it already."""

    @abstractmethod
    async def finish(self, job: Job, pictures: Sequence[KeptPicture]) -> Job:
        """End a working job as `done`, with its pictures, in one transaction. A job that has ended stays as it is."""

    @abstractmethod
    async def fail(self, job: Job, failure: Failure) -> Job:
        """End a working job as `failed`. A job that has ended stays as it is."""

    @abstractmethod
    async def job(self, owner: str, history_id: int) -> Job | None:
        """One job of this owner, or None."""

    @abstractmethod
    async def jobs(self, owner: str, limit: int, before: int | None = None) -> list[Job]:
        """This owner's jobs, newest first, at most `limit`; with `before`, only ids smaller than it."""

    @abstractmethod
    async def totals(self, owner: str) -> Totals:
        """Count this owner's jobs and pictures."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is being written and let go of the database. Safe to call twice."""
