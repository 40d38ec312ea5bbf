"""The pictures in our keeping: bytes, previews and copies by name."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from service.images import Picture
from service.pictures.library import Pictures
from tests.emulators.pictures import png
from tests.store_fixture import StoreFixture, store_fixture


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[StoreFixture]:
    async with store_fixture(tmp_path) as kept:
        yield kept


async def keep(pictures: Pictures, data: bytes) -> str:
    drawn = Picture(data=data, note="1K", source="https://pics.example/1")
    stored = await pictures.keep("anna", drawn, await pictures.examine(data))
    assert (stored.note, stored.source, stored.size) == (drawn.note, drawn.source, len(data))
    return stored.name


async def test_a_kept_picture_is_read_and_shown_again(kept: StoreFixture) -> None:
    name = await keep(kept.pictures, png(3, (64, 32)))
    assert await kept.pictures.read(name) == png(3, (64, 32))
    preview = await kept.pictures.preview(name)
    assert preview is not None
    assert Image.open(io.BytesIO(preview)).size == (64, 32)


async def test_a_picture_whose_bytes_are_gone_has_neither_bytes_nor_copy(kept: StoreFixture) -> None:
    name = await keep(kept.pictures, png(3))
    kept.files.path(name).unlink()
    assert await kept.pictures.read(name) is None
    assert await kept.pictures.preview(name) is None
    assert await kept.pictures.copy(name, 100_000) is None


async def test_a_preview_is_remembered_and_needs_no_file(kept: StoreFixture) -> None:
    """Ours: an answer that shows a picture which was just drawn decodes it no second time."""
    pictures = kept.pictures
    name = await keep(pictures, png(3))
    kept.files.path(name).unlink()
    assert await pictures.preview(name) is not None


async def test_a_picture_that_is_damaged_on_the_disk_has_no_preview(kept: StoreFixture) -> None:
    """Ours: the other facts of its job are there to be seen."""
    name = await keep(kept.pictures, png(3))
    kept.files.path(name).write_bytes(b"rust")
    assert await kept.pictures.preview(name) is None


@pytest.mark.parametrize(
    ("limit", "shown"), [pytest.param(10**6, True, id="it fits"), pytest.param(0, False, id="no image at all")]
)
async def test_a_preview_shrinks_to_its_limit(kept: StoreFixture, limit: int, shown: bool) -> None:
    preview = (await kept.pictures.examine(png(3, (640, 480)))).preview
    assert (await kept.pictures.shrink(preview, limit) == preview) is shown
    smaller = await kept.pictures.shrink(preview, len(preview) - 1)
    assert smaller is not None
    assert len(smaller) < len(preview)
