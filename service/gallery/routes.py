"""The routes of the gallery: its page, the data that the page reads, and what it asks to be done.

1. Every answer but the pages and their files is for the owner of the session, and of nothing else. What is of somebody
   else is the same 404 as what never was.
2. What changes something needs the session and our own page (`access.py`), and a body of JSON, but for pictures and the
   list of an archive, which a form sends so that the browser saves the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web

from service.authorization import DELETE, DRAW, LOOK
from service.bounds.call_rate import CallRate
from service.bounds.limits import InUse
from service.gallery.access import Access, is_same_origin
from service.gallery.archive import archive, as_file
from service.gallery.drawing import Orders
from service.gallery.events import Events
from service.gallery.jobs import job_entry
from service.gallery.page import GalleryPages
from service.gallery.queries import read_pictures, read_search
from service.gallery.requests import (
    FAILURES,
    IDLE_S,
    PIECE,
    RefusedError,
    error_answer,
    failure_answer,
    is_number,
    json_answer,
    read_body,
    read_list,
)
from service.image_models.models import Model, Models
from service.images import EXTENSIONS, Job, JobState, WorkError
from service.pictures.library import Importer
from service.pictures.messages import BadPictureError
from service.pipeline.generation import Generation
from service.pipeline.retention import Retention
from service.routes import GALLERY, PICTURES
from service.storage.files import Files
from service.storage.store import Store
from service.web.identity import Identity
from service.web.images import send_whole
from service.web.pages import SAFE

API: Final = GALLERY.path + "/api/"
RESTORE_S: Final = 60.0
EVENTS: Final = {hdrs.CONTENT_TYPE: "text/event-stream", "X-Accel-Buffering": "no"}
MOST_DELETED: Final = 1000
AT_ONCE: Final = 25
"""Entries of a page before other work has its turn: a third of a millisecond."""

PROMPT_LENGTH: Final = 32_000

Handler = Callable[["Gallery", web.Request, Identity], Awaitable[web.StreamResponse]]


NOT_THERE: Final = RefusedError(404, "not_found", "There is no such picture.")


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The parts of the service that the gallery works with; `daily` gives the limits of an owner's day by name."""

    access: Access
    pages: GalleryPages
    store: Store
    files: Files
    generation: Generation
    retention: Retention
    importer: Importer
    orders: Orders
    events: Events
    models: Callable[[], Models]
    public_url: str
    max_bytes: int
    costs: bool = True
    call_rate: CallRate
    bytes_in_use: InUse
    archives: InUse
    daily: Callable[[str], Awaitable[list[dict[str, Any]]]]
    named: Callable[[str], str] = str

    def add_routes(self, app: web.Application) -> None:
        """Serve the gallery."""
        self.pages.add_routes(app)
        app.router.add_get(GALLERY.path, self.page, allow_head=True)
        for path, handler in READS.items():
            app.router.add_get(API + path, partial(self._answer, handler, LOOK))
        for path, (handler, scope) in CHANGES.items():
            app.router.add_post(API + path, partial(self._change, handler, scope))

    async def page(self, request: web.Request) -> web.Response:
        """Answer with the page, which holds nothing of anybody; it asks for the rest by itself."""
        return self.pages.gallery(request)

    def _identify(self, request: web.Request, scope: str) -> Identity:
        identity = self.access.identity_of(request)
        if identity is None:
            raise RefusedError(401, "signed_out", "You are signed out. Sign in again.")
        if scope not in identity.scopes:
            raise RefusedError(403, "forbidden", f"Your token does not allow this: it has no scope `{scope}`.")
        self.call_rate.take(identity.owner)
        return identity

    async def _answer(self, handler: Handler, scope: str, request: web.Request) -> web.StreamResponse:
        try:
            return await handler(self, request, self._identify(request, scope))
        except FAILURES as failure:
            return failure_answer(failure)

    async def _change(self, handler: Handler, scope: str, request: web.Request) -> web.StreamResponse:
        if not is_same_origin(request):
            return error_answer(403, "foreign", "Only this server's own page may do this.")
        return await self._answer(handler, scope, request)

    def url_of(self, request: web.Request | None) -> str:
        """Return what stands before a picture's name in links: the public URL, else the address of this request.

        In events it is a path: the page knows its own address.
        """
        host = "" if request is None else f"{request.scheme}://{request.host}"
        return (self.public_url or host) + PICTURES.path

    def entry(self, job: Job, url: str, children: list[tuple[int, int]] | None = None) -> dict[str, Any]:
        """Return a job as the page reads it. One that was ordered here is delivered, once it is shown as done."""
        newest = self.generation.newest(job) if job.state is JobState.WORKING else None
        if job.state is not JobState.WORKING and self.orders.note_shown(job.owner, job.history_id):
            self.generation.delivered(job)
        told = None if newest is None else (newest.message, newest.percent)
        return job_entry(job, url, told, children, costs=self.costs)

    async def jobs(self, request: web.Request, identity: Identity) -> web.Response:
        """Answer with one page of the history."""
        asked = read_search(request.query)
        page = await self.store.page(identity.owner, asked.search, asked.limit, asked.before)
        url = self.url_of(request)
        following = page.jobs[-1].history_id if page.more else None
        entries: list[dict[str, Any]] = []
        for job in page.jobs:
            entries.append(self.entry(job, url))
            if len(entries) % AT_ONCE == 0:
                await asyncio.sleep(0)
        return json_answer({"jobs": entries, "next": following, "total": page.total, "at_least": page.at_least})

    async def job(self, request: web.Request, identity: Identity) -> web.Response:
        """Answer with one job and its family."""
        job = await self._job(request, identity)
        children = await self.store.children(identity.owner, job.history_id)
        return json_answer(self.entry(job, self.url_of(request), children))

    async def _job(self, request: web.Request, identity: Identity) -> Job:
        history_id = request.match_info["history_id"]
        job = await self.store.job(identity.owner, int(history_id)) if is_number(history_id) else None
        if job is None:
            raise NOT_THERE
        return job

    async def options(self, _: web.Request, identity: Identity) -> web.Response:
        """Answer with the models and their abilities, the limits, and whose session this is."""
        models = self.models()
        return json_answer({
            "models": [_model_entry(models.by_id[id_]) for id_ in models.ids],
            "default": models.default,
            "owner": self.named(identity.owner),
            "signed_in": not self.access.guard.is_open,
            "can": sorted(identity.scopes),
            "upload": {"types": list(EXTENSIONS), "bytes": self.max_bytes},
            "prompt_length": PROMPT_LENGTH,
            "limits": await self.daily(identity.owner),
        })  # fmt: skip

    async def stream(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Send what happens, until the page is left or the session ends."""
        if self.events.is_full(identity.owner):
            raise RefusedError(429, "limit", "This gallery is open too often: close another page of it.")
        response = web.StreamResponse(headers={**SAFE, **EVENTS})
        await response.prepare(request)
        with self.events.stream(identity.owner) as stream, suppress(ConnectionError):
            async with aclosing(self.events.of(stream)) as events:
                async for event in events:
                    if self.access.identity_of(request) is None:
                        break
                    await response.write(event)
        return response

    async def draw(self, request: web.Request, identity: Identity) -> web.Response:
        """Order a picture."""
        history_id = await self.orders.order(identity.owner, await read_body(request))
        return json_answer({"history_id": history_id})

    async def take(self, request: web.Request, identity: Identity) -> web.Response:
        """Take a picture to start from, or a mask."""
        data = await self._receive(request, identity.owner)
        try:
            taken = await self.importer.import_picture(identity.owner, data)
        except BadPictureError as error:
            raise RefusedError(422, error.code, f"What came {error.problem}.") from error
        await self.retention.enforce([taken.name])
        return json_answer({"name": taken.name, "url": self.url_of(request) + taken.name})

    async def _receive(self, request: web.Request, owner: str) -> bytes:
        length = request.content_length
        if length is None or not 0 < length <= self.max_bytes:
            raise RefusedError(413, "too_large", f"A picture may have {self.max_bytes // 1_000_000} MB.")
        pieces: list[bytes] = []
        with self.bytes_in_use.hold(owner, length):
            try:
                while not request.content.at_eof():
                    async with asyncio.timeout(IDLE_S):
                        pieces.append(await request.content.read(PIECE))
            except (TimeoutError, web.RequestPayloadError) as late:
                raise RefusedError(408, "network", "The picture did not arrive whole. Send it again.") from late
            return await asyncio.to_thread(b"".join, pieces)

    async def cancel(self, request: web.Request, identity: Identity) -> web.Response:
        """Stop a job that is being drawn."""
        job = await self._job(request, identity)
        await self.generation.cancel(identity.owner, job.history_id)
        current = await self.store.job(identity.owner, job.history_id)
        if current is not None and current.state is JobState.WORKING:
            raise RefusedError(409, "waited_for", "A chat waits for this picture: stop it there.")
        return json_answer({"history_id": job.history_id})

    async def restore(self, request: web.Request, identity: Identity) -> web.Response:
        """Fetch the pictures of a job that are gone again, from where they were drawn."""
        job = await self._job(request, identity)
        for number in range(1, len(job.pictures) + 1):
            await self.generation.show(identity.owner, job.history_id, number, RESTORE_S)
        current = await self._job(request, identity)
        if not all(picture.kept for picture in current.pictures):
            raise RefusedError(410, "gone", "The image service does not have it any more. Draw it again instead.")
        return json_answer(self.entry(current, self.url_of(request)))

    async def delete(self, request: web.Request, identity: Identity) -> web.Response:
        """Delete jobs; those that are being drawn are stopped first. Answer with those that are gone."""
        asked = (await read_body(request)).get("history_ids")
        if not isinstance(asked, list) or not all(type(each) is int for each in asked) or len(asked) > MOST_DELETED:
            message = f"`history_ids` must be a list of numbers, {MOST_DELETED} at most."
            raise RefusedError(400, "bad_query", message, "history_ids")
        deleted = [each for each in dict.fromkeys(asked) if await self._delete(identity.owner, each)]
        if asked and not deleted:
            raise NOT_THERE
        self.events.tell(identity.owner, "deleted", {"history_ids": deleted})
        return json_answer({"history_ids": deleted})

    async def _delete(self, owner: str, history_id: int) -> bool:
        job = await self.store.job(owner, history_id)
        if job is None or (job.state is JobState.WORKING and not await self.generation.stop(job)):
            return False
        return await self.retention.delete(owner, history_id)

    async def check_zip(self, request: web.Request, identity: Identity) -> web.Response:
        """Answer whether several pictures can be sent as one file: a form that is sent for it shows no error."""
        found = await self._several(request, identity)
        with self.archives.hold(identity.owner):
            return json_answer({"pictures": len(found)})

    async def zip(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Send several pictures as one file."""
        found = await self._several(request, identity)
        headers = {**SAFE, hdrs.CONTENT_TYPE: "application/zip", hdrs.CONTENT_DISPOSITION: as_file("easel.zip")}
        with self.archives.hold(identity.owner):
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):  # the browser has gone, or stopped reading
                async with aclosing(archive(self.files, found)) as pieces:
                    async for piece in pieces:
                        async with asyncio.timeout(IDLE_S):
                            await response.write(piece)
                    return response
            if request.transport is not None:
                request.transport.abort()  # half an archive is told by nothing else
            return response

    async def _several(self, request: web.Request, identity: Identity) -> list[tuple[str, str]]:
        """Return the files of the pictures that a request names, and the names under which they are saved."""
        found: list[tuple[str, str]] = []
        for history_id, number in read_pictures(await read_list(request)):
            job = await self.store.job(identity.owner, history_id)
            if job is None or not 0 < number <= len(job.pictures):
                raise NOT_THERE
            entry = self.entry(job, "")["pictures"][number - 1]
            found.append((entry["name"], entry["file_name"]))
        return found

    async def download(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Send the original of a picture, under a telling name."""
        job, number = await self._job(request, identity), request.match_info["picture"]
        if not is_number(number) or not 0 < int(number) <= len(job.pictures):
            raise NOT_THERE
        entry = self.entry(job, "")["pictures"][int(number) - 1]
        headers = {**SAFE, hdrs.CONTENT_DISPOSITION: as_file(entry["file_name"])}
        return await send_whole(request, self.files, entry["name"], headers)

    def heard(self, owner: str, history_id: int) -> None:
        """Tell the open pages of an owner that a job has begun, goes on, or has ended, here or elsewhere."""
        if not self.generation.is_at_work(owner, history_id):
            self.events.forget(owner, history_id)
        elif not self.events.is_due(owner, history_id):
            return
        self.generation.jobs.run_in_background(self._tell(owner, history_id))

    async def _tell(self, owner: str, history_id: int) -> None:
        with suppress(WorkError):  # the page reads the history anew when it connects again
            job = await self.store.job(owner, history_id)
            if job is not None:
                self.events.tell(owner, "job", self.entry(job, self.url_of(None)))


READS: Final[Mapping[str, Handler]] = {
    "jobs": Gallery.jobs,
    "jobs/{history_id}": Gallery.job,
    "options": Gallery.options,
    "events": Gallery.stream,
    "download/{history_id}/{picture}": Gallery.download,
}
CHANGES: Final[Mapping[str, tuple[Handler, str]]] = {
    "generate": (Gallery.draw, DRAW),
    "references": (Gallery.take, DRAW),
    "jobs/{history_id}/cancel": (Gallery.cancel, DRAW),
    "jobs/{history_id}/restore": (Gallery.restore, LOOK),
    "delete": (Gallery.delete, DELETE),
    "zip": (Gallery.zip, LOOK),
    "zip/check": (Gallery.check_zip, LOOK),
}


def _model_entry(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "about": model.about,
        "upstream": model.upstream,
        "choices": {name: list(values) for name, values in model.choices.items()},
        "takes": sorted(model.takes),
        "references": model.references,
        "most_pictures": model.most_pictures,
        "mask": model.mask,
    }
