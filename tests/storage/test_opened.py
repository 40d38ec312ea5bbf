"""The data folder, opened as a whole."""

import contextlib
from pathlib import Path

import pytest

from service.images import ImageRequest
from service.storage.data_folder import DataFolderError
from service.storage.opened import open_storage


async def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    """Ours: names and links that were given out go on working after a restart."""
    async with contextlib.AsyncExitStack() as stack:
        first = await open_storage(tmp_path / "data", stack)
        name = await first.files.keep("anna", b"a picture", "image/png")
        begun = await first.store.begin("anna", ImageRequest(model="m", prompt="a fox"), "pencil", "")
        key = first.secret.derive("session ids")
    async with contextlib.AsyncExitStack() as stack:
        again = await open_storage(tmp_path / "data", stack)
        assert await again.files.keep("anna", b"a picture", "image/png") == name
        job = await again.store.job("anna", begun.job.history_id)
        assert again.secret.derive("session ids") == key
    assert job is not None
    assert job.failure is not None
    assert job.failure.kind == "interrupted"


async def test_everything_is_let_go_of_in_the_end(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        kept = await open_storage(tmp_path / "data", stack)
    assert [path.name for path in (tmp_path / "data" / "running").iterdir()] == ["gate"]
    with pytest.raises(RuntimeError, match="closed"):
        await kept.store.jobs("anna", 1)


async def test_what_was_opened_before_a_failure_is_closed_again(tmp_path: Path) -> None:
    """Ours: a start that fails leaves no lease behind that looks alive."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "easel.db").write_text("no database")
    with pytest.raises(DataFolderError):
        async with contextlib.AsyncExitStack() as stack:
            await open_storage(tmp_path / "data", stack)
    assert [path.name for path in (tmp_path / "data" / "running").iterdir()] == ["gate"]
