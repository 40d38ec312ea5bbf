"""Several pictures as one ZIP, made while it is sent."""

import gc
import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from service.gallery.archive import archive
from service.storage.disk import DiskFiles
from tests.emulators.pictures import png


async def stored(tmp_path: Path) -> DiskFiles:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return await DiskFiles.open(tmp_path / "files", scratch, b"k" * 32)


async def test_an_archive_holds_the_bytes_under_telling_names(tmp_path: Path) -> None:
    files = await stored(tmp_path)
    one, two = [await files.keep("anna", png(number, (8, 8)), "image/png") for number in (1, 2)]
    wanted = [(one, "a-fox-1.png"), (two, "水墨-2.png"), (one, "A-FOX-1.png")]
    data = b"".join([piece async for piece in archive(files, wanted)])
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["a-fox-1.png", "水墨-2.png", "A-FOX-1-2.png"]
        assert opened.read("水墨-2.png") == png(2, (8, 8))


async def test_a_picture_that_was_removed_meanwhile_is_left_out(tmp_path: Path) -> None:
    files = await stored(tmp_path)
    one = await files.keep("anna", png(1, (8, 8)), "image/png")
    data = b"".join([piece async for piece in archive(files, [(f"{'5e' * 16}.png", "gone.png"), (one, "here.png")])])
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["here.png"]


async def test_a_large_archive_takes_little_memory(tmp_path: Path) -> None:
    """Ours: a hundred pictures of twenty megabytes are two gigabytes."""
    files = await stored(tmp_path)
    name = await files.keep("anna", bytes(24_000_000), "image/png")
    tracemalloc.start()
    try:
        sizes = [len(piece) async for piece in archive(files, [(name, "a.png"), (name, "b.png")])]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) > 48_000_000
    assert most < 6_000_000


async def test_an_archive_that_a_client_leaves_is_closed_at_once(tmp_path: Path) -> None:
    """Bug: it was closed by the collector of garbage, after what it writes into, and each time that was logged."""
    files = await stored(tmp_path)
    pieces = archive(files, [(await files.keep("anna", png(1, (8, 8)), "image/png"), "a.png")])
    await anext(pieces)
    left = ConnectionResetError("the client is gone")
    left.__context__ = KeyError(left)  # holds the frames of the archive in a cycle
    with pytest.raises(ConnectionResetError):
        await pieces.athrow(left)
    del pieces, left
    gc.collect()  # a failure in it would be one of this test
