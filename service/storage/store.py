"""The contract of records: jobs, and the files they use. Every query takes an owner; a foreign row does not exist."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from service.costs import DailyCost, Drawn
from service.images import Failure, ImageRequest, Job, JobState, KeptPicture, Parent, WorkError
from service.settings import Limits


class Totals(NamedTuple):
    """Counts of one owner: jobs by state, pictures of finished jobs, and the bytes of these.

    Answers are kept by such values, and those of a tuple are hashed in a fraction of the time of a frozen dataclass.
    """

    working: int
    done: int
    failed: int
    pictures: int
    picture_bytes: int


LINKS_LAST_S: Final = 24 * 3600.0
"""Age of a failed job up to which its pictures are looked for by their links. Services sign links for a day at most."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """The result of `begin`; `joined` tells an earlier job of the same fingerprint from a new one."""

    job: Job
    joined: bool


class Search(NamedTuple):
    """Conditions on jobs, which hold together; without any, all jobs match.

    `query` is text: every word of it is in the prompt, the last one perhaps as the beginning of a word; signs without a
    word find nothing. `newest` leaves only the so many newest jobs of the owner, `beyond` only those that are older
    than the so many newest. `has_parents`: it started from earlier pictures, or not. `since` and `until` are seconds
    since the epoch, the former included, between which it began.
    """

    query: str = ""
    model: str = ""
    state: JobState | None = None
    newest: int | None = None
    beyond: int | None = None
    has_parents: bool | None = None
    since: float | None = None
    until: float | None = None

    @property
    def is_filtered(self) -> bool:
        """True where something but the number of newest jobs is asked for."""
        others = (self.state, self.has_parents, self.since, self.until)
        return bool(self.query.strip() or self.model) or any(each is not None for each in others)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Jobs, newest first. `more`: older ones follow.

    `total` counts the matches of all pages; with `at_least` it is where counting ended, and there are more.
    """

    jobs: list[Job]
    more: bool
    total: int
    at_least: bool = False


COUNTED: Final = 10_000
COUNTED_WORDS: Final = 1_000
"""Matches that are counted one by one, without words and with some; a page says of more that they are at least so many.

With words each is a meeting of several lists.
"""


LISTED_AT_ONCE: Final = 1_000
"""Names of files in one answer of the database, where all are wanted: they take a millisecond to read."""


class FilesTotal(NamedTuple):
    """Count and bytes of stored files, and when the oldest was stored; None without any file."""

    entries: int
    bytes: int
    oldest: float | None


@dataclass(frozen=True, kw_only=True)
class OwnedFile:
    """The name of a stored file, and its owner; the owner is empty for a file that no history knows."""

    owner: str
    name: str


def still_made(history_id: int) -> WorkError:
    """Return the error of the deletion of a job that is at work."""
    return WorkError(
        f"history_id {history_id} is still being made and cannot be deleted. Call `history` with it to wait for its "
        "end, then delete it.",
        kind="working",
    )


class Store(ABC):
    """Jobs, and the index of the files they use. A write would survive a power cut once it was awaited.

    It is handed over by the call, and nobody takes it back: a caller that is cancelled only does not hear of it.
    Each owner has a counter of their own for `history_id`, and no number is given twice, also not after its job was
    deleted. Methods raise `WorkError` of kind `storage` when the disk refuses.
    """

    # Jobs from beginning to end.

    @abstractmethod
    async def begin(  # noqa: PLR0913 - all that a row begins with
        self,
        owner: str,
        request: ImageRequest,
        upstream: str,
        fingerprint: str,
        *,
        join_failed: bool = True,
        submitted: int = 0,
    ) -> Begun:
        """Join the job that this fingerprint already pays for, or insert a new one in state `working`.

        The job to join is the newest that is `working`; or `done` but never wholly delivered with the files of all its
        pictures still stored; or `failed` with links to its pictures. One that ended with links left is joined within
        `LINKS_LAST_S`, and only with `join_failed`. A `working` one whose process is dead and that cannot be followed
        is ended as interrupted instead. An empty fingerprint joins nothing. Two processes that begin at once get one
        job. A new one is marked as asked for `submitted` pictures. Raises `LimitError`, and inserts nothing, where a
        new job would pass a limit, or while its owner is paused.
        """

    @abstractmethod
    def mark_submitted(self, job: Job, pictures: int = 1) -> Awaitable[Job]:
        """Note that the image service may charge so many pictures of a working job in all, for which it is asked.

        They are fewer than before where it declined. Noted twice they are no more, as where an answer was lost. Raises
        `LimitError` during a pause where they are more than before.
        """

    @abstractmethod
    def remember_task(self, job: Job, task: str, part: int = 0) -> Awaitable[Job]:
        """Note the id under which a part of a working job goes on, so that any process can follow it."""

    @abstractmethod
    def add_pictures(self, job: Job, pictures: Sequence[KeptPicture], drawn: Drawn | None = None) -> Awaitable[Job]:
        """Add pictures to a working job of which more are drawn, with their files in the index, in one transaction."""

    @abstractmethod
    def note_shortfall(self, job: Job, why: Failure) -> Awaitable[Job]:
        """Note why not all pictures of a working job come, or none of them; the first reason stays."""

    @abstractmethod
    def release(self, job: Job) -> Awaitable[None]:
        """Stop following a working job: from now on any process can claim it."""

    @abstractmethod
    async def claim(self) -> list[Job]:
        """Take over all working jobs, of all owners, that can be followed and that no living process follows.

        Jobs can be followed that have a task, or pictures that arrived (`Arrivals`). A job is given to one process
        only, until that process releases it or dies. Any other job of a dead process is ended as interrupted.
        """

    @abstractmethod
    async def claim_one(self, owner: str, history_id: int) -> Job | None:
        """Take over this job, or return None when it cannot be followed or a process follows it already."""

    @abstractmethod
    def finish(
        self,
        job: Job,
        pictures: Sequence[KeptPicture],
        links: Sequence[str] = (),
        shortfall: Failure | None = None,
        drawn: Drawn | None = None,
    ) -> Awaitable[Job]:
        """End a working job as `done`, with these pictures too and their files in the index, in one transaction.

        `links` are those of pictures that are not here yet, `shortfall` says why others never came, `drawn` what the
        answer drew and used. A job that has ended stays as it is.
        """

    @abstractmethod
    def recover(self, job: Job, pictures: Sequence[KeptPicture], links: Sequence[str] = ()) -> Awaitable[Job]:
        """Add the pictures to which links of an ended job led, and make it `done`; `links` are those that are left.

        A job whose links are others meanwhile stays as it is.
        """

    @abstractmethod
    def fail(self, job: Job, failure: Failure, links: Sequence[str] = ()) -> Awaitable[Job]:
        """End a working job as `failed`, with the links to its pictures; as `done` if some of them came before.

        A job that has ended stays as it is. The references that came with its call are the first files to go then.
        """

    @abstractmethod
    def mark_delivered(self, owner: str, history_ids: Sequence[int]) -> Awaitable[None]:
        """Note that the pictures of these jobs reached a client. Only done jobs without links left."""

    @abstractmethod
    def restore_picture(self, job: Job, position: int, picture: KeptPicture) -> Awaitable[Job]:
        """Put a picture whose bytes were fetched again in its place among those of the job, counted from 0."""

    @abstractmethod
    def working(self) -> Awaitable[list[tuple[str, int]]]:
        """Owner and `history_id` of all jobs at work."""

    # Queries.

    @abstractmethod
    async def job(self, owner: str, history_id: int) -> Job | None:
        """One job of this owner, or None."""

    @abstractmethod
    def jobs(self, owner: str, limit: int, before: int | None = None) -> Awaitable[list[Job]]:
        """This owner's jobs, newest first, at most `limit`; with `before`, only ids smaller than it."""

    @abstractmethod
    def page(self, owner: str, search: Search, limit: int, before: int | None = None) -> Awaitable[Page]:
        """The jobs of this owner that match a search; `limit` and `before` as for `jobs`."""

    @abstractmethod
    def children(self, owner: str, history_id: int) -> Awaitable[list[tuple[int, int]]]:
        """Jobs of this owner that started from a picture of this one, oldest first.

        Each is a `history_id` and the number of that picture, counted from 1.
        """

    @abstractmethod
    def costs(self, owner: str, since: int) -> Awaitable[list[DailyCost]]:
        """The costs of this owner from a day on, counted since 1970, newest first."""

    @abstractmethod
    def drawn_today(self, owner: str) -> Awaitable[int]:
        """The pictures of this owner that count for the limit of today (UTC)."""

    @abstractmethod
    def totals(self, owner: str) -> Awaitable[Totals]:
        """Count this owner's jobs and pictures."""

    # Short lists of an owner, newest first, at most `limit`.

    @abstractmethod
    def jobs_with_pictures(self, owner: str, limit: int, before: int | None = None) -> Awaitable[list[Job]]:
        """Jobs of this owner that have a stored picture; with `before`, only ids smaller than it."""

    @abstractmethod
    def history_ids(self, owner: str, beginning: str, limit: int) -> Awaitable[list[int]]:
        """Ids of this owner's jobs that begin with these digits."""

    @abstractmethod
    def file_names(self, owner: str, beginning: str, limit: int) -> Awaitable[list[str]]:
        """Names of this owner's files that begin so."""

    @abstractmethod
    def counts(self, owner: str) -> Awaitable[tuple[Totals, FilesTotal]]:
        """`totals` and `files_total` at one moment."""

    # Deletion.

    @abstractmethod
    async def delete(self, owner: str, history_id: int) -> list[str] | None:
        """Delete one job; returns the names of its files that no other row uses, or None when there is no such job.

        Until `forget_files` these files are the oldest in the index: also after a crash they go first. Jobs that
        started from it keep saying so. Raises `WorkError` of kind `working` while it is being made.
        """

    @abstractmethod
    async def clear(self, owner: str, keep: int = 0) -> list[str]:
        """Delete all jobs of this owner that have ended, but so many of the newest.

        Returns the names of the owner's files that no row uses any more, treated as those of `delete`.
        """

    @abstractmethod
    def unused_files(self, owner: str, names: Collection[str]) -> Awaitable[list[str]]:
        """The files among `names` that are this owner's and that no row uses, treated as those of `delete`."""

    # The index of stored files: pictures, references and uploads.

    @abstractmethod
    def add_file(self, owner: str, name: str, size: int) -> Awaitable[bool]:
        """Enter a file of `size` bytes; one that was there counts as new from now on. Returns False for that.

        Without an owner it gets that of the pictures of its name, or none.
        """

    @abstractmethod
    def add_derived(self, name: str, size: int) -> Awaitable[None]:
        """Count a derivative of `size` bytes with the file that it was made from."""

    @abstractmethod
    def owner_of_file(self, name: str) -> Awaitable[str | None]:
        """The owner of a stored file, "" for nobody; None for a file that the index does not know."""

    @abstractmethod
    def owns_file(self, owner: str, name: str) -> Awaitable[bool]:
        """True when a file of this name is stored for this owner."""

    @abstractmethod
    def picture_of(self, owner: str, name: str) -> Awaitable[Parent | None]:
        """The picture in the history of this owner that has this name; of several the newest."""

    @abstractmethod
    def files_total(self, owner: str | None) -> Awaitable[FilesTotal]:
        """Count the files of an owner, or with None those of everybody."""

    @abstractmethod
    def files_over_limits(
        self, limits: Limits, before: float, spare: Collection[str] = ()
    ) -> Awaitable[list[OwnedFile]]:
        """Name the files to remove, so that every owner and all together are within the limits (entries and bytes).

        First, whatever the limits say, those that were stored before `before`. Then, for want of room, files that
        nothing uses: no picture of the history, no working job, no upload that waits for its call; then the others. Of
        both kinds those of the owner who holds most, oldest first. Files in `spare` and those that a working job refers
        to are never named, nor is the newest one for want of room, however large it is. Of very many only some are
        named: ask again when they are gone.
        """

    @abstractmethod
    def files_beyond_newest(self, owner: str, count: int) -> Awaitable[list[str]]:
        """Name the files of an owner but the `count` newest, oldest first, and none that a working job refers to.

        Of very many only some are named: ask again when they are gone.
        """

    @abstractmethod
    def files_after(self, name: str, limit: int) -> Awaitable[list[str]]:
        """The first files of all owners behind a name, in the order of their names, at most `limit`."""

    async def every_file(self) -> AsyncIterator[str]:
        """The names of the files of all owners, in order; what is stored or removed meanwhile may be among them."""
        last = ""
        while names := await self.files_after(last, LISTED_AT_ONCE):
            for last in names:
                yield last

    @abstractmethod
    def newest_file(self) -> Awaitable[float]:
        """The time at which the newest file was stored; 0 where there is none."""

    @abstractmethod
    def forget_files(self, names: Collection[str]) -> Awaitable[None]:
        """Take files out of the index that were removed: pictures of these names are no longer `kept`."""

    @abstractmethod
    async def close(self) -> None:
        """Finish the writes under way and let go of the database. Safe to call twice."""
