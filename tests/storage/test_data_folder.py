"""The error that names the data folder, and writing that survives."""

import asyncio
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.storage.data_folder import DataFolderError, Secret, foreign_owner, needing, sync_folder, write_durably


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


OPEN_MANY_AND_SAY = """
import sys
from pathlib import Path
from service.storage.data_folder import Secret
sys.stdin.readline()
for data in sorted(Path(sys.argv[1]).iterdir()):
    print(Secret.open(data, Path(sys.argv[2])).derive("test").hex())
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_the_secret_is_made_once_and_read_ever_after(tmp_path: Path, scratch: Path) -> None:
    """Ours: picture links and sessions survive a restart."""
    first = Secret.open(tmp_path, scratch)
    assert Secret.open(tmp_path, scratch).derive("picture names") == first.derive("picture names")
    assert len((tmp_path / "secret").read_bytes()) == 32
    assert list(scratch.iterdir()) == []


def test_the_file_is_for_its_owner_alone(tmp_path: Path, scratch: Path) -> None:
    """Ours: who reads it can forge sessions and guess picture names."""
    Secret.open(tmp_path, scratch)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_each_folder_and_each_purpose_has_its_own_key(tmp_path: Path, scratch: Path) -> None:
    """RFC 5869, 3.2: a key for one purpose says nothing about another."""
    other = tmp_path / "other"
    other.mkdir()
    keys = {
        Secret.open(folder, scratch).derive(purpose)
        for folder in (tmp_path, other)
        for purpose in ("picture names", "session ids")
    }
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}


def test_derived_keys_stay_the_same_in_every_release() -> None:
    """Ours: links in old chats must go on working. `printf "picture names" | openssl dgst -sha256 -mac HMAC ...`"""
    expected = "0199fc4422483fb35c70b8080b6f5d158f14980102135c8cecaf3266ce175386"
    assert Secret(bytes(32)).derive("picture names").hex() == expected


def test_the_secret_does_not_show_itself(tmp_path: Path, scratch: Path) -> None:
    """Ours: keys never reach a log, not even by an argument in a traceback."""
    assert repr(Secret.open(tmp_path, scratch)) == "Secret()"


@pytest.mark.parametrize("content", [b"", b"x" * 31])
def test_a_short_secret_stops_the_start(tmp_path: Path, scratch: Path, content: bytes) -> None:
    """Ours: half a secret would be a guessable one, and a new one in its place would break every link."""
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(DataFolderError, match=r"secret: the secret has \d+ bytes.*EASEL_DATA_DIR"):
        Secret.open(tmp_path, scratch)
    assert (tmp_path / "secret").read_bytes() == content


def test_an_unreadable_secret_stops_the_start(tmp_path: Path, scratch: Path) -> None:
    """Ours: the message names the file and the setting."""
    (tmp_path / "secret").mkdir()
    with pytest.raises(DataFolderError, match="secret: Is a directory.*EASEL_DATA_DIR"):
        Secret.open(tmp_path, scratch)


def test_a_longer_secret_of_their_own_is_used(tmp_path: Path, scratch: Path) -> None:
    """Ours: who runs several machines hands the same secret to each."""
    (tmp_path / "secret").write_bytes(b"x" * 64)
    assert Secret.open(tmp_path, scratch).derive("a") == Secret(b"x" * 64).derive("a")


async def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    """Ours: with two secrets, half of the links would be dead after a restart. Many folders, so that some meet."""
    folders = 100
    for number in range(folders):
        (tmp_path / "data" / str(number)).mkdir(parents=True)
    starting = []
    for number in range(4):
        scratch = tmp_path / f"scratch{number}"
        scratch.mkdir()
        arguments = ["-c", OPEN_MANY_AND_SAY, str(tmp_path / "data"), str(scratch)]
        starting.append(
            await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        )
    said = await asyncio.gather(*(process.communicate(b"go\n") for process in starting))
    assert len({output for output, _ in said}) == 1
    assert len(set(said[0][0].split())) == folders
