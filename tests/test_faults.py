"""The whole service on a machine in trouble: callers hear it soon, nothing is paid in vain, and work goes on after it.

Each fault is a real one (`tests/faults.py`). It comes while the image service draws, which is paid for, or before a
call, which is to cost nothing then.
"""

import asyncio
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests import refused_calls
from tests.faults import OBEYING_MODES, ON_TMPFS, SERVICE, SOON_S, Faulty, faulty, fill, may_mount
from tests.paths import ROOT
from tests.wire import until

Fault = Callable[[Faulty], AbstractContextManager[None]]


@contextmanager
def full_disk(service: Faulty) -> Iterator[None]:
    filler = fill(service.seen_data)
    yield
    filler.unlink()


@contextmanager
def no_larger_files(service: Faulty) -> Iterator[None]:
    with service.limited(resource.RLIMIT_FSIZE, 0):
        yield


@contextmanager
def no_descriptors(service: Faulty) -> Iterator[None]:
    with service.limited(resource.RLIMIT_NOFILE, 3):
        yield


@contextmanager
def no_memory(service: Faulty) -> Iterator[None]:
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[0])
    with service.limited(resource.RLIMIT_AS, pages * resource.getpagesize() - 1):
        yield


@contextmanager
def locked_history(service: Faulty) -> Iterator[None]:
    other = sqlite3.connect(service.data / "easel.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@contextmanager
def unwritable_folders(service: Faulty) -> Iterator[None]:
    folders = [path for path in service.data.rglob("*") if path.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    yield
    for folder in folders:
        folder.chmod(0o700)


@contextmanager
def removed_folder(service: Faulty) -> Iterator[None]:
    """Moved away, with an empty one in its place: as when a disk is taken off."""
    away = service.data.with_name("away")
    service.data.rename(away)
    service.data.mkdir()
    yield
    service.data.rmdir()  # nothing was written into it
    away.rename(service.data)


needs_mounts = pytest.mark.skipif(not may_mount(), reason="no mounts here; `no larger files` is refused as well")
FULL = pytest.param(full_disk, "the disk is full", ON_TMPFS, id="full disk", marks=needs_mounts)
LARGE = pytest.param(no_larger_files, "the system limits the size of files", OBEYING_MODES, id="no larger files")
LOCKED = pytest.param(locked_history, "another program has locked the history", OBEYING_MODES, id="locked history")
FORBIDDEN = pytest.param(unwritable_folders, "may not write there", OBEYING_MODES, id="unwritable folders")
GONE = pytest.param(removed_folder, "is gone", OBEYING_MODES, id="removed folder")
DESCRIPTORS = pytest.param(no_descriptors, "too many files are open", OBEYING_MODES, id="no descriptors")
MEMORY = pytest.param(no_memory, "too little memory", OBEYING_MODES, id="no memory")
NO_WRITE = pytest.param(no_larger_files, "the disk does not read or write", OBEYING_MODES, id="no larger files")


def left_behind(data: Path) -> list[str]:
    """Drafts and arrivals, of which none is to be there once all rows tell how their jobs ended."""
    drafts = [path for path in (data / "running").glob("*/*") if path.name not in {"boot", "lock"}]
    return [path.name for path in (*drafts, *(data / "arrived").iterdir())]


@pytest.mark.parametrize(("fault", "words", "before"), [FULL, LARGE, LOCKED, FORBIDDEN, GONE, DESCRIPTORS, MEMORY])
async def test_a_picture_that_is_being_paid_for_outlives_the_fault(
    tmp_path: Path,
    fault: Fault,
    words: str,
    before: tuple[str, ...],
) -> None:
    """Bug: with too few descriptors the picture was called damaged, and with too little memory an internal error."""
    async with faulty(tmp_path, before) as service:
        call = asyncio.create_task(service.client.call("generate", {"prompt": "a fox [slow]"}))
        await service.upstream.silent.wait()
        with fault(service):
            service.upstream.go_on.set()
            async with asyncio.timeout(SOON_S):
                told = (await call)["content"][0]["text"]
            assert words in told
            assert "Nothing is lost" in told
        assert await service.state("a fox [slow]") == "done"
        assert "![after](" in await service.draw("after")
        assert service.upstream.charges == {"a fox [slow]": 1, "after": 1}
        assert left_behind(service.seen_data) == []
        await until(lambda: words in service.log)  # a thread writes it
        lines = [line for line in service.log.splitlines() if words in line]
        assert all("To mend it: " in line for line in lines)
        assert len(lines) <= 2, "the log is flooded"


@pytest.mark.parametrize(("fault", "words", "before"), [FULL, NO_WRITE, LOCKED, GONE])
async def test_work_that_cannot_be_written_down_is_refused_and_costs_nothing(
    tmp_path: Path,
    fault: Fault,
    words: str,
    before: tuple[str, ...],
) -> None:
    """Ours: without its row a picture could not be found again. Callers do not wait for one another either."""
    async with faulty(tmp_path, before) as service:
        assert "![one](" in await service.draw("one")
        with fault(service):
            async with asyncio.timeout(SOON_S):
                told = await asyncio.gather(*(service.draw(f"fox {number}") for number in range(6)))
            assert all(words in each and "Nothing was charged" in each for each in told)
            assert await service.state("one") == "done", "the history is still there to be read"
        assert await service.state("fox 1") == "absent"
        assert "![after](" in await service.draw("after")
        assert service.upstream.charges == {"one": 1, "after": 1}
        await until(lambda: words in service.log)  # a thread writes it
        assert sum(words in line and "To mend it: " in line for line in service.log.splitlines()) == 1


async def test_a_call_for_which_no_connection_can_be_opened_costs_nothing_and_says_why(tmp_path: Path) -> None:
    """Bug: the image service was said to accept no connections, and its address was to be looked at."""
    async with faulty(tmp_path, EASEL_RETRIES="0") as service:
        assert await service.state("nothing yet") == "absent"  # the client is connected now
        held = asyncio.create_task(service.draw("a fox [slow]"))  # which takes the open connection to the service
        await service.upstream.silent.wait()
        await service.state("nothing yet")
        with no_descriptors(service):
            told = await service.draw("a second fox")
        assert "too many files are open" in told
        assert "nothing was charged" in told
        service.upstream.go_on.set()
        await held
        assert await service.state("a second fox") == "failed"
        assert "![after](" in await service.draw("after")
        assert service.upstream.charges == {"a fox [slow]": 1, "after": 1}


async def test_a_history_that_is_damaged_while_it_is_open_is_said_to_be(tmp_path: Path) -> None:
    async with faulty(tmp_path) as service:
        await service.draw("one")
        with sqlite3.connect(service.data / "easel.db") as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (service.data / "easel.db").open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        told = await service.draw("a fox")
        assert "the history is damaged" in told
        assert "from a backup" in told
        assert "Nothing was charged" in told
        assert "a fox" not in service.upstream.charges


def refused_start(folder: Path, *before: str) -> str:
    """Start the service; return its last words, which come soon."""
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "EASEL_PORT": "0", "EASEL_DATA_DIR": str(folder / "data")}
    ended = subprocess.run(
        [*OBEYING_MODES, *before, *SERVICE], check=False, capture_output=True, text=True, cwd=folder, env=env,
        timeout=SOON_S,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    return ended.stderr


async def started_once(folder: Path) -> Path:
    """A data folder that a service has left."""
    async with faulty(folder) as service:
        await service.draw()
    return folder / "data"


async def test_a_start_with_a_locked_history_says_so(tmp_path: Path) -> None:
    data = await started_once(tmp_path)
    other = sqlite3.connect(data / "easel.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    said = await asyncio.to_thread(refused_start, tmp_path)
    other.close()
    assert "locked" in said


async def test_a_start_with_something_else_in_the_place_of_the_history_says_so(tmp_path: Path) -> None:
    data = await started_once(tmp_path)
    for path in data.glob("easel.db*"):
        path.unlink()
    (data / "easel.db").write_bytes(b"This was a history." * 1000)
    said = await asyncio.to_thread(refused_start, tmp_path)
    assert "the history is damaged" in said
    assert (data / "easel.db").read_bytes() == b"This was a history." * 1000, "nobody's file is overwritten"


async def test_a_start_with_a_damaged_history_says_so(tmp_path: Path) -> None:
    """Bug: it ended with a traceback where the damage was not in the first page, which is looked at first."""
    data = await started_once(tmp_path)
    with sqlite3.connect(data / "easel.db") as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(page,)] = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_working'").fetchall()
    with (data / "easel.db").open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)
    said = await asyncio.to_thread(refused_start, tmp_path)
    assert "the history is damaged" in said
    assert "EASEL_DATA_DIR" in said


async def test_a_start_with_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    data = await started_once(tmp_path)
    for path in (data, *(path for path in data.rglob("*") if path.is_dir())):
        path.chmod(0o500)
    said = await asyncio.to_thread(refused_start, tmp_path)
    for path in (data, *(path for path in data.rglob("*") if path.is_dir())):
        path.chmod(0o700)
    assert "Permission denied" in said
    assert "EASEL_DATA_DIR" in said


@pytest.mark.skipif(not may_mount(), reason="no mounts here; see the test above")
async def test_a_start_on_a_read_only_disk_says_so(tmp_path: Path) -> None:
    await started_once(tmp_path)
    mount = (
        'mount --bind "$EASEL_DATA_DIR" "$EASEL_DATA_DIR" && mount -o remount,bind,ro "$EASEL_DATA_DIR" && exec "$@"'
    )
    said = await asyncio.to_thread(refused_start, tmp_path, *ON_TMPFS[:6], mount, "sh")
    assert "it is read-only" in said
    assert "EASEL_DATA_DIR" in said


needs_filters = pytest.mark.skipif(not refused_calls.is_possible(), reason="needs the filters of Linux")


def refusing(*calls: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.refused_calls", *calls, "--")


@needs_filters
@pytest.mark.parametrize("error", ["ENOSYS", "EOPNOTSUPP", "ENOLCK"])
async def test_a_start_on_a_file_system_without_locks_says_so(tmp_path: Path, error: str) -> None:
    """Ours: two processes could not tell each other's work from that of a dead one, and pay twice."""
    said = await asyncio.to_thread(refused_start, tmp_path, *refusing(f"flock={error}"))
    assert "its file system has no locks" in said
    assert "EASEL_DATA_DIR" in said


@needs_filters
@pytest.mark.parametrize("error", ["EPERM", "EOPNOTSUPP"])
async def test_a_file_system_without_hard_links_will_do(tmp_path: Path, error: str) -> None:
    """Bug: the start ended there, though nothing but the first secret needs a link."""
    async with faulty(tmp_path, refusing(f"link={error}")) as service:
        assert "![a fox](" in await service.draw()
    async with faulty(tmp_path) as service:
        assert await service.state("a fox") == "done"
