"""Resources: `easel://history/{id}`, `easel://images/{name}`, and the list of the caller's pictures.

1. A number or a name of another owner does not exist.
2. A picture is given whole where it fits into one answer, else as a JPEG copy that does; `_meta` says so, and names
   the URL of the whole one.
3. The list goes by pages of generations, newest first. A cursor names the last generation of its page, so that pictures
   that come or go meanwhile shift nothing.
4. Subscribers are told when a generation has ended and when the list has changed. That neither waits nor fails, so the
   pipeline may do it at any point.
"""

import asyncio
import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import orjson

from service.features.app import AppPage
from service.image_models.abilities import table, table_text
from service.image_models.models import Models
from service.images import FORMATS, Job, KeptPicture
from service.pictures.library import Pictures
from service.pictures.messages import PREVIEW_TYPE
from service.protocol.call import Call
from service.protocol.catalog import ResourceEntry
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import RESOURCES, Hub, ResourceUpdated, TaskChanged
from service.redaction import visible, visible_in
from service.storage.files import StoredFile
from service.storage.notices import AnythingChanged, HistoryChanged, JobChanged, Notice, TaskMoved
from service.storage.store import Store
from service.tools.base import SCHEMAS
from service.tools.history_text import request_lines
from service.tools.results import alt_text, describe, structure

MODELS: Final = "easel://models"
HISTORY: Final = "easel://history/"
IMAGES: Final = "easel://images/"
HISTORY_TEMPLATE: Final = f"{HISTORY}{{id}}"
IMAGES_TEMPLATE: Final = f"{IMAGES}{{name}}"

MAX_BYTES: Final = 590_000
"""Largest picture in one answer: 787 kB as base64, so that the whole answer stays below 800 kB."""

PAGE: Final = 50
"""Generations on one page of the list."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Reads generations and pictures of the caller, and the table of the models on offer."""

    store: Store
    pictures: Pictures
    models: Models
    app: AppPage | None = None
    costs: Callable[[Call], bool] = lambda _: True
    """Tells whether a generation says to a caller what it cost."""

    def fixed(self) -> dict[str, ResourceEntry]:
        """Return the resources that everybody has, by URI."""
        listing = {"uri": MODELS, "mimeType": "application/json", **read_listings()["models"]}
        return {MODELS: ResourceEntry(listing=listing, read=self.read_models)}

    async def read_models(self, _: Call, uri: str) -> Sequence[Result]:
        """Read what each model takes, as JSON and in words."""
        return [
            {"uri": uri, "mimeType": "application/json", "text": orjson.dumps(table(self.models)).decode()},
            {"uri": uri, "mimeType": "text/markdown", "text": table_text(self.models)},
        ]

    def templates(self) -> dict[str, ResourceEntry]:
        """Return the templates by URI template, as `resources/templates/list` and `resources/read` need them."""
        listings = read_listings()
        reads = {"history": (HISTORY_TEMPLATE, self.read_job), "images": (IMAGES_TEMPLATE, self.read_picture)}
        return {
            template: ResourceEntry(listing={"uriTemplate": template, **listings[name]}, read=read)
            for name, (template, read) in reads.items()
        }

    async def pages(self, call: Call, cursor: str | None) -> tuple[Sequence[Result], str | None]:
        """Return one page of the caller's pictures, and the cursor of the next where there is one."""
        before = None if cursor is None else read_cursor(cursor)
        jobs = await self.store.jobs_with_pictures(call.owner, PAGE + 1, before)
        entries: dict[str, Result] = {}
        for job in jobs[:PAGE]:
            for number, picture in enumerate(job.pictures, start=1):
                if picture.kept and not picture.is_away:
                    entries.setdefault(picture.name, entry_of(job, number, picture))  # bytes drawn twice are one
        shown = self.app.listings(call) if self.app is not None and before is None else []
        return [*shown, *entries.values()], str(jobs[PAGE - 1].history_id) if len(jobs) > PAGE else None

    async def read_job(self, call: Call, uri: str) -> Sequence[Result] | None:
        """Read a generation, as JSON and as markdown; None when the URI names none of the caller's."""
        matched = re.fullmatch(rf"{HISTORY}([1-9][0-9]{{0,17}})", uri)
        job = None if matched is None else await self.store.job(call.owner, int(matched[1]))
        if job is None:
            return None
        shown = job if self.costs(call) else replace(job, usage=None)
        return contents_of(uri, shown, self.pictures.url_for(call.reached_at))

    async def read_picture(self, call: Call, uri: str) -> Sequence[Result] | None:
        """Read a picture as base64, one over `MAX_BYTES` as a JPEG copy; None when the caller has none of that name."""
        if not uri.startswith(IMAGES):
            return None
        name = uri.removeprefix(IMAGES)
        # The owner comes first: the disk is not asked for a name of somebody else, as little as for one that never was.
        stored = await self.pictures.files.find(name) if await self.store.owns_file(call.owner, name) else None
        if stored is None:
            return None
        if stored.size > MAX_BYTES:
            return await self._copy(call, uri, name, stored)
        data = await self.pictures.read(name)
        if data is None:  # removed meanwhile, to make room
            return None
        return [{"uri": uri, "mimeType": stored.media_type, "blob": await asyncio.to_thread(encoded, data)}]

    async def _copy(self, call: Call, uri: str, name: str, stored: StoredFile) -> Sequence[Result] | None:
        copy = await self.pictures.copy(call.owner, name, MAX_BYTES)
        if copy is None:
            return None
        blob = await asyncio.to_thread(encoded, copy.data)
        whole = f"{FORMATS[stored.media_type]}, {stored.size / 1_000_000:.1f} MB"
        size, url = f"{copy.width}×{copy.height}", self.pictures.url_for(call.reached_at) + name
        note = f"A JPEG copy of {size}. The picture itself ({whole}) is at {url}"
        return [{"uri": uri, "mimeType": PREVIEW_TYPE, "blob": blob, "_meta": {"easel/note": note}}]


@cache
def read_listings() -> dict[str, Any]:
    """Read `schemas/resources.json`, once for the process: the listing of each template without its URI."""
    listings: dict[str, Any] = orjson.loads((SCHEMAS / "resources.json").read_bytes())
    return listings


def contents_of(uri: str, job: Job, pictures_url: str) -> list[Result]:
    """Return the contents of a generation's resource: JSON for programs, markdown for people."""
    return [
        {
            "uri": uri,
            "mimeType": "application/json",
            "text": orjson.dumps(visible_in(structure(job, pictures_url))).decode(),
        },
        {
            "uri": uri,
            "mimeType": "text/markdown",
            "text": "\n".join([describe(job, pictures_url), *request_lines(job)]),
        },
    ]


def entry_of(job: Job, number: int, picture: KeptPicture) -> Result:
    """Return the entry of a picture in `resources/list`. `number` counts the pictures of its generation from 1."""
    which = f", picture {number} of {len(job.pictures)}" if len(job.pictures) > 1 else ""
    shape = f"{picture.width}×{picture.height} {FORMATS[picture.media_type]}"
    when = datetime.fromtimestamp(job.finished_at or job.created_at, UTC)
    return {
        "uri": IMAGES + picture.name,
        "name": picture.name,
        "title": alt_text(job.prompt) or picture.name,
        "description": f"history_id {job.history_id}{which} · {visible(job.model)} · {shape}",
        "mimeType": picture.media_type,
        "size": picture.size,
        "annotations": {"audience": ["user"], "lastModified": when.isoformat(timespec="seconds")},
        "_meta": {"easel/history_id": job.history_id},
    }


def read_cursor(cursor: str) -> int:
    """Return the history_id that a cursor names; raises ValueError for a cursor that is not ours."""
    if not re.fullmatch(r"[1-9][0-9]{0,17}", cursor):
        raise ValueError(f"no cursor of ours: {cursor[:40]!r}")
    return int(cursor)


def encoded(data: bytes) -> str:
    """Return base64, as JSON carries bytes. Takes milliseconds for megabytes: a thread's work."""
    return base64.b64encode(data).decode()


@dataclass(frozen=True)
class PictureNotifications:
    """Publishes to the subscriptions of `hub`."""

    hub: Hub

    def ended(self, job: Job) -> None:
        """Notify that a generation has ended: its resource has changed, and its pictures are in the list."""
        if not self.hub.is_heard:
            return
        self.hub.publish(ResourceUpdated(f"{HISTORY}{job.history_id}"), owner=job.owner)
        if job.pictures:
            self.hub.publish(RESOURCES, owner=job.owner)

    def removed(self, owner: str) -> None:
        """Notify that pictures of an owner were removed."""
        self.hub.publish(RESOURCES, owner=owner)

    def hear(self, notice: Notice) -> None:
        """Notify of what another process tells; it tells of a job that ended, and not whether it has pictures."""
        match notice:
            case JobChanged(owner, history_id, ended=True):
                self.hub.publish(ResourceUpdated(f"{HISTORY}{history_id}"), owner=owner)
                self.hub.publish(RESOURCES, owner=owner)
            case HistoryChanged(owner, surely=True):
                self.hub.publish(RESOURCES, owner=owner)
            case TaskMoved(owner, task_id):
                self.hub.publish(TaskChanged(task_id), owner=owner)
            case AnythingChanged():
                self.hub.publish(RESOURCES)
