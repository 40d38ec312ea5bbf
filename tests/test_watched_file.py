"""A file that changes under the running service: what is read of it, and when a bad one is put up with."""

import asyncio
import contextlib
import logging
import sys
from pathlib import Path

import pytest

from service.settings_reader import SettingsError
from service.watched_file import WatchedFile


def read(data: bytes) -> list[str]:
    """Words; "?" is none."""
    if b"?" in data:
        raise ValueError("it holds a question mark")
    return data.decode().split()


def write(path: Path, text: str) -> None:
    """As a careful editor does: the file is another one afterwards."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


@pytest.fixture
async def file(tmp_path: Path) -> WatchedFile[list[str]]:
    write(tmp_path / "words.txt", "a")
    return await WatchedFile.open("EASEL_WORDS", tmp_path / "words.txt", read)


async def test_a_changed_file_is_read_again(file: WatchedFile[list[str]]) -> None:
    assert not await file.refresh()
    write(file.path, "a b")
    assert await file.refresh()
    assert file.last_good == ["a", "b"]
    assert not await file.refresh()


async def test_a_file_that_says_the_same_is_no_change(file: WatchedFile[list[str]]) -> None:
    """Ours: a notice of other models makes every client ask for all tools again."""
    write(file.path, " a ")
    assert not await file.refresh()


@pytest.mark.parametrize("broken", ["?", None], ids=["unusable", "gone"])
async def test_a_broken_file_changes_nothing_and_says_so_once(
    file: WatchedFile[list[str]], caplog: pytest.LogCaptureFixture, broken: str | None
) -> None:
    """Ours: a slip in an editor must take nothing away; a line every two seconds would fill the log."""
    if broken is None:
        file.path.unlink()
    else:
        file.path.write_text(broken)
    with caplog.at_level(logging.WARNING):
        assert [await file.refresh() for _ in range(3)] == [False] * 3
    assert file.last_good == ["a"]
    [line] = caplog.messages
    assert line.startswith("words.txt cannot be used, what it last said stays: ")
    assert str(file.path.parent) not in line
    write(file.path, "b")
    assert await file.refresh()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no descriptors")
async def test_a_file_that_could_not_be_read_for_a_moment_is_read_as_soon_as_it_can_be(
    file: WatchedFile[list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """Bug: without a free descriptor in that moment, a token that was taken out of the file stayed good for ever."""
    import resource  # noqa: PLC0415 - Windows has none

    write(file.path, "b")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with caplog.at_level(logging.WARNING):
            assert [await file.refresh() for _ in range(3)] == [False] * 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    [line] = caplog.messages
    assert "Too many open files" in line
    assert await file.refresh()
    assert file.last_good == ["b"]


async def test_the_watch_tells_of_every_change(file: WatchedFile[list[str]]) -> None:
    told: asyncio.Queue[list[str]] = asyncio.Queue()
    watching = asyncio.create_task(file.watch(told.put_nowait, every_s=0.001))
    for text in ("b", "b c"):
        write(file.path, text)
        async with asyncio.timeout(60):
            assert await told.get() == text.split()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def test_at_the_start_a_broken_file_is_an_error(tmp_path: Path) -> None:
    """Ours: there is no earlier reading to fall back to."""
    with pytest.raises(SettingsError, match=r"EASEL_WORDS: .*words.txt: No such file"):
        await WatchedFile.open("EASEL_WORDS", tmp_path / "words.txt", read)
    (tmp_path / "words.txt").write_text("?")
    with pytest.raises(SettingsError, match="it holds a question mark"):
        await WatchedFile.open("EASEL_WORDS", tmp_path / "words.txt", read)


async def test_a_file_that_is_being_written_is_not_believed(file: WatchedFile[list[str]]) -> None:
    """Bug: of a tokens file that was caught half written, a token that was cut was taken, and others were revoked."""
    file.path.write_text("a b")
    assert not await file.refresh_settled()
    file.path.write_text("a b c")
    assert not await file.refresh_settled()
    assert file.last_good == ["a"]
    assert await file.refresh_settled()
    assert file.last_good == ["a", "b", "c"]
