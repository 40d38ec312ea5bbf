"""Reference pictures, the pictures that a new one starts from: from the arguments of a call to stored bytes.

1. Their number is checked against the model before anything is read. Their order is that of `KINDS`.
2. Jobs, files and uploads of another owner do not exist. The image folder is one person's, so it is open to callers
   only while there is one owner.
3. A picture from outside is stored under its owner. The same picture has the same name, so a repeated call is paid for
   once.
4. A mask belongs to the first reference, has its shape, and is stored like it, as it was read.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import aiohttp

from service.bounds.limits import DOWNLOADS_AT_ONCE, UNLIMITED, Allowances, InUse
from service.image_models.models import Model, Models
from service.images import MEDIA_TYPES, Job, JobState, KeptPicture, Parent, Reference, WorkError
from service.pictures.containers import is_animated
from service.pictures.library import Importer
from service.pictures.messages import BadPictureError
from service.references.arguments import ReferenceArguments, check_room, problem
from service.references.image_folder import newest
from service.references.masks import MaskArgument, described
from service.references.uploads import MAX_TOTAL_BYTES, Uploads
from service.references.urls import ImageUrlError, InlinePicture, OwnPicture, RemotePicture, decode, parse_image_url
from service.routes import PICTURES
from service.storage.files import Files
from service.storage.store import Store
from service.storage.upload_records import UploadRequest
from service.upstreams.fetch import RetryPolicy, fetch

REFERENCE_BYTES: Final = 30_000_000
"""Largest reference taken from outside. Photos of phones have 3 to 12 MB, those of 50 megapixels up to 25 MB."""

SHOWN_HOST: Final = 60

RETRY_POLICY: Final = RetryPolicy(total_s=20.0, pauses_s=(0.5,))
"""Two tries: the client waits, and nothing is paid for yet."""

Download: TypeAlias = Callable[[str, str], Awaitable[bytes]]
"""Owner and URL → the picture there."""

ShowPicture: TypeAlias = Callable[[str, int, int], Awaitable[tuple[KeptPicture, bytes] | None]]
"""Owner, history_id and number → that picture, fetched again if need be; None when it cannot be had."""


@dataclass(frozen=True, kw_only=True)
class References:
    """Collects references.

    `make_room` is called with the names of their files, and removes older files over the limits; `drop` removes those
    of an owner's files that nothing uses. `own_hosts` are the names, beside loopback, under which clients know this
    service. `image_dir` is the chat program's folder; it is closed to all callers while `several_owners` says
    that there are several.
    """

    store: Store
    files: Files
    importer: Importer
    uploads: Uploads
    download: Download
    picture: ShowPicture
    make_room: Callable[[Collection[str]], Awaitable[None]]
    drop: Callable[[str, Collection[str]], Awaitable[None]]
    own_hosts: frozenset[str] = frozenset()
    cdn_url: str = ""
    image_dir: Path | None = None
    several_owners: Callable[[], bool] = lambda: False

    @property
    def has_folder(self) -> bool:
        """True when there is an image folder and callers may have pictures of it."""
        return self.image_dir is not None and not self.several_owners()

    async def collect(
        self, owner: str, arguments: Mapping[str, Any], model: Model, models: Models
    ) -> tuple[Reference, ...]:
        """Return all references of a call.

        Raises `WorkError` of kind `reference`, which names the argument; then nothing is left of what came before it.
        """
        wanted = ReferenceArguments.read(arguments)
        room = check_room(wanted, model, models)
        found: list[Reference] = []
        try:
            async with aclosing(self._all(owner, wanted, room, model)) as references:
                async for each in references:
                    found.append(each)
                    _check_size(found)  # before the next one is read
        except BaseException:
            await self.discard(owner, found)
            raise
        if found:
            await self.make_room([each.name for each in found])
        return tuple([await _first_frame(each) for each in found])

    async def mask(self, owner: str, wanted: ReferenceArguments, first: Reference, request: UploadRequest) -> Reference:
        """Return the mask of a call, read and fitted to its first reference; `request` is that of a painting.

        Raises `WorkError` of kind `reference`; then nothing is left of it.
        """
        assert wanted.mask is not None  # noqa: S101 - asked for
        given = await self._given_mask(owner, wanted.mask, request)
        taken = None
        try:
            taken = await self.importer.import_mask(owner, given.data, first.data)
        except BadPictureError as error:
            raise problem(f"`mask` ({given.origin}) {error.problem}.") from error
        finally:
            if taken is None or taken.name != given.name:
                await self.discard(owner, [given])
        await self.make_room([first.name, taken.name])
        return replace(
            given,
            data=taken.read.data,
            media_type=taken.read.media_type,
            name=taken.name,
            origin=described(given.origin, taken.read, is_painted=wanted.mask.is_painted),
            fresh=taken.fresh or (given.fresh and taken.name == given.name),
        )

    async def _given_mask(self, owner: str, wanted: MaskArgument, request: UploadRequest) -> Reference:
        if wanted.history_id:
            return await self._from_history(owner, wanted.history_id, wanted.picture, "`mask`")
        if wanted.is_named:
            return await self._from_url(owner, wanted.url, "`mask`")
        if wanted.url:
            raise problem(
                '`mask` is none of what it can be: "paint", a history_id such as "12" or "12/2", an http or https URL, '
                "a link to a picture of this server, or a data: URI."
            )
        upload = await self.uploads.ready(owner, request)
        data = await self.files.read(upload.names[0]) if upload is not None else None
        if upload is None or data is None:
            if upload is not None:
                await self.uploads.spend(upload)
            raise problem("`mask`: nothing was painted, or it was removed meanwhile. Call again for a new link.")
        return Reference(data=data, name=upload.names[0], origin="painted by the person", upload=upload.id)

    async def discard(self, owner: str, references: Sequence[Reference]) -> None:
        """Remove the files that came with a call which was refused, or left before it began."""
        if fresh := [each.name for each in references if each.fresh]:
            await self.drop(owner, fresh)

    async def _all(
        self, owner: str, wanted: ReferenceArguments, room: int, model: Model
    ) -> AsyncGenerator[Reference, None]:
        if wanted.history_id is not None:
            yield await self._from_history(owner, wanted.history_id, wanted.picture)
        if wanted.newest:
            async for each in self._newest(owner, wanted.newest):
                yield each
        for number, url in enumerate(wanted.urls, start=1):
            yield await self._from_url(owner, url, f"`image_url` {number}" if wanted.urls[1:] else "`image_url`")
        if wanted.upload is not None:
            for each in await self._uploaded(owner, wanted.upload, room, model):
                yield each

    async def _from_history(
        self, owner: str, history_id: int, picture: int, argument: str = "`history_id`"
    ) -> Reference:
        job = await self.store.job(owner, history_id)
        if job is None:
            raise problem(f"{argument} is {history_id}, which is not in this history. Call `history` for the numbers.")
        if not 1 <= picture <= len(job.pictures):
            raise problem(_why_not(job, picture))
        had = await self.picture(owner, history_id, picture)
        if had is None:
            raise problem(
                f"{argument} is {history_id}, whose picture {picture} was removed and cannot be had again. "
                "Start from another one, or have it drawn anew first."
            )
        kept, data = had
        return Reference(
            data=data,
            media_type=kept.media_type,
            name=kept.name,
            origin=f"history_id {history_id}, picture {picture}",
            parent=Parent(history_id=history_id, picture=picture),
        )

    async def _newest(self, owner: str, count: int) -> AsyncGenerator[Reference, None]:
        if self.image_dir is None or self.several_owners():
            why = (
                "several people have tokens here, and the image folder is one person's"
                if self.image_dir
                else "whoever runs this server did not name the chat program's image folder (EASEL_IMAGE_DIR)"
            )
            raise problem(f"`use_latest_user_image` cannot be used: {why}. Use `use_upload` instead.")
        for each in await newest(self.image_dir, count, REFERENCE_BYTES):
            yield await self._taken(owner, each.data, f"{each.name} of the image folder", "`use_latest_user_image`")

    async def _from_url(self, owner: str, url: str, argument: str) -> Reference:
        try:
            match parse_image_url(url, self.own_hosts, self.cdn_url):
                case OwnPicture(name=name):
                    return await self._own(owner, name, argument)
                case InlinePicture() as inline:
                    return await self._taken(owner, await asyncio.to_thread(decode, inline), "a data: URI", argument)
                case RemotePicture() as remote:
                    data = await self.download(owner, remote.url)
                    return await self._taken(owner, data, remote.host[:SHOWN_HOST], argument)
        except ImageUrlError as error:
            raise problem(f"{argument} {error}.") from error
        except WorkError as error:
            if error.kind != "download":
                raise
            raise problem(f"{argument}: {error} Give another URL, or use `use_upload`.") from error

    async def _own(self, owner: str, name: str, argument: str) -> Reference:
        """Read a file of the caller by its name; a picture of the history becomes the parent."""
        parent = await self.store.picture_of(owner, name)
        if parent is not None:
            return await self._from_history(owner, parent.history_id, parent.picture)
        data = await self.files.read(name) if await self.store.owns_file(owner, name) else None
        if data is None:
            raise problem(
                f"{argument} names a picture that is not kept here, or not for this person. `history` lists those that "
                "are; another one comes by `use_upload`."
            )
        return await self._taken(owner, data, "an upload", argument)

    async def _uploaded(self, owner: str, request: UploadRequest, room: int, model: Model) -> list[Reference]:
        upload = await self.uploads.ready(owner, request)
        if upload is None:
            raise problem("`use_upload`: nothing was sent yet. Give the person the link, and call again after that.")
        sent = [
            Reference(
                data=data,
                media_type=MEDIA_TYPES[name.rpartition(".")[2]],
                name=name,
                origin="an upload",
                upload=upload.id,
            )
            for name in upload.names
            if (data := await self.files.read(name)) is not None
        ]
        if len(sent) < len(upload.names):
            await self.uploads.spend(upload)
            raise problem("`use_upload`: what was sent was removed meanwhile. Call again for a new link.")
        if len(sent) > room:
            await self.uploads.spend(upload)
            raise problem(
                f"`use_upload`: {len(sent)} pictures were sent, and {model.id} has room for {room}. Choose by "
                f"`image_url` instead, in the order of sending: {', '.join(own_url(each.name) for each in sent)}."
            )
        return sent

    async def _taken(self, owner: str, data: bytes, origin: str, argument: str) -> Reference:
        try:
            taken = await self.importer.import_picture(owner, data)
        except BadPictureError as error:
            raise problem(f"{argument}: what came {error.problem}.") from error
        return Reference(
            data=taken.data, media_type=taken.media_type, name=taken.name, origin=origin, fresh=taken.fresh
        )


async def _first_frame(reference: Reference) -> Reference:
    """Return a reference that says of an animation that its first frame is used."""
    if await asyncio.to_thread(is_animated, reference.data, reference.media_type):
        return replace(reference, origin=f"{reference.origin}, its first frame")
    return reference


def _check_size(references: Sequence[Reference]) -> None:
    if sum(len(each.data) for each in references) > MAX_TOTAL_BYTES:
        raise problem(
            f"The reference pictures have more than {MAX_TOTAL_BYTES // 1_000_000} MB together: use fewer or smaller "
            "ones."
        )


class GuardedDownload:
    """Downloads from URLs that callers chose: no address is trusted, and each owner has so many at once."""

    def __init__(self, session: aiohttp.ClientSession, allowances: Allowances = UNLIMITED) -> None:
        self._session = session
        self._under_way = InUse(DOWNLOADS_AT_ONCE, allowances)

    async def __call__(self, owner: str, url: str) -> bytes:
        """Return the picture at a URL. Raises `FetchError`, and `LimitError` where as many are under way as may be."""
        with self._under_way.hold(owner):
            return await fetch(self._session, url, max_bytes=REFERENCE_BYTES, retry=RETRY_POLICY)


def own_url(name: str) -> str:
    """Return the path of a stored picture as `image_url` takes it; people need the public URL before it."""
    return PICTURES.path + name


def _why_not(job: Job, picture: int) -> str:
    """Say that a job has no such picture, and how to go on."""
    match job.state:
        case JobState.WORKING:
            return (
                f"`history_id` {job.history_id} is still being drawn. Call `history` with it: it waits for the picture."
            )
        case JobState.FAILED:
            return f"`history_id` {job.history_id} failed and has no picture. Start from another one."
        case JobState.DONE:
            return f"`picture` is {picture}, but history_id {job.history_id} has only {len(job.pictures)}."
