"""The tiles of new pictures, made by real decoders on a real store before anybody asks."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from service.bounds.limits import DERIVATIVES, InUse
from service.images import Job, JobState, KeptPicture
from service.pictures.decoders import Decoders
from service.pictures.derivatives import Derivatives
from service.pictures.tiles import MOST_WAITING, TILE, WIDE_TILE, Tiles
from service.storage.disk import DiskFiles
from service.storage.sqlite.store import SqliteStore
from tests.pictures.samples import corner_marked, encoded, opened
from tests.stores import Clock, open_sqlite

SQUARE = encoded(corner_marked(1200, 1200))
WIDE = encoded(corner_marked(1600, 900))


@dataclass
class Place:
    """All that tiles are made with. `sources` are the bytes that the decoders were given."""

    files: DiskFiles
    store: SqliteStore
    decoders: Decoders
    previews: dict[str, bytes] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    async def draw(self, data: bytes, *, kept: bool = True) -> KeptPicture:
        examined = await self.decoders.examine("ann", data)
        name = await self.files.keep("ann", data, "image/png")
        if kept:
            await self.store.add_file("ann", name, len(data))
        self.previews[name] = examined.preview
        width, height = examined.width, examined.height
        return KeptPicture(name=name, media_type="image/png", width=width, height=height, size=len(data))

    @asynccontextmanager
    async def making(self, pause_s: float = 0) -> AsyncIterator[Tiles]:
        async def make_room(names: Collection[str]) -> None:
            self.made.extend(names)

        derivatives = Derivatives(self.files, self.store, self.decoders, InUse(DERIVATIVES), make_room)
        tiles = Tiles(self.files, self.decoders, derivatives, self.previews.get, pause_s)
        making = asyncio.create_task(tiles.make())
        yield tiles
        making.cancel()

    async def until_made(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.made) < count:  # noqa: ASYNC110 - it announces nothing
                await asyncio.sleep(0.002)


@pytest.fixture
async def place(tmp_path: Path, clock: Clock) -> AsyncIterator[Place]:
    (tmp_path / "scratch").mkdir()
    files = await DiskFiles.open(tmp_path / "files", tmp_path / "scratch", b"k" * 32)
    store, decoders = await open_sqlite(tmp_path, clock), Decoders()
    yield Place(files, store, decoders)
    await decoders.close()
    await store.close()


def done(*pictures: KeptPicture) -> Job:
    return Job(
        history_id=1, owner="ann", state=JobState.DONE, model="m", prompt="a fox", created_at=1.0, pictures=pictures
    )


async def test_tiles_of_new_pictures_are_there_before_anybody_asks(place: Place) -> None:
    square, wide = await place.draw(SQUARE), await place.draw(WIDE)
    async with place.making() as tiles:
        tiles.ended(done(square, wide))
        await place.until_made(3)
    tile = await place.files.read(TILE.of(square.name))
    assert tile is not None
    assert opened(tile).size == (320, 320)
    assert await place.files.find(WIDE_TILE.of(square.name)) is None
    assert await place.files.find(TILE.of(wide.name)) is not None
    large = await place.files.read(WIDE_TILE.of(wide.name))
    assert large is not None
    assert opened(large).size == (640, 360)
    total = (await place.store.files_total("ann")).bytes
    assert total > len(SQUARE) + len(WIDE) + len(tile) + len(large), "they count for the owner's room"


async def test_what_is_transparent_stays_so(place: Place) -> None:
    """Bug: a preview is on white, and a tile that is made of it had lost what one sees through."""
    see_through = encoded(Image.new("RGBA", (800, 800), (200, 30, 30, 0)))
    picture = await place.draw(see_through)
    async with place.making() as tiles:
        tiles.ended(done(picture))
        await place.until_made(1)
    tile = await place.files.read(TILE.of(picture.name))
    assert tile is not None
    assert opened(tile).convert("RGBA").getpixel((10, 10))[3] == 0  # type: ignore[index]


async def test_one_that_fails_or_is_gone_holds_up_no_other(place: Place) -> None:
    gone, damaged = await place.draw(WIDE, kept=False), await place.draw(SQUARE)
    good = await place.draw(encoded(corner_marked(700, 700)))
    place.previews[damaged.name] = b"no picture"
    async with place.making() as tiles:
        tiles.ended(done(gone, damaged, good))
        await place.until_made(1)
    assert set(place.made) == {good.name}


async def test_so_many_wait_and_the_others_are_made_when_they_are_asked_for(place: Place) -> None:
    picture = await place.draw(SQUARE)
    forgotten = await place.draw(WIDE)
    del place.previews[forgotten.name]
    async with place.making() as tiles:
        tiles.ended(done(forgotten, *([picture] * (MOST_WAITING + 5))))
        await place.until_made(1)
        await asyncio.sleep(0)
    assert set(place.made) == {picture.name}


async def test_none_is_made_until_nothing_is_drawn_any_more(place: Place) -> None:
    """Ours: else each picture of many costs a second decode while the next one is waited for."""
    picture = await place.draw(SQUARE)
    async with place.making(pause_s=3600) as tiles:
        tiles.ended(done(picture))
        assert await place.files.find(picture.name) is not None
        assert (await place.decoders.examine("ann", SQUARE, is_paid=False)).preview
    assert place.made == []
