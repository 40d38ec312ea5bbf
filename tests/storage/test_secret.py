"""The secret of an installation, from its file or from a setting."""

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.storage.data_folder import DataFolderError
from service.storage.secret import Secret, SecretError

OPEN_MANY_AND_SAY = """
import sys
from pathlib import Path
from service.storage.secret import Secret
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


def test_the_digits_of_a_file_stand_for_the_file(tmp_path: Path, scratch: Path) -> None:
    """Ours: an installation that grows takes its secret along, and every link and session with it."""
    kept = Secret.open(tmp_path, scratch)
    written = (tmp_path / "secret").read_bytes().hex()
    assert Secret.read(written) == Secret.read(written.upper()) == kept


def test_any_long_text_is_a_secret() -> None:
    assert Secret.read("correct horse battery staple, and more") == Secret(b"correct horse battery staple, and more")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "has 0 bytes and needs at least 32; make one with: openssl rand -hex 32", id="none"),
        pytest.param("0123456789abcdef" * 3, None, id="24 bytes in digits, which are 48 of text"),
        pytest.param("short", "has 5 bytes", id="a word"),
        pytest.param("changeme" * 8, "is easy to guess", id="a word again and again"),
    ],
)
def test_a_text_that_is_too_short_or_guessable_is_none(text: str, complaint: str | None) -> None:
    if complaint is None:
        assert Secret.read(text) == Secret(text.encode())
        return
    with pytest.raises(SecretError, match=complaint) as refused:
        Secret.read(text)
    assert not text or text not in str(refused.value)


def test_a_fingerprint_tells_secrets_apart_and_nothing_of_them() -> None:
    """Ours: replicas compare it in the database, which others may read."""
    one, other = Secret(b"a" * 32), Secret(b"b" * 32)
    assert one.fingerprint == Secret(b"a" * 32).fingerprint != other.fingerprint
    assert one.fingerprint not in {one.derive(purpose).hex()[:32] for purpose in ("picture names", "session ids")}
