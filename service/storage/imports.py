"""The contract of taken-over histories: the entries of an earlier server enter once, and its links go on.

1. An entry and a file are taken over once for good: one that was deleted here since does not come back.
2. An import enters in one transaction: after a crash the next one begins anew, and finds files that are kept already.
3. The jobs keep their numbers where these are free, and get the next ones else (`numbered`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service.images import Job


@dataclass(frozen=True, kw_only=True)
class OldJob:
    """An entry of an earlier server as a job that has ended; `identity` is that of the entry, in any copy of it.

    The `history_id` of the job is the number that the entry had.
    """

    identity: str
    job: Job = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """A file of an earlier server in our keeping: `name` here, size in bytes, and when it was written (epoch)."""

    name: str
    size: int
    written_at: float


@dataclass(frozen=True, kw_only=True)
class Import:
    """All that is taken over from one folder for one owner. `files` are by the names that the earlier server had.

    `digest` stands for the contents of the folder.
    """

    owner: str
    digest: str
    jobs: Sequence[OldJob]
    files: Mapping[str, KeptFile]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The effect of an import: how many jobs and files are new, and the jobs whose number was taken, old to new."""

    jobs: int
    files: int
    renumbered: Mapping[int, int]


class Imports(ABC):
    """Histories of earlier servers, by owner. Methods raise `WorkError` of kind `storage` when the disk refuses."""

    @abstractmethod
    async def contains(self, owner: str, digest: str) -> bool:
        """True when these contents were imported for this owner."""

    @abstractmethod
    async def known_files(self) -> Mapping[str, str]:
        """Names here of all files that were taken over, by those that they had."""

    @abstractmethod
    async def enter(self, new: Import) -> Imported:
        """Enter the jobs that are not here yet, under their numbers, with files and links; all of it, or nothing.

        A job whose number is not beyond the owner's newest gets the next one. The pictures count for no limit of room,
        and are removed for none: that they are many was decided elsewhere.
        """

    @abstractmethod
    async def find(self, old_name: str) -> str | None:
        """The name here of the file that an earlier server had under this one; None for any other name."""


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """Jobs in the order of the numbers that they get, the numbers that were taken, old to new, and the newest then."""

    jobs: list[tuple[int, Job]]
    renumbered: dict[int, int]
    newest: int


def numbered(newest: int, fresh: Iterable[Job]) -> Numbered:
    """Number the jobs that enter a history whose newest number is given; rows keep the order of their numbers."""
    ordered = sorted(fresh, key=lambda job: job.history_id)
    free = [job for job in ordered if job.history_id > newest]
    late = [job for job in ordered if job.history_id <= newest]
    following = max([newest, *(job.history_id for job in free)]) + 1
    renumbered = {job.history_id: number for number, job in enumerate(late, start=following)}
    return Numbered(
        jobs=[*((job.history_id, job) for job in free), *((renumbered[job.history_id], job) for job in late)],
        renumbered=renumbered,
        newest=following - 1 + len(late),
    )
