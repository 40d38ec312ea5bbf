"""The parts of a backup: copies that are whole under their names, and digests that are read back."""

import hashlib
from pathlib import Path

import pytest

from service.storage.backup_folder import BackupError, copy, locked, read_sums, telling, write, write_sums

NAME = "0123456789abcdef0123456789abcdef.png"


def test_a_copy_replaces_what_a_crash_left(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"whole")
    (tmp_path / "two.part").write_bytes(b"who")
    assert copy(tmp_path / "one", tmp_path / "two") == hashlib.sha256(b"whole").hexdigest()
    assert (tmp_path / "two").read_bytes() == b"whole"
    assert {each.name for each in tmp_path.iterdir()} == {"one", "two"}


def test_digests_are_read_back_and_other_lines_passed_over(tmp_path: Path) -> None:
    assert read_sums(tmp_path) == {}
    write_sums(tmp_path, {NAME: "a" * 64})
    assert (tmp_path / "SHA256SUMS").read_text() == f"{'a' * 64}  files/01/{NAME}\n"
    with (tmp_path / "SHA256SUMS").open("a") as file:
        file.write("no line of sha256sum\n")
    assert read_sums(tmp_path) == {NAME: "a" * 64}


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    write(tmp_path / "file", "old")
    write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_locked_for_one(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(BackupError, match="is under way"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_refusal_of_the_system_is_told_with_its_advice(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="The backup failed: No such file or directory"), telling("The backup failed"):
        (tmp_path / "missing").read_bytes()
