"""A process that writes jobs and pictures until it is killed: `python -m tests.crashing_writer <data folder>`.

It says a line for each thing that was acknowledged to it: `lease <id>`, `begun <history id>`, `kept <name>`,
`done <history id> <name>`, `deleted <history id>`, and before that `deleting <history id>`. Several jobs run at once,
so that a kill meets every step of some.
"""

import asyncio
import sys
from pathlib import Path

from service.images import LOCAL_OWNER, ImageRequest, KeptPicture
from service.storage.disk import DiskFiles
from service.storage.lease import Lease
from service.storage.secret import Secret
from service.storage.sqlite.store import SqliteStore

WRITERS = 4
PICTURE_BYTES = 200_000


def say(*words: object) -> None:
    """One whole line, at once: a line that arrives was acknowledged."""
    print(*words, flush=True)


async def write(writer: int, store: SqliteStore, files: DiskFiles) -> None:
    """Make one job after the other, each with one picture of its own, and delete every third."""
    while True:
        request = ImageRequest(model="sketch", prompt=f"writer {writer}")
        job = (await store.begin(LOCAL_OWNER, request, "sketch", "")).job
        say("begun", job.history_id)
        name = await files.keep(LOCAL_OWNER, picture_bytes(job.history_id), "image/png")
        say("kept", name)
        picture = KeptPicture(name=name, media_type="image/png", width=1, height=1, size=PICTURE_BYTES)
        await store.finish(await store.mark_submitted(job), [picture])
        say("done", job.history_id, name)
        if job.history_id % 3 == 0:
            say("deleting", job.history_id)
            await store.delete(LOCAL_OWNER, job.history_id)
            say("deleted", job.history_id)


def picture_bytes(history_id: int) -> bytes:
    """Bytes that differ for each job, and whose length tells a whole file from a part."""
    return history_id.to_bytes(8, "big") * (PICTURE_BYTES // 8)


async def main(data: Path) -> None:
    """Open the data folder as the service does, and write."""
    lease = Lease.claim(data)
    say("lease", lease.id)
    store = await SqliteStore.open(data / "easel.sqlite3", lease.id, lease.alive)
    files = await DiskFiles.open(data / "files", lease.folder, Secret.open(data, lease.folder).derive("picture names"))
    async with asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(write(writer, store, files))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
