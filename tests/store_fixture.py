"""A real store and real files with jobs of several people, for the tests of what is offered beside the tools."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from service.image_models.models import Models, read_models
from service.images import Failure, ImageRequest, Job, KeptPicture
from service.pictures.decoders import Decoders
from service.pictures.library import Pictures
from service.storage.disk import DiskFiles
from service.storage.sqlite.store import SqliteStore
from tests.emulators.pictures import png

URL = "https://e.example/mcp-cache/"
MODELS: Models = read_models(
    b"""{
      "default_model": "quick",
      "selection_guide": "The default suits most pictures.",
      "models": [
        {"id": "quick", "about": "quick", "aspect_ratios": ["16:9", "1:1"], "references": 3},
        {"id": "Quill/Pen", "sizes": ["64x64..100x100", "auto"], "references": 1},
        {"id": "plain", "aspect_ratios": ["1:1", "2:1"], "references": 0}
      ]
    }""",
    ["flow2api"],
)


@dataclass(frozen=True, kw_only=True)
class StoreFixture:
    """Keeps what is made on it."""

    store: SqliteStore
    files: DiskFiles
    decoders: Decoders

    @property
    def pictures(self) -> Pictures:
        """The pictures of this store, under a public URL."""
        return Pictures(files=self.files, decoders=self.decoders, url=URL)

    async def working(self, owner: str = "anna", prompt: str = "a fox") -> Job:
        """A job that was begun."""
        return (await self.store.begin(owner, ImageRequest(model="quick", prompt=prompt), "pencil", "")).job

    async def done(self, owner: str = "anna", prompt: str = "a fox", pictures: tuple[bytes, ...] = ()) -> Job:
        """A job with these pictures, or one of its own."""
        job = await self.working(owner, prompt)
        drawn = pictures or (png(job.history_id, (64, 32)),)
        return await self.store.finish(job, [await self._kept(owner, data) for data in drawn])

    async def failed(self, kind: str, reason: str = "It is so.", owner: str = "anna") -> Job:
        """A job that failed."""
        return await self.store.fail(await self.working(owner), Failure(kind=kind, reason=reason))

    async def lose(self, picture: KeptPicture) -> None:
        """Remove a picture, as is done to make room."""
        self.files.path(picture.name).unlink()
        await self.store.forget_files([picture.name])

    async def _kept(self, owner: str, data: bytes) -> KeptPicture:
        seen = await self.decoders.examine(owner, data)
        name = await self.files.keep(owner, data, seen.media_type)
        return KeptPicture(name=name, media_type=seen.media_type, width=seen.width, height=seen.height, size=len(data))


@asynccontextmanager
async def store_fixture(folder: Path) -> AsyncIterator[StoreFixture]:
    scratch = folder / "scratch"
    scratch.mkdir()
    store = await SqliteStore.open(folder / "easel.db", "lease", lambda _: True)
    decoders = Decoders()
    try:
        yield StoreFixture(
            store=store, files=await DiskFiles.open(folder / "files", scratch, b"k" * 32), decoders=decoders
        )
    finally:
        await decoders.close()
        await store.close()
