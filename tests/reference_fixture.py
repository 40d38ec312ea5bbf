"""References and uploads together, for their tests: a real store, real files, a clock that a test sets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from service.images import ImageRequest, Job, KeptPicture, Reference
from service.pictures.decoders import Decoders
from service.pictures.library import Importer
from service.pipeline.clock_watch import ClockWatch
from service.pipeline.retention import Retention
from service.references.uploads import Uploads, upload_request
from service.settings import Limits, Settings
from service.storage.disk import DiskFiles
from service.storage.store import Store
from service.storage.upload_records import UploadKeeper, UploadRequest
from service.web.guard import Guard
from service.web.upload import UploadHandler, add_routes
from tests.engines import Engine, SqliteEngine
from tests.stores import Clock
from tests.wire import TWO_TOKENS

NOW: Final = 1_800_000_000.0
MAX_BYTES: Final = 1_000_000
MAX_ENTRIES: Final = 20
REQUEST: Final = upload_request({"use_upload": True})
"""A call that asks for an upload and nothing else."""


@dataclass(frozen=True, kw_only=True)
class ReferenceFixture:
    """Store, files, importer, uploads and the upload route on one folder."""

    clock: Clock
    store: Store
    files: DiskFiles
    importer: Importer
    keeper: UploadKeeper
    uploads: Uploads
    upload_handler: UploadHandler
    retention: Retention

    async def keep(self, owner: str, data: bytes, *, media_type: str = "image/png") -> KeptPicture:
        """A picture of the pipeline's, in our keeping."""
        name = await self.files.keep(owner, data, media_type)
        return KeptPicture(name=name, media_type=media_type, width=8, height=8, size=len(data))

    async def job(self, owner: str, *pictures: bytes, references: tuple[Reference, ...] = ()) -> Job:
        """A job that is done, with these pictures; one that is working without any."""
        request = ImageRequest(model="m", prompt="a fox", references=references)
        begun = await self.store.begin(owner, request, "pencil", "")
        if not pictures:
            return begun.job
        return await self.store.finish(begun.job, [await self.keep(owner, each) for each in pictures])

    async def sent(self, owner: str, *pictures: bytes, request: UploadRequest = REQUEST) -> list[str]:
        """Names of the pictures that an owner sent by a link for this request."""
        upload = await self.uploads.find(secret_of(await self.uploads.link(owner, request, len(pictures))))
        assert upload is not None
        names = [(await self.importer.import_picture(owner, each)).name for each in pictures]
        assert await self.uploads.receive(upload, names)
        return names


@asynccontextmanager
async def reference_fixture(folder: Path, engine: Engine | None = None) -> AsyncIterator[ReferenceFixture]:
    """The fixture on the files of a folder, with its records there too, or in another engine."""
    clock = Clock(NOW)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    process = await (engine or SqliteEngine(folder)).open("lease", clock)
    store = process.store
    files = await DiskFiles.open(folder / "files", scratch, b"k" * 32)
    decoders = Decoders()
    importer = Importer(files=files, store=store, decoders=decoders)
    retention = Retention(store, files, Limits(entries=MAX_ENTRIES), lambda _: None, ClockWatch(clock, clock))
    uploads = Uploads(process.uploads, b"u" * 32, "https://easel.example.com/upload/", clock)
    try:
        yield ReferenceFixture(
            clock=clock,
            store=store,
            files=files,
            importer=importer,
            keeper=process.uploads,
            uploads=uploads,
            upload_handler=UploadHandler(
                uploads=uploads,
                importer=importer,
                max_bytes=MAX_BYTES,
                make_room=retention.enforce,
                discard=retention.drop,
                idle_s=5,
            ),
            retention=retention,
        )
    finally:
        await decoders.close()
        await store.close()


@asynccontextmanager
async def serving(upload_handler: UploadHandler) -> AsyncIterator[BaseTestServer]:
    """The upload page on a free port of loopback, behind the guard of a service that has tokens."""
    settings = Settings.from_env({"EASEL_TOKENS": TWO_TOKENS, "EASEL_PUBLIC_URL": "https://easel.example.com"})
    app = web.Application(middlewares=[Guard(settings).middleware()])
    add_routes(app, upload_handler)
    async with TestServer(app, handler_cancellation=True) as server:
        yield server


def secret_of(url: str) -> str:
    """The secret in a link."""
    return url.rpartition("/")[2].partition("?")[0]


def path_of(url: str) -> str:
    """The path of a link, with its query."""
    return url.partition("example.com")[2]
