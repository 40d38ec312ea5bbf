"""The error that names the data folder, and writing that survives."""

import asyncio
import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.storage.data_folder import (
    ENTRIES,
    DataFolderError,
    foreign_owner,
    make_private,
    needing,
    sync_folder,
    write_durably,
)
from service.storage.opened import open_storage


def test_what_the_system_refuses_names_the_path_the_reason_and_the_setting(tmp_path: Path) -> None:
    """Ours: the person reads one line at start, and must know what to change."""
    with pytest.raises(DataFolderError) as caught, needing(tmp_path / "here"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(tmp_path / "here") in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert "EASEL_DATA_DIR" in str(caught.value)


def test_a_folder_of_another_user_is_told_with_the_cure(tmp_path: Path) -> None:
    """Ours: a volume that an engine made belongs to root, and "Permission denied" alone does not say so."""
    mine = os.geteuid()
    told = foreign_owner(tmp_path / "data" / "files", uid=mine + 1)
    assert told == (
        f"; {tmp_path} belongs to uid {mine}, this process is uid {mine + 1}: chown -R {mine + 1} {tmp_path}, "
        "or mount it with :U in podman"
    )


def test_a_folder_of_its_own_is_not_blamed_on_its_owner(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match=r": Permission denied \(EASEL_DATA_DIR"), needing(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_other_errors_pass_through(tmp_path: Path) -> None:
    """Ours: a bug is not the disk's fault."""
    with pytest.raises(ValueError, match="bug"), needing(tmp_path):
        raise ValueError("bug")


def test_a_written_file_is_whole_and_private(tmp_path: Path) -> None:
    """Ours: nobody else on the machine reads prompts, pictures or the secret."""
    path = tmp_path / "file"
    write_durably(path, b"bytes")
    sync_folder(tmp_path)
    assert path.read_bytes() == b"bytes"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def modes(folder: Path) -> dict[str, int]:
    """The rights of a folder and of all in it, by path."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}


async def opened_and_used(data: Path) -> dict[str, int]:
    """The rights of a data folder while it is in use, its log of SQLite included."""
    async with contextlib.AsyncExitStack() as stack:
        storage = await open_storage(data, stack)
        name = await storage.files.keep("anna", b"a picture", "image/png")
        await storage.store.add_file("anna", name, 9)
        await storage.ended_sessions.add("session", time.time() + 9)
        found = modes(data)
    return found | {f"{name} at the end": mode for name, mode in modes(data).items()}


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
async def test_nobody_else_can_read_a_new_data_folder_whatever_the_umask_is(tmp_path: Path) -> None:
    """Ours: SQLite makes its log with the rights of the database, and a library the locks."""
    found = await opened_and_used(tmp_path / "data")
    assert {"easel.db", "easel.db-wal", "easel.db-shm", "secret", "running/gate"} <= found.keys()
    assert {path for path, mode in found.items() if mode & 0o077} == set()
    assert {name.partition("/")[0] for name in found if "at the end" not in name} <= ENTRIES | {"."}


async def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """Bug: the database of an earlier version, or in a folder made by hand, stayed readable for the whole machine."""
    data = tmp_path / "data"
    await opened_and_used(data)
    for path in (data, *data.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    found = await opened_and_used(data)
    assert {path for path, mode in found.items() if mode & 0o077} == set()


def test_things_of_others_in_the_folder_stay_as_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ours: EASEL_DATA_DIR may name a home, or a folder of the whole machine. The log says so."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "notes.txt").chmod(0o644)
    tmp_path.chmod(0o755)
    found = asyncio.run(opened_and_used(tmp_path))
    assert {path for path, mode in found.items() if mode & 0o077} == {
        ".", "notes.txt", ". at the end", "notes.txt at the end"
    }  # fmt: skip
    assert f"Other users of this machine can look into {tmp_path}, which also holds notes.txt" in caplog.text


def test_no_link_is_followed_out_of_the_folder(tmp_path: Path) -> None:
    """Ours: whoever could write into the folder would choose whose rights are changed."""
    outside, data = tmp_path / "outside", tmp_path / "data"
    data.mkdir()
    outside.mkdir()
    for name in ("linked", "hard"):
        (outside / name).write_text("not ours")
        (outside / name).chmod(0o644)
    outside.chmod(0o755)
    (data / "files").symlink_to(outside)
    (data / "easel.db").symlink_to(outside / "linked")
    (data / "secret").hardlink_to(outside / "hard")
    make_private(data)
    assert modes(outside) == {".": 0o755, "linked": 0o644, "hard": 0o644}


def test_a_file_system_that_keeps_its_rights_is_told_and_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: folders of a Windows or macOS host refuse in a container, or do nothing. No such mount can be had here."""
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "secret").chmod(0o644)
    tmp_path.chmod(0o755)

    def refuse(descriptor: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for refusal in (refuse, lambda *_: None):
        monkeypatch.setattr(os, "fchmod", refusal)
        caplog.clear()
        make_private(tmp_path)
        assert f"Other users of this machine can read {tmp_path} and 1 more" in caplog.text
        assert f"chmod -R go= {tmp_path}" in caplog.text


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    """Ours: two writers of one name are a mistake that must show."""
    path = tmp_path / "file"
    path.write_bytes(b"first")
    with pytest.raises(FileExistsError):
        write_durably(path, b"second")
    assert path.read_bytes() == b"first"
