"""The folders of the tests in memory, where there is room: half of what many a test takes is waiting for a disk.

The service keeps what it answers for with fsync(2), several times for each picture. Tests that it outlives a failure
kill processes and not machines, so they ask for nothing of a disk that a file system in memory has not.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ROOM: Final = 4_000_000_000
"""Bytes that have to be free. A run needs a tenth of it; containers often have 64 MB there."""


def use() -> None:
    """Put what this process and its children make as temporary there, unless it was told where else."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return
    if min(shutil.disk_usage(MEMORY).free, _free_memory()) < ROOM:
        return
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _free_memory() -> int:
    """Memory that programs can have without swapping: a file system in it may be promised more than there is."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            return int(amount.split()[0]) * 1024
    return 0
