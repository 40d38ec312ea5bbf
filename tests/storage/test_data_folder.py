"""The error that names the data folder, and writing that survives."""

import errno
import os
import stat
from pathlib import Path

import pytest

from service.storage.data_folder import DataFolderError, foreign_owner, needing, sync_folder, write_durably


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


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    """Ours: two writers of one name are a mistake that must show."""
    path = tmp_path / "file"
    path.write_bytes(b"first")
    with pytest.raises(FileExistsError):
        write_durably(path, b"second")
    assert path.read_bytes() == b"first"
