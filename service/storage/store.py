"""The contract of the record keeper: jobs by owner. Every query takes an owner; a foreign row does not exist."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from service.images import Failure, ImageRequest, Job, JobState, KeptPicture, Parent

INTERRUPTED: Final = Failure(
    kind="interrupted",
    reason="This server stopped before the picture was drawn. Nothing was charged. Call "
    "`generate` again if the picture is still wanted.",
)
INTERRUPTED_SUBMITTED: Final = Failure(
    kind="interrupted",
    reason="This server stopped while the picture was being drawn. The image service may have charged for it all the "
    "same. Call `generate` again if the picture is still wanted.",
)
"""How a job of a dead process ends when its image service had been asked; the other is for one that had not."""


@dataclass(frozen=True, kw_only=True)
class Totals:
    """How much one owner has: jobs by state, pictures of finished jobs, and their bytes."""

    working: int
    done: int
    failed: int
    pictures: int
    picture_bytes: int


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What `begin` gives; `joined` tells an earlier job of the same fingerprint from a new one."""

    job: Job
    joined: bool


@dataclass(frozen=True, kw_only=True)
class Search:
    """Which jobs are meant; all conditions hold together, and none given means all jobs.

    `query` is text: every word of it is in the prompt, the last one perhaps as the beginning of a word; signs without a
    word find nothing. `newest` leaves only the so many newest jobs of the owner, `beyond` only those that are older
    than the so many newest.
    """

    query: str = ""
    model: str = ""
    state: JobState | None = None
    newest: int | None = None
    beyond: int | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Jobs, newest first; `more` older ones follow; `total` match the search in all pages."""

    jobs: list[Job]
    more: bool
    total: int


@dataclass(frozen=True, kw_only=True)
class FilesTotal:
    """How many files are kept, their bytes, and when the oldest was kept; None where there is none."""

    entries: int
    bytes: int
    oldest: float | None


class Store(ABC):
    """Keeps jobs, and the index of the files they use. What a method wrote would survive a power cut once it returns.

    No `history_id` is ever given twice, also not after its job was deleted.
    """

    # Jobs from beginning to end.

    @abstractmethod
    async def begin(self, owner: str, request: ImageRequest, upstream: str, fingerprint: str) -> Begun:
        """Join the job that this fingerprint already pays for, or write a new one in state `working`.

        Joined is the newest that is `working`, or `done` but never delivered with all its pictures still kept. One
        that is `working` for a dead process and has no task is ended as interrupted instead. An empty fingerprint joins
        nothing. Two processes that begin at once get one job.
        """

    @abstractmethod
    async def submitted(self, job: Job, *, refused: bool = False) -> Job:
        """Write down that the image service is about to be asked for a working job, and may charge from now on.

        `refused`: it was asked and would not, so that it charges nothing until it is asked again.
        """

    @abstractmethod
    async def remember(self, job: Job, task: str) -> Job:
        """Write down under which id a working job goes on at its image service, so that any process can follow it."""

    @abstractmethod
    async def release(self, job: Job) -> None:
        """Follow a working job no longer: from now on it can be claimed, here or elsewhere."""

    @abstractmethod
    async def claim(self) -> list[Job]:
        """Take over all working jobs, of all owners, that have a task and that no living process follows.

        What one process is given, no other is, until that process releases it or dies. What a dead process left
        without a task nobody can follow; it is ended as interrupted.
        """

    @abstractmethod
    async def claim_one(self, owner: str, history_id: int) -> Job | None:
        """Take over this one, or None where there is nothing to follow or somebody follows it already."""

    @abstractmethod
    async def finish(self, job: Job, pictures: Sequence[KeptPicture]) -> Job:
        """End a working job as `done`, with its pictures and their files in the index, in one transaction.

        A job that has ended stays as it is.
        """

    @abstractmethod
    async def fail(self, job: Job, failure: Failure) -> Job:
        """End a working job as `failed`. A job that has ended stays as it is."""

    @abstractmethod
    async def delivered(self, owner: str, history_ids: Sequence[int]) -> None:
        """Note that the pictures of these jobs reached a client. Only done jobs, and only the first time."""

    @abstractmethod
    async def restored(self, job: Job, position: int, picture: KeptPicture) -> Job:
        """Put a picture whose bytes were fetched again in its place among those of the job, counted from 0."""

    # What there is.

    @abstractmethod
    async def job(self, owner: str, history_id: int) -> Job | None:
        """One job of this owner, or None."""

    @abstractmethod
    async def jobs(self, owner: str, limit: int, before: int | None = None) -> list[Job]:
        """This owner's jobs, newest first, at most `limit`; with `before`, only ids smaller than it."""

    @abstractmethod
    async def page(self, owner: str, search: Search, limit: int, before: int | None = None) -> Page:
        """The jobs of this owner that a search means, as `jobs` gives them."""

    @abstractmethod
    async def children(self, owner: str, history_id: int) -> list[tuple[int, int]]:
        """Which jobs of this owner started from a picture of this one, oldest first, and from which, counted from 1."""

    @abstractmethod
    async def totals(self, owner: str) -> Totals:
        """Count this owner's jobs and pictures."""

    # Short lists of what an owner has, newest first, at most `limit`.

    @abstractmethod
    async def pictured(self, owner: str, limit: int, before: int | None = None) -> list[Job]:
        """Jobs of this owner of which a picture is kept; with `before`, only ids smaller than it."""

    @abstractmethod
    async def history_ids(self, owner: str, beginning: str, limit: int) -> list[int]:
        """Ids of this owner's jobs that begin with these digits."""

    @abstractmethod
    async def file_names(self, owner: str, beginning: str, limit: int) -> list[str]:
        """Names of this owner's files that begin so."""

    @abstractmethod
    async def counts(self, owner: str) -> tuple[Totals, FilesTotal]:
        """`totals` and `files_total` at once."""

    # What is deleted.

    @abstractmethod
    async def delete(self, owner: str, history_id: int) -> list[str] | None:
        """Delete one job; the names of those of its files that no other row uses, or None where there is no such job.

        Until `files_gone` they are the oldest in the index, kept at 0: also after a crash they go first. Jobs that
        started from it keep saying so. Raises `WorkError` of kind `working` while it is being made.
        """

    @abstractmethod
    async def clear(self, owner: str, keep: int = 0) -> list[str]:
        """Delete all jobs of this owner that have ended, but so many of the newest.

        The names of the owner's files that no row uses any more; they are kept at 0, as those of `delete`.
        """

    @abstractmethod
    async def unused(self, owner: str, names: Collection[str]) -> list[str]:
        """Those of these files of this owner that nothing uses; they are kept at 0, as those of `delete`."""

    # The index of files: which bytes are kept, of pictures, references and uploads.

    @abstractmethod
    async def file_kept(self, owner: str, name: str, size: int) -> None:
        """Enter a file; one that was there is as new from now on.

        Without an owner it is theirs whose pictures have its name, or nobody's.
        """

    @abstractmethod
    async def owns_file(self, owner: str, name: str) -> bool:
        """Whether a file of this name is kept for this owner."""

    @abstractmethod
    async def picture_of(self, owner: str, name: str) -> Parent | None:
        """Which picture in the history of this owner has this name; of several the newest."""

    @abstractmethod
    async def files_total(self, owner: str | None) -> FilesTotal:
        """Count the files of an owner, or with None those of everybody."""

    @abstractmethod
    async def files_beyond(
        self, *, entries: int, size: int, before: float, owner: str | None = None, spare: Collection[str] = ()
    ) -> list[str]:
        """Name files to remove, oldest first, of one owner or of all.

        Without them at most `entries` files of `size` bytes in all remain, and none that was kept before `before`.
        Those in `spare` and those that a working job refers to are never named. The newest one is not named for the
        sake of the limits, however large it is, unless one of them is 0.
        """

    @abstractmethod
    async def files_gone(self, names: Collection[str]) -> None:
        """Forget files that were removed: pictures of these names are no longer `kept`."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is being written and let go of the database. Safe to call twice."""
