"""A request is paid for once, also by several processes that share a file, and after one of them died."""

import asyncio
import subprocess
import sys
from pathlib import Path

from service.storage.lease import Lease
from service.storage.sqlite.jobs import SELECT_TO_JOIN
from service.storage.sqlite.store import SqliteStore
from service.storage.store import Begun, Store
from tests.stores import REQUEST, Clock

BEGIN_ON_A_LINE = """
import asyncio, sys
from pathlib import Path
from service.storage.lease import Lease
from service.storage.sqlite.store import SqliteStore
from service.storage.sqlite.jobs import SELECT_TO_JOIN
from tests.stores import REQUEST

async def main():
    data = Path(sys.argv[1])
    lease = Lease.claim(data)
    store = await SqliteStore.open(data / "easel.sqlite3", lease.id, lease.alive)
    print("ready", flush=True)
    for line in sys.stdin:
        begun = await store.begin("ann", REQUEST, "kiln", line.strip())
        print(begun.job.history_id, begun.joined, flush=True)
    await store.close()

asyncio.run(main())
"""


async def again(store: Store, owner: str = "ann", fingerprint: str = "f") -> Begun:
    return await store.begin(owner, REQUEST, "kiln", fingerprint)


async def opened(folder: Path, lease: str, *dead: str) -> SqliteStore:
    """The store of a process that knows who is dead."""
    return await SqliteStore.open(folder / "easel.sqlite3", lease, lambda each: each not in dead, Clock(1_000.0))


async def test_two_processes_that_begin_at_once_make_one_job(tmp_path: Path) -> None:
    """Ours: the same call through two processes is charged once, each time that they meet."""
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", BEGIN_ON_A_LINE, tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    pipes = [(writer.stdin, writer.stdout) for writer in writers if writer.stdin and writer.stdout]
    assert [await out.readline() for _, out in pipes] == [b"ready\n"] * 3
    for pipe, _ in pipes:
        pipe.writelines(b"fingerprint %d\n" % n for n in range(50))
    for _ in range(50):  # all live until each has answered: the jobs of one that has gone are not joined
        said = [(await out.readline()).split() for _, out in pipes]
        assert len({history_id for history_id, _ in said}) == 1
        assert sorted(joined for _, joined in said) == [b"False", b"True", b"True"]
    for writer in writers:
        await writer.communicate(b"")


async def test_to_look_for_a_job_to_join_reads_few_rows(tmp_path: Path) -> None:
    """Ours: every call asks, and what was delivered long ago is not even in the index."""
    store = await opened(tmp_path, "one")
    sql = f"EXPLAIN QUERY PLAN {SELECT_TO_JOIN}"
    plan = await store.database.read(lambda one: one.execute(sql, ("ann", "f", 0)).fetchall())
    await store.close()
    assert plan[0][3] == "SEARCH jobs USING INDEX jobs_to_join (owner=? AND fingerprint=?)"
    assert not [step for *_, step in plan if step.startswith(("SCAN", "USE TEMP B-TREE"))]


async def test_a_real_kill_is_seen_by_who_begins_the_same(tmp_path: Path) -> None:
    """Ours: the lock of the dead process tells, not a timeout."""
    lease = Lease.claim(tmp_path)
    store = await SqliteStore.open(tmp_path / "easel.sqlite3", lease.id, lease.alive)
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BEGIN_ON_A_LINE, tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin
    assert other.stdout
    await other.stdout.readline()
    other.stdin.write(b"f\n")
    assert await other.stdout.readline() == b"1 False\n"
    assert (await again(store)).joined
    other.kill()
    await other.communicate()
    assert await again(store) == Begun(job=(await store.jobs("ann", 1))[0], joined=False)
    assert [job.state for job in await store.jobs("ann", 10)] == ["working", "failed"]
    await store.close()
    lease.release()
