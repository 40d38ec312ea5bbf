"""The write-ahead log on the file system of the data folder."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from service.storage.data_folder import DataFolderError
from service.storage.file_system import SECOND, check_mode, kind_of, share_of, wal_problem
from service.storage.sqlite.database import Database

MOUNTS = r"""
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw,relatime shared:1 - nfs4 nas:/pictures rw,vers=4.2
31 22 0:41 / /mnt/nas/local rw,relatime - xfs /dev/sdb1 rw
32 22 0:42 / /mnt/my\040photos rw,relatime - cifs //nas/photos rw
33 22 0:43 / /mnt/twice rw - cifs //nas/a rw
34 22 0:44 / /mnt/twice rw - btrfs /dev/sdc1 rw
35 22 0:45 / /mnt/c rw,noatime - 9p drvfs rw
a line that is none
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return path


@pytest.mark.parametrize(("path", "kind"), [
    ("/srv/easel", "ext4"),
    ("/mnt/nas", "nfs4"),
    ("/mnt/nas/easel/data", "nfs4"),
    ("/mnt/nasty", "ext4"),
    ("/mnt/nas/local/data", "xfs"),
    ("/mnt/my photos/data", "cifs"),
    ("/mnt/twice", "btrfs"),
])  # fmt: skip
def test_the_file_system_of_a_path_is_that_of_the_innermost_mount(mounts: Path, path: str, kind: str) -> None:
    """Linux: proc_pid_mountinfo(5) writes a space as its octal number, and a later mount hides an earlier one."""
    assert kind_of(Path(path), mounts) == kind


def test_a_share_is_named_and_a_disk_is_none(mounts: Path, tmp_path: Path) -> None:
    assert share_of(Path("/mnt/nas"), mounts) == "nfs4, a share over the network"
    assert share_of(Path("/mnt/c/easel"), mounts) == "9p, a folder of the host or of Windows, shared with this system"
    assert share_of(Path("/srv"), mounts) == ""
    assert share_of(Path("/srv"), tmp_path / "no such table") == ""


def test_a_file_that_does_not_take_the_log_is_refused(tmp_path: Path) -> None:
    """SQLite: without a shared memory map the mode stays as it was, and no error tells. Here a VFS has no such map."""
    path = tmp_path / "easel.db"
    with closing(sqlite3.connect(f"file:{path}?vfs=unix-dotfile", uri=True)) as connection:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    assert mode == "delete"
    with pytest.raises(DataFolderError, match=r"does not take the write-ahead log .*'delete'.*EASEL_DATA_DIR"):
        check_mode(mode, path)


def test_a_start_on_a_file_that_does_not_take_the_log_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite: a database in memory, which this name stands for, refuses the mode as such a file system does."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataFolderError, match=r"journal mode 'memory' instead of 'wal'.*EASEL_DATA_DIR"):
        asyncio.run(Database.open(Path(":memory:")))


def test_a_disk_of_this_machine_has_no_problem_and_keeps_nothing(tmp_path: Path) -> None:
    assert wal_problem(tmp_path) == ""
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_a_problem(tmp_path: Path) -> None:
    assert "No such file or directory" in wal_problem(tmp_path / "missing")


@pytest.mark.parametrize(("here", "there", "words"), [
    pytest.param("BEGIN IMMEDIATE", "BEGIN", "locks do not hold between two processes", id="no lock is met"),
    pytest.param("sys.argv[1]", "f'file:{sys.argv[1]}?vfs=unix-none', uri=True", "does not see what another",
                 id="no memory is shared"),
])  # fmt: skip
def test_a_second_process_shows_what_is_broken(tmp_path: Path, here: str, there: str, words: str) -> None:
    """Ours: the second process meets here what it would meet on a file system without locks, or without a map."""
    assert words in wal_problem(tmp_path, SECOND.replace(here, there))
