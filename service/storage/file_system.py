"""The file system of the data folder: whether SQLite's write-ahead log works on it, and its name where it does not.

The log needs locks and a memory map that all processes on the folder share: "WAL does not work over a network
filesystem" (sqlite.org/wal.html). A file system without a shared map refuses the mode, which SQLite tells by another
mode than the one that was asked for. Others take it and break it, so `wal_problem` tries it with a second process.
"""

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from service.storage.data_folder import DataFolderError
from service.troubles import described

MOUNTS: Final = Path("/proc/self/mountinfo")
"""The mounts of this process, on Linux (proc_pid_mountinfo(5))."""

SHARES: Final[Mapping[str, str]] = {
    "nfs": "a share over the network",
    "nfs4": "a share over the network",
    "cifs": "a Windows share over the network",
    "smb3": "a Windows share over the network",
    "ncpfs": "a share over the network",
    "9p": "a folder of the host or of Windows, shared with this system",
    "drvfs": "a folder of Windows, shared with this system",
    "virtiofs": "a folder of the host, shared with this system",
    "vboxsf": "a folder of the host, shared with this system",
    "fuse.sshfs": "a share over the network",
    "fuse.rclone": "a share over the network",
    "fuse.s3fs": "a share over the network",
    "fuse.vmhgfs-fuse": "a folder of the host, shared with this system",
    "fuse.grpcfuse": "a folder of the host, shared with this system",
    "fakeowner": "a folder of the host, shared with this system",
}
"""File systems that more than one machine may use, by their names in the table of mounts."""

ANSWER_S: Final = 20
"""Seconds for the second process: it takes a tenth of one."""

SECOND: Final = """
import sqlite3, sys
one = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
def count():
    return one.execute("SELECT count(*) FROM probe").fetchone()[0]
seen = count()
try:
    one.execute("BEGIN IMMEDIATE")
    print(seen, "both-wrote", flush=True)
except sqlite3.OperationalError:
    print(seen, "waits", flush=True)
sys.stdin.readline()
seen = count()
one.execute("INSERT INTO probe VALUES (0)")
print(seen, "wrote", flush=True)
"""


def check_mode(mode: str, path: Path) -> None:
    """Raise `DataFolderError` where SQLite answered another journal mode than `wal` for a file."""
    if mode != "wal":
        raise DataFolderError(
            path,
            f"{_named(path)} does not take the write-ahead log of SQLite (journal mode {mode!r} instead of 'wal'); use "
            "a folder on a disk of this machine, or in a container a named volume",
        )


def wal_problem(folder: Path, second: str = SECOND) -> str:
    """Return why the write-ahead log does not work in a folder, with advice; "" where it does. Blocks for a moment.

    Two processes write to a small file in a folder of its own, which is removed again. `second` is the program of
    the other one.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".easel-probe-", dir=folder) as scratch:
            found = _try_two_processes(Path(scratch) / "probe.db", second)
    except DataFolderError as error:
        return str(error)
    except (OSError, sqlite3.Error, subprocess.SubprocessError) as error:
        found = described(error)
    if not found:
        return ""
    return f"{_named(folder)} breaks the history: {found}; let EASEL_DATA_DIR name a folder on a disk of this machine"


def share_of(path: Path, mounts: Path = MOUNTS) -> str:
    """Return what kind of share a path lies on, such as "nfs, a share over the network"; "" for any other disk."""
    kind = kind_of(path, mounts)
    return f"{kind}, {SHARES[kind]}" if kind in SHARES else ""


def kind_of(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the name of the file system that a path lies on, such as ext4; "" where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    wanted, best, kind = path.resolve(), -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        if len(point) >= best and wanted.is_relative_to(point):  # a later mount hides an earlier one
            best, kind = len(point), after.split(" ")[0]
    return kind


def _named(path: Path) -> str:
    kind = share_of(path) or kind_of(path)
    return f"its file system ({kind})" if kind else "its file system"


def _try_two_processes(path: Path, program: str) -> str:
    """Write in turns with a second process; return what went wrong, "" for nothing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as one:
        check_mode(one.execute("PRAGMA journal_mode = WAL").fetchone()[0], path)
        one.execute("CREATE TABLE probe (n)")
        one.execute("INSERT INTO probe VALUES (0)")
        one.execute("BEGIN IMMEDIATE")
        one.execute("INSERT INTO probe VALUES (0)")
        with subprocess.Popen(  # noqa: S603 - the interpreter that runs this, and a program written above
            [sys.executable, "-c", program, os.fspath(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as second:
            assert second.stdout is not None  # noqa: S101 - it is a pipe
            first_look = second.stdout.readline().strip()
            one.execute("COMMIT")
            last_look, _ = second.communicate("\n", timeout=ANSWER_S)
        count = one.execute("SELECT count(*) FROM probe").fetchone()[0]
    if first_look == "1 both-wrote":
        return "locks do not hold between two processes"
    seen = first_look == "1 waits" and last_look.strip() == "2 wrote" and count == 3
    return "" if seen else "one process does not see what another has written"
