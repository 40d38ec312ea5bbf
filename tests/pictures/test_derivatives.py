"""Derivatives on a real store, real files and real decoders: made once, kept with their picture, gone with it."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.bounds.limits import DERIVATIVES, Allowances, InUse, LimitError
from service.pictures.decoders import Decoders
from service.pictures.derivatives import Derivatives
from service.pictures.messages import BadPictureError
from service.storage.disk import DiskFiles
from service.storage.files import Derivative
from service.storage.sqlite.store import SqliteStore
from tests.pictures.samples import corner_marked, encoded, opened
from tests.stores import Clock, open_sqlite

TILE = Derivative(width=160, extension="webp")
PHOTO = Derivative(width=320, extension="jpg")
SMALL = encoded(corner_marked(640, 320))


class CountedDecoders(Decoders):
    """Decoders that count, and can be held up."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def derive(self, owner: str, data: bytes, width: int, media_type: str, *, is_asked: bool = True) -> bytes:
        self.asked += 1
        await self.go_on.wait()
        return await super().derive(owner, data, width, media_type, is_asked=is_asked)


@dataclass
class Place:
    """All that derivatives are made with."""

    files: DiskFiles
    store: SqliteStore
    decoders: CountedDecoders
    made: Derivatives
    in_use: InUse
    spared: list[str] = field(default_factory=list)

    async def keep(self, data: bytes = SMALL, owner: str = "ann") -> str:
        name = await self.files.keep(owner, data, "image/png")
        await self.store.add_file(owner, name, len(data))
        return name

    async def bytes_of(self, owner: str | None = "ann") -> int:
        return (await self.store.files_total(owner)).bytes

    async def until_kept(self) -> None:
        """Wait until nothing is being made or kept."""
        async with asyncio.timeout(60):
            while self.in_use.overall:  # noqa: ASYNC110 - it announces nothing
                await asyncio.sleep(0.001)

    async def until_asked(self, times: int, waiting: int = 0) -> None:
        """Wait until so many reached the decoders, and so many are being made or wait."""
        async with asyncio.timeout(60):
            while self.decoders.asked < times or self.in_use.overall < waiting:  # noqa: ASYNC110 - neither announces it
                await asyncio.sleep(0.001)


@pytest.fixture
async def place(tmp_path: Path, clock: Clock) -> AsyncIterator[Place]:
    (tmp_path / "scratch").mkdir()
    files = await DiskFiles.open(tmp_path / "files", tmp_path / "scratch", b"k" * 32)
    store, decoders = await open_sqlite(tmp_path, clock), CountedDecoders()
    spared: list[str] = []

    async def make_room(names: Collection[str]) -> None:
        spared.extend(names)

    in_use = InUse(DERIVATIVES, Allowances(pairs={DERIVATIVES.name: (3, 4)}))
    made = Derivatives(files, store, decoders, in_use, make_room)
    yield Place(files, store, decoders, made, in_use, spared)
    await made.close()
    await decoders.close()
    await store.close()


async def test_of_many_who_ask_at_once_one_costs_a_decode(place: Place) -> None:
    name = await place.keep()
    answers = await asyncio.gather(*(place.made.make(name, TILE) for _ in range(20)))
    assert place.decoders.asked == 1
    [data] = {each for each in answers if each}
    assert opened(data).size == (160, 80)
    await place.until_kept()
    assert await place.files.read(TILE.of(name)) == data


async def test_one_is_counted_for_its_owner_and_goes_with_its_picture(place: Place) -> None:
    """Ours: room that nobody counts fills a disk, and a picture that was deleted shows nowhere any more."""
    name = await place.keep()
    tile, photo = await place.made.make(name, TILE), await place.made.make(name, PHOTO)
    assert tile is not None
    assert photo is not None
    await place.until_kept()
    assert await place.bytes_of() == await place.bytes_of(None) == len(SMALL) + len(tile) + len(photo)
    assert place.spared == [name, name]
    assert [each.name for each in await place.files.listing()] == [name]
    assert await place.files.remove([name]) == [name]
    assert await place.files.find(TILE.of(name)) is await place.files.find(PHOTO.of(name)) is None
    await place.store.forget_files([name])
    assert await place.bytes_of() == await place.bytes_of(None) == 0


async def test_one_that_was_made_elsewhere_is_kept_once(place: Place) -> None:
    name = await place.keep()
    assert await place.made.is_wanted(name, TILE)
    await asyncio.gather(*(place.made.keep(name, TILE, b"small") for _ in range(3)))
    assert await place.files.read(TILE.of(name)) == b"small"
    assert await place.bytes_of() == len(SMALL) + 5
    assert not await place.made.is_wanted(name, TILE)
    assert not await place.made.is_wanted("0" * 32 + ".png", TILE), "nobody has such a picture"


async def test_one_that_is_made_while_its_picture_goes_is_not_left_behind(place: Place) -> None:
    name = await place.keep()
    place.decoders.go_on.clear()
    making = asyncio.create_task(place.made.make(name, TILE))
    await place.until_asked(1)
    await place.files.remove([name])
    place.decoders.go_on.set()
    assert await making is not None, "whoever asked before sees it"
    await place.until_kept()
    assert await place.files.find(TILE.of(name)) is None
    assert await place.made.make(name, TILE) is None


async def test_what_nobody_waits_for_any_more_is_not_begun(place: Place) -> None:
    """Ours: a page leaves tiles that were scrolled past; what was begun is finished, as a decoder costs more."""
    first, second = await place.keep(), await place.keep(encoded(corner_marked(800, 400)))
    place.decoders.go_on.clear()
    asked = [asyncio.create_task(place.made.make(first, TILE))]
    await place.until_asked(1)
    asked.append(asyncio.create_task(place.made.make(second, TILE)))
    await place.until_asked(1, waiting=2)
    for each in asked:
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each
    place.decoders.go_on.set()
    assert await place.made.make(first, PHOTO) is not None, "the owner's next turn comes after both"
    await place.until_kept()
    assert (place.decoders.asked, await place.files.find(TILE.of(second))) == (2, None)
    assert await place.files.find(TILE.of(first)) is not None
    assert await place.made.make(second, TILE) is not None, "asked for again, it is made"


async def test_beyond_the_limit_of_an_owner_others_are_still_served(place: Place) -> None:
    names = [await place.keep(encoded(corner_marked(200 + each, 100))) for each in range(4)]
    bens = await place.keep(owner="ben")
    place.decoders.go_on.clear()
    asked = [asyncio.create_task(place.made.make(name, TILE)) for name in names[:3]]
    await place.until_asked(1, waiting=3)
    with pytest.raises(LimitError, match="EASEL_DERIVATIVES"):
        await place.made.make(names[3], TILE)
    asked.append(asyncio.create_task(place.made.make(bens, TILE)))
    await place.until_asked(2)
    place.decoders.go_on.set()
    assert all(await asyncio.gather(*asked))
    await place.until_kept()
    assert await place.made.make(names[3], TILE) is not None


async def test_a_picture_that_cannot_be_decoded_costs_one_decode(place: Place) -> None:
    name = await place.keep(SMALL[:200])
    for derivative in (TILE, PHOTO, TILE):
        with pytest.raises(BadPictureError):
            await place.made.make(name, derivative)
    assert place.decoders.asked == 1


async def test_without_room_one_is_shown_all_the_same(place: Place, tmp_path: Path) -> None:
    name = await place.keep()
    (tmp_path / "scratch").rmdir()
    data = await place.made.make(name, TILE)
    assert data is not None
    assert opened(data).size == (160, 80)
    await place.until_kept()
    assert await place.bytes_of() == len(SMALL)


async def test_a_stop_ends_what_is_being_made(place: Place) -> None:
    name = await place.keep()
    place.decoders.go_on.clear()
    making = asyncio.create_task(place.made.make(name, TILE))
    await place.until_asked(1)
    await place.made.close()
    with pytest.raises(asyncio.CancelledError):
        await making
