"""A process that writes jobs and pictures, killed at many moments: what it was told stays true, and nothing is half."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from service.images import Job
from service.storage.files import NAME
from service.storage.lease import Lease
from service.storage.sqlite.store import SqliteStore
from service.storage.store import Totals
from tests.crashing_writer import PICTURE_BYTES

KILLS = 12
INDEX_MATCHES_PROMPTS = "SELECT (SELECT group_concat(rowid) FROM prompts), (SELECT group_concat(id) FROM jobs)"


@dataclass
class Told:
    """The answers to the writers before they were killed."""

    leases: list[str] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    done: dict[int, str] = field(default_factory=dict)
    deleting: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)

    def hear(self, words: list[str]) -> None:
        """Take one line of a writer."""
        match words:
            case ["lease", lease_id]:
                self.leases.append(lease_id)
            case ["begun", history_id]:
                self.begun.append(int(history_id))
            case ["done", history_id, name]:
                self.done[int(history_id)] = name
            case ["deleting", history_id]:
                self.deleting.add(int(history_id))
            case ["deleted", history_id]:
                self.deleted.add(int(history_id))


async def test_a_kill_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Ours: what a client was told stays true after a crash, no id is used twice, and nothing half is left."""
    told = Told()
    for kill in range(KILLS):
        for words in killed_writer(tmp_path, after_lines=2 + 5 * kill, and_bytes=7 * kill):
            told.hear(words)
    assert {path.name for path in (tmp_path / "running").iterdir()} == {"gate", told.leases[-1]}, "earlier ones stayed"
    lease = Lease.claim(tmp_path)
    assert {path.name for path in (tmp_path / "running").iterdir()} == {"gate", lease.id}
    store = await SqliteStore.open(tmp_path / "easel.sqlite3", lease.id, lease.alive)
    jobs = {job.history_id: job for job in await store.jobs("local", 1_000_000)}
    check_jobs(told, jobs)
    check_files(tmp_path, jobs)
    await check_sums(store, list(jobs.values()))
    await store.close()
    lease.release()


def check_jobs(told: Told, jobs: dict[int, Job]) -> None:
    assert told.deleted, "no kill came late enough"
    assert len(told.begun) == len(set(told.begun)), "an id was used twice"
    assert not told.deleted & set(jobs)
    assert set(told.begun) - told.deleting <= set(jobs)
    done = {history_id: [name] for history_id, name in told.done.items() if history_id in jobs}
    assert {history_id: [kept.name for kept in jobs[history_id].pictures] for history_id in done} == done
    for job in jobs.values():
        if job.pictures:
            assert (job.state, job.submitted, job.failure) == ("done", True, None)
        else:
            assert job.failure is not None
            assert (job.state, job.failure.kind) == ("failed", "interrupted")
            assert ("may have charged" in job.failure.reason) == job.submitted


def check_files(data: Path, jobs: dict[int, Job]) -> None:
    files = [path for path in (data / "files").rglob("*") if path.is_file() and path.name != "probe"]
    assert all(NAME.fullmatch(path.name) and path.stat().st_size == PICTURE_BYTES for path in files)
    assert {kept.name for job in jobs.values() for kept in job.pictures} <= {path.name for path in files}
    assert all(kept.kept for job in jobs.values() for kept in job.pictures)


async def check_sums(store: SqliteStore, jobs: list[Job]) -> None:
    """Sums that triggers keep are those of a count; the index of words has the rows that there are, and is whole."""
    done = [job for job in jobs if job.pictures]
    assert await store.totals("local") == Totals(
        working=0,
        done=len(done),
        failed=len(jobs) - len(done),
        pictures=len(done),
        picture_bytes=len(done) * PICTURE_BYTES,
    )
    indexed, there = await store.database.read(lambda one: one.execute(INDEX_MATCHES_PROMPTS).fetchone())
    assert sorted(indexed.split(",")) == sorted(there.split(","))
    await store.database.write(lambda c: c.execute("INSERT INTO prompts (prompts) VALUES ('integrity-check')"))
    assert await store.database.read(lambda c: c.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]


def killed_writer(data: Path, after_lines: int, and_bytes: int) -> list[list[str]]:
    """Run a writer, kill it some way into what it says, and return the whole lines that it said."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashing_writer", str(data)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        said = b"".join(process.stdout.readline() for _ in range(after_lines)) + process.stdout.read(and_bytes)
        process.kill()
        said += process.stdout.read()
    whole, _, _ = said.rpartition(b"\n")
    return [line.split() for line in whole.decode().splitlines()]
