"""The models file as it changes on disk, under a service that goes on."""

import asyncio
import contextlib
import json
import logging
from pathlib import Path

import pytest

from service.image_models.file import ModelsFile
from service.image_models.models import Models, ModelsError


def write(path: Path, *ids: str) -> None:
    """As a careful editor does: the file is another one afterwards."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"models": ids}))
    draft.replace(path)


@pytest.fixture
async def file(tmp_path: Path) -> ModelsFile:
    write(tmp_path / "models.json", "a")
    return await ModelsFile.open(tmp_path / "models.json", {"flow2api"})


async def test_a_changed_file_is_read_again(file: ModelsFile) -> None:
    assert not await file.refresh()
    write(file.path, "a", "b")
    assert await file.refresh()
    assert file.models.ids == ["a", "b"]
    assert not await file.refresh()


async def test_a_file_that_says_the_same_is_no_change(file: ModelsFile) -> None:
    """Ours: a notice makes every client ask for all tools again."""
    write(file.path, "a")
    assert not await file.refresh()


@pytest.mark.parametrize("broken", ["{", '{"models": []}', None], ids=["half written", "nothing on offer", "gone"])
async def test_a_broken_file_changes_nothing_and_says_so_once(
    file: ModelsFile, caplog: pytest.LogCaptureFixture, broken: str | None
) -> None:
    """Ours: a slip in an editor must not take the models away; a line every two seconds would fill the log."""
    if broken is None:
        file.path.unlink()
    else:
        file.path.write_text(broken)
    with caplog.at_level(logging.WARNING):
        assert [await file.refresh() for _ in range(3)] == [False] * 3
    assert file.models.ids == ["a"]
    [line] = caplog.messages
    assert line.startswith("models.json cannot be used, what it last said stays: ")
    assert str(file.path.parent) not in line
    write(file.path, "b")
    assert await file.refresh()


async def test_the_watch_tells_of_every_change(file: ModelsFile) -> None:
    told: asyncio.Queue[Models] = asyncio.Queue()
    watching = asyncio.create_task(file.watch(told.put_nowait, every_s=0.001))
    for ids in (["b"], ["b", "c"]):
        write(file.path, *ids)
        async with asyncio.timeout(5):
            assert (await told.get()).ids == ids
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def test_at_the_start_a_broken_file_is_an_error(tmp_path: Path) -> None:
    """Ours: there is no earlier reading to fall back to."""
    with pytest.raises(OSError, match="No such file"):
        await ModelsFile.open(tmp_path / "models.json", {"flow2api"})
    (tmp_path / "models.json").write_text("[]")
    with pytest.raises(ModelsError):
        await ModelsFile.open(tmp_path / "models.json", {"flow2api"})
