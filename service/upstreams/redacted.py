"""The boundary of all image services: none of their words goes on with a secret in it, or with unseen characters.

Services echo the key that they were sent, in errors, in ids and in addresses of pictures; proxies echo their password.
A picture whose address holds a key is kept, and can not be downloaded by that address again.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from service.images import ImageRequest, Picture, Progress, WorkError
from service.redaction import Redactor, visible
from service.upstreams.base import Offers, RemoteTask, Upstream


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
