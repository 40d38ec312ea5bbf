"""A move that is killed when it has copied some pictures: `python -m tests.crashing_move OLD NEW COUNT`."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import ClassVar

from service.storage.arrivals import DiskArrivals
from service.storage.disk import DiskFiles
from service.storage.lease import Lease
from service.storage.moving.mover import Place, move
from service.storage.moving.sqlite_records import FolderRecords


class CrashingFiles(DiskFiles):
    """Files of which so many are kept, and no more."""

    count: ClassVar[int] = 0
    begun: ClassVar[int] = 0
    kept: ClassVar[int] = 0

    async def keep_named(self, name: str, data: bytes) -> None:
        """Keep a picture, and end the process after the last one as the system does when the memory is full."""
        CrashingFiles.begun += 1
        if CrashingFiles.begun > CrashingFiles.count:
            await asyncio.Event().wait()
        await super().keep_named(name, data)
        CrashingFiles.kept += 1
        if CrashingFiles.kept == CrashingFiles.count:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(old: Path, new: Path, count: int) -> None:
    CrashingFiles.count = count
    places = []
    for data in (old, new):
        scratch = Lease.claim(data).folder
        files = await CrashingFiles.open(data / "files", scratch, b"k" * 32)
        arrivals = await DiskArrivals.open(data / "arrived", scratch)
        places.append(Place(records=FolderRecords(data), files=files, arrivals=arrivals))
    source, target = places
    await move(source, target, lambda *_: None, records=True, files=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
