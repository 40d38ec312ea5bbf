"""The contract of an image service: all that the pipeline knows of one; and the boundary that all stand behind.

`RedactedUpstream` hands on none of their words with a secret in it, or with unseen characters: services echo the key
that they were sent, in errors, in ids and in addresses of pictures; proxies echo their password. A picture whose
address holds a key is kept, and can not be downloaded by that address again.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from service.images import ImageRequest, Picture, Progress, WorkError
from service.redaction import Redactor, visible

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


class RedactedUpstream(Upstream):
    """Hands calls on to one image service, and its words back without secrets."""

    def __init__(self, upstream: Upstream, redactor: Redactor) -> None:
        """Wrap `upstream`, which stays as it is."""
        self.name = upstream.name  # type: ignore[misc]  # a class variable of every service but this
        self.charges = upstream.charges  # type: ignore[misc]  # likewise
        self.deadline_s = upstream.deadline_s
        self._upstream = upstream
        self._redactor = redactor

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        """Return the service's pictures or task."""
        with self._errors_redacted():
            made = await self._upstream.generate(request, self._redactor.cleaned(progress))
        return RemoteTask(self._clean(made.id)) if isinstance(made, RemoteTask) else self._clean_pictures(made)

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        """Return the pictures of the service's task."""
        with self._errors_redacted():
            return self._clean_pictures(await self._upstream.follow(task, self._redactor.cleaned(progress)))

    async def fetch_again(self, source: str) -> bytes:
        """Return the bytes of a picture that the service gave before."""
        with self._errors_redacted():
            return await self._upstream.fetch_again(source)

    def reference_types(self, model: str) -> Collection[str]:
        """Return the media types that the service takes."""
        return self._upstream.reference_types(model)

    def describe(self) -> str:
        """Return the service's name and its URL."""
        return self._clean(self._upstream.describe())

    async def offers(self) -> Offers | None:
        """Return the service's models."""
        with self._errors_redacted():
            offers = await self._upstream.offers()
        if offers is None:
            return None
        images, others = tuple(map(self._clean, offers.images)), frozenset(map(self._clean, offers.others))
        return replace(offers, images=images, others=others)

    def _clean(self, text: str) -> str:
        return self._redactor.clean(visible(text)) if text else text

    def _clean_pictures(self, pictures: list[Picture]) -> list[Picture]:
        return [replace(each, note=self._clean(each.note), source=self._clean(each.source)) for each in pictures]

    @contextmanager
    def _errors_redacted(self) -> Iterator[None]:
        try:
            yield
        except WorkError as error:
            error.args = (self._clean(str(error)),)
            error.task = self._clean(error.task)
            error.links = tuple(map(self._clean, error.links))
            raise
