"""Claims in a data folder that several processes share."""

import asyncio
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from service.storage.data_folder import DataFolderError
from service.storage.lease import Lease, living

CLAIM_AND_WAIT = """
import sys
from pathlib import Path
from service.storage.lease import Lease
lease = Lease.claim(Path(sys.argv[1]))
print(lease.id, flush=True)
sys.stdin.read()
lease.release()
"""


@contextmanager
def claiming_process(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that claims, prints its id, and releases once its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM_AND_WAIT, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_first_claim_makes_a_private_data_folder(tmp_path: Path) -> None:
    """Ours: a newcomer starts with no folder at all, and what is kept in it is theirs alone."""
    lease = Lease.claim(tmp_path / "deep" / "data")
    assert lease.folder.is_dir()
    assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700
    lease.release()


def test_a_living_process_is_seen_and_left_alone(tmp_path: Path) -> None:
    """Ours: several processes share one folder, and none ends the work of another."""
    with claiming_process(tmp_path) as (_, other):
        lease = Lease.claim(tmp_path)
        assert lease.alive(other)
        assert lease.alive(lease.id)
        assert (tmp_path / "running" / other / "lock").exists()
        lease.release()


def test_living_processes_are_counted_and_nothing_is_made(tmp_path: Path) -> None:
    assert living(tmp_path) == 0
    assert not list(tmp_path.iterdir())
    with claiming_process(tmp_path) as (process, _), claiming_process(tmp_path):
        assert living(tmp_path) == 2
        process.kill()
        process.wait()
        assert living(tmp_path) == 1


def test_a_killed_process_is_dead_and_its_folder_goes(tmp_path: Path) -> None:
    """Ours: a crash at any moment leaves nothing behind after the next start."""
    with claiming_process(tmp_path) as (process, killed):
        (tmp_path / "running" / killed / "half a picture").write_bytes(b"\x89PNG")
        process.send_signal(signal.SIGKILL)
        process.wait()
    lease = Lease.claim(tmp_path)
    assert not lease.alive(killed)
    assert not (tmp_path / "running" / killed).exists()
    lease.release()


def test_a_process_that_was_killed_in_this_run_of_the_system_is_dead_for_certain(tmp_path: Path) -> None:
    """Ours: its work may go on at once. One of another machine may live, where locks of a share do not reach."""
    with claiming_process(tmp_path) as (here, ours), claiming_process(tmp_path) as (there, theirs):
        (tmp_path / "running" / theirs / "boot").write_text("that of another machine")
        for process in (here, there):
            process.kill()
            process.wait()
    lease = Lease.claim(tmp_path)
    assert lease.dead == {ours}
    lease.release()
    again = Lease.claim(tmp_path)
    assert again.dead == frozenset(), "it is told once"
    again.release()


def test_a_process_that_stopped_cleanly_leaves_no_folder(tmp_path: Path) -> None:
    """Ours: `running` holds those that run."""
    with claiming_process(tmp_path) as (process, left):
        process.communicate()
    assert not (tmp_path / "running" / left).exists()
    lease = Lease.claim(tmp_path)
    assert not lease.alive(left)
    lease.release()


def test_a_folder_without_a_lock_is_dead(tmp_path: Path) -> None:
    """Ours: a process may die between making its folder and taking its lock."""
    (tmp_path / "running" / ("a" * 32)).mkdir(parents=True)
    lease = Lease.claim(tmp_path)
    assert {path.name for path in (tmp_path / "running").iterdir()} == {"gate", lease.id}
    lease.release()


def test_what_is_no_claim_is_left_alone(tmp_path: Path) -> None:
    """Ours: clearing up removes nothing that we did not make, and follows no link out of the folder."""
    running = tmp_path / "running"
    precious = tmp_path / "precious"
    precious.mkdir()
    (running / "notes").mkdir(parents=True)
    (running / ("b" * 32)).symlink_to(precious)
    lease = Lease.claim(tmp_path)
    assert precious.is_dir()
    assert (running / "notes").is_dir()
    lease.release()


@pytest.mark.parametrize("name", ["", "..", "../..", "a" * 31, "A" * 32, "a" * 32 + "\n"])
def test_an_id_of_another_form_is_not_alive(tmp_path: Path, name: str) -> None:
    """Ours: ids come back from the database, and are matched before they become a path."""
    lease = Lease.claim(tmp_path)
    assert not lease.alive(name)
    lease.release()


def test_release_twice_is_one_release(tmp_path: Path) -> None:
    """Ours: shutdown paths cross."""
    lease = Lease.claim(tmp_path)
    lease.release()
    lease.release()
    assert not lease.folder.exists()


async def test_processes_that_start_at_once_never_take_each_other_for_dead(tmp_path: Path) -> None:
    """Ours: an orchestrator starts several at the same moment; each has its claim, and nobody's was cleared."""
    starting = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLAIM_AND_WAIT, str(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(8)
    ]
    said = []
    for process in starting:
        assert process.stdout is not None
        said.append((await process.stdout.readline()).decode().strip())
    folders = {path.name for path in (tmp_path / "running").iterdir() if path.is_dir()}
    for process in starting:
        await process.communicate(b"")
    assert folders == set(said)
    assert [path.name for path in (tmp_path / "running").iterdir()] == ["gate"]


def test_a_data_folder_that_is_a_file_stops_the_start(tmp_path: Path) -> None:
    """Ours: the message names the path, the reason and the setting."""
    (tmp_path / "data").write_text("")
    with pytest.raises(DataFolderError, match="File exists.*EASEL_DATA_DIR"):
        Lease.claim(tmp_path / "data")


def test_a_gate_that_stays_shut_stops_the_start(tmp_path: Path) -> None:
    """Ours: a stopped process that holds the gate must not make ours hang without a word."""
    (tmp_path / "running").mkdir()
    with FileLock(tmp_path / "running" / "gate"), pytest.raises(DataFolderError, match="held .*gate for too long"):
        Lease.claim(tmp_path, gate_timeout_s=0)
