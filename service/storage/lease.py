"""This process's claim in the data folder, so that several may share it and a restart can tell which work died.

`running/<id>/lock` is locked for as long as the process lives; the system lets go of it however the process ends. The
folder also holds the temporary files of the process: they go when it goes, and a rename from here into place is atomic.

1. `running/gate` is held for every look at these folders and every change to them, so that no process sees another
   between making its folder and taking its lock, or takes the lock of a looking process for that of a living one.
2. An id is random and claimed once: the process of a dead id is dead for good.
3. A lock that is free, or a folder that is gone, means a dead process. `claim` removes the folders of dead processes.
4. `running/<id>/boot` names the run of the system. Of a process of the same run a lock tells for certain, also beyond
   this folder; one of another machine may live where the locks of a share do not reach.

All of it blocks for a moment: call it at start and at shutdown.
"""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from filelock import BaseFileLock, FileLock, Timeout

from service.storage.data_folder import PRIVATE_FOLDER, DataFolderError, needing

LEASE_ID: Final = re.compile(r"[0-9a-f]{32}")
RELEASED: Final = ""
"""The lease of a job, or of a task, that its process follows no longer."""

BOOT: Final = "boot"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""Another one after each start of the kernel, and the same in all containers on it (random(4))."""

GATE_TIMEOUT_S: Final = 10
"""The gate is held for milliseconds. A wait of this length means a stopped process, or a broken file system."""


class Lease:
    """A claim that is held. `id` marks the work of this process, `folder` takes its temporary files."""

    def __init__(self, running: Path, lease_id: str, lock: BaseFileLock, dead: frozenset[str] = frozenset()) -> None:
        self.id: Final = lease_id
        self.dead: Final = dead
        """The ids of processes of this run of the system that are dead, and that nobody had found so before."""

        self.folder: Final = running / lease_id
        self._running = running
        self._lock = lock

    @classmethod
    def claim(cls, data: Path, gate_timeout_s: float = GATE_TIMEOUT_S) -> Self:
        """Remove the folders of dead processes, and make one for this process. Creates the data folder.

        Raises `DataFolderError` when the data folder cannot be used.
        """
        running = data / "running"
        with needing(data):
            data.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
            running.mkdir(PRIVATE_FOLDER, exist_ok=True)
        with _gate(running, gate_timeout_s):
            dead = _remove_dead(running)
            lease_id = secrets.token_hex(16)
            (running / lease_id).mkdir(PRIVATE_FOLDER)
            with suppress(OSError):  # a full disk stops no start
                (running / lease_id / BOOT).write_text(_boot(), encoding="ascii")
            lock = _lock(running / lease_id / "lock")
            lock.acquire(timeout=0)
        return cls(running, lease_id, lock, dead)

    def alive(self, lease_id: str) -> bool:
        """True while the process that claimed this id runs. Once False, always False."""
        if LEASE_ID.fullmatch(lease_id) is None:
            return False
        with _gate(self._running):
            return _held(self._running / lease_id)

    def release(self) -> None:
        """Give the claim up and remove its folder, or leave that to the next start. Safe to call twice."""
        try:
            with _gate(self._running):
                self._lock.release()
                shutil.rmtree(self.folder, ignore_errors=True)
        except DataFolderError:
            self._lock.release()


def living(data: Path) -> int:
    """Return how many processes hold a claim in a data folder, which stays as it is. Raises `DataFolderError`."""
    running = data / "running"
    if not running.is_dir():
        return 0
    with _gate(running):
        return sum(_held(each) for each in running.iterdir() if LEASE_ID.fullmatch(each.name))


def _remove_dead(running: Path) -> frozenset[str]:
    """Remove the folders of dead processes; return the ids of those that were of this run of the system.

    One that cannot be removed must not stop the start.
    """
    dead = set()
    for folder in sorted(running.iterdir()):
        if LEASE_ID.fullmatch(folder.name) and not folder.is_symlink() and not _held(folder):
            with suppress(OSError, UnicodeDecodeError):
                if _boot() and (folder / BOOT).read_text(encoding="ascii") == _boot():
                    dead.add(folder.name)
            shutil.rmtree(folder, ignore_errors=True)
    return frozenset(dead)


def _boot() -> str:
    """Return the name of this run of the system; "" where the system has none."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _held(folder: Path) -> bool:
    if not folder.is_dir():  # asked first, since the library makes the folders that a lock lacks
        return False
    lock = _lock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


@contextmanager
def _gate(running: Path, timeout_s: float = GATE_TIMEOUT_S) -> Iterator[None]:
    gate = _lock(running / "gate")
    with needing(running):
        try:
            gate.acquire(timeout=timeout_s, poll_interval=0.005)
        except Timeout as error:
            raise DataFolderError(running, f"another process held {gate.lock_file} for too long") from error
        try:
            yield
        finally:
            gate.release()


def _lock(path: Path) -> BaseFileLock:
    """A lock of the operating system, which goes with the process; the library's substitute, a marker file, stays."""
    return FileLock(path, thread_local=False, fallback_to_soft=False)
