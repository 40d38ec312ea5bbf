"""How jobs of the SQLite store begin, go on and end. All of it runs in the writer's thread.

1. Each method is one transaction, so two processes that begin the same at once meet in it: one writes, one joins.
2. Whether another process is alive is asked before a transaction: that look takes a lock of its own. Who is dead once
   stays so, and a lease that nobody asked about came later, so its process lives.
3. Files that a job refers to stand in `working_files` until it ends; a trigger removes them then.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from service.images import Failure, ImageRequest, Job, JobState, KeptPicture
from service.storage.sqlite_files import enter
from service.storage.sqlite_rows import jobs_of, picture_row, within_range
from service.storage.sqlite_schema import transaction
from service.storage.sqlite_words import owner_word, search_text
from service.storage.store import INTERRUPTED, INTERRUPTED_SUBMITTED, Begun

logger = logging.getLogger(__name__)

NOBODY: Final = ""
"""The lease of a job that was released."""

SELECT_TO_JOIN: Final = """
    SELECT history_id, state, lease, task, NOT EXISTS (
        SELECT 1 FROM pictures LEFT JOIN files USING (name)
        WHERE pictures.history_id = jobs.history_id AND files.name IS NULL
    )
    FROM jobs
    WHERE owner = ? AND fingerprint = ? AND fingerprint <> '' AND delivered_at IS NULL AND state <> 'failed'
    ORDER BY history_id DESC
"""
INSERT_JOB: Final = """
    INSERT INTO jobs (owner, state, model, prompt, created_at, lease, parameters, upstream, fingerprint)
    VALUES (?, 'working', ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_WORDS: Final = "INSERT INTO prompts (rowid, owner, words) VALUES (?, ?, ?)"
INSERT_PARENT: Final = "INSERT INTO lineage (history_id, position, parent, picture) VALUES (?, ?, ?, ?)"
INSERT_WORKING_FILE: Final = "INSERT OR IGNORE INTO working_files (history_id, name) VALUES (?, ?)"
END_JOB: Final = """
    UPDATE jobs SET state = ?, finished_at = ?, failure_kind = ?, failure_reason = ?
    WHERE history_id = ? AND owner = ? AND state = 'working'
"""
INSERT_PICTURE: Final = """
    INSERT INTO pictures (history_id, position, name, media_type, width, height, size, note, source)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
RESTORE_PICTURE: Final = """
    UPDATE pictures SET name = ?, media_type = ?, width = ?, height = ?, size = ?, note = ?, source = ?
    WHERE history_id = ? AND position = ?
"""
SUBMIT_JOB: Final = "UPDATE jobs SET submitted = ? WHERE history_id = ? AND owner = ? AND state = 'working'"
DELIVER_JOB: Final = """
    UPDATE jobs SET delivered_at = ?
    WHERE history_id = ? AND owner = ? AND state = 'done' AND delivered_at IS NULL
"""
REMEMBER_TASK: Final = "UPDATE jobs SET task = ? WHERE history_id = ? AND owner = ? AND state = 'working'"
RELEASE_JOB: Final = "UPDATE jobs SET lease = ? WHERE history_id = ? AND state = 'working' AND lease = ?"
LEASES_AT_WORK: Final = "SELECT DISTINCT lease FROM jobs WHERE state = 'working'"
CLAIM_JOBS: Final = """
    UPDATE jobs SET lease = ? WHERE lease = ? AND state = 'working' AND task <> ''
        AND owner = coalesce(?, owner) AND history_id BETWEEN ? AND ?
    RETURNING owner, history_id
"""
"""Who writes first takes it: the other then finds the winner's lease in the place of the dead one."""
INTERRUPT_JOBS: Final = """
    UPDATE jobs SET state = 'failed', finished_at = ?, failure_kind = ?, failure_reason = iif(submitted, ?, ?)
    WHERE lease = ? AND state = 'working' AND task = '' AND history_id = coalesce(?, history_id)
"""


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The jobs in a file, as the process writes them that `lease` stands for."""

    connection: sqlite3.Connection
    lease: str
    alive: Callable[[str], bool]
    clock: Callable[[], float]

    def begin(self, owner: str, request: ImageRequest, upstream: str, fingerprint: str) -> Begun:
        now = self.clock()
        words = search_text(request.prompt)
        row = (
            owner,
            request.model,
            request.prompt,
            now,
            self.lease,
            json.dumps(request.parameters),
            upstream,
            fingerprint,
        )
        dead = self._dead_among_those_to_join(owner, fingerprint)
        with transaction(self.connection, "IMMEDIATE"):
            joined = self._to_join(owner, fingerprint, dead, now)
            if joined is not None:
                return Begun(job=self._one(owner, joined), joined=True)
            history_id = self.connection.execute(INSERT_JOB, row).lastrowid
            assert history_id is not None  # noqa: S101 - the type allows None for statements that insert nothing
            self.connection.execute(INSERT_WORDS, (history_id, owner_word(owner), words))
            self._insert_references(history_id, request)
            return Begun(job=self._one(owner, history_id), joined=False)

    def submitted(self, job: Job, refused: bool) -> Job:
        with transaction(self.connection, "IMMEDIATE"):
            self.connection.execute(SUBMIT_JOB, (not refused, job.history_id, job.owner))
            return self._one(job.owner, job.history_id)

    def remember(self, job: Job, task: str) -> Job:
        with transaction(self.connection, "IMMEDIATE"):
            self.connection.execute(REMEMBER_TASK, (task, job.history_id, job.owner))
            return self._one(job.owner, job.history_id)

    def release(self, job: Job) -> None:
        with transaction(self.connection, "IMMEDIATE"):
            self.connection.execute(RELEASE_JOB, (NOBODY, job.history_id, self.lease))

    def claim(self, owner: str | None, first: int, last: int) -> list[Job]:
        """Take what released and dead leases hold, lease by lease."""
        taken: list[Job] = []
        for lease in self.interrupt_dead():
            with transaction(self.connection, "IMMEDIATE"):
                rows = self.connection.execute(CLAIM_JOBS, (self.lease, lease, owner, first, last)).fetchall()
                taken += [self._one(whose, history_id) for whose, history_id in rows]
        return taken

    def end(self, job: Job, state: JobState, pictures: Sequence[KeptPicture], failure: Failure | None) -> Job:
        now = self.clock()
        kind, reason = (failure.kind, failure.reason) if failure else (None, None)
        with transaction(self.connection, "IMMEDIATE"):
            row = (state, now, kind, reason, job.history_id, job.owner)
            if self.connection.execute(END_JOB, row).rowcount:
                rows = [picture_row(job, position, picture) for position, picture in enumerate(pictures)]
                self.connection.executemany(INSERT_PICTURE, rows)
                self._enter(job.owner, pictures, now)
            return self._one(job.owner, job.history_id)

    def delivered(self, owner: str, history_ids: Sequence[int]) -> None:
        now = self.clock()
        with transaction(self.connection, "IMMEDIATE"):
            rows = [(now, within_range(history_id), owner) for history_id in history_ids]
            self.connection.executemany(DELIVER_JOB, rows)

    def restored(self, job: Job, position: int, picture: KeptPicture) -> Job:
        now = self.clock()
        with transaction(self.connection, "IMMEDIATE"):
            key, place, *columns = picture_row(job, position, picture)
            if self.connection.execute(RESTORE_PICTURE, (*columns, key, place)).rowcount:
                self._enter(job.owner, [picture], now)
            return self._one(job.owner, job.history_id)  # where it is not this owner's: raises, and nothing is written

    def interrupt_dead(self) -> list[str]:
        """End what dead processes left working and nobody can follow; the leases of what can be.

        Nobody starts a job for a lease that is dead, so no order is needed.
        """
        leases = [lease for (lease,) in self.connection.execute(LEASES_AT_WORK).fetchall()]
        dead = [lease for lease in leases if self._is_dead(lease)]
        for lease in dead:
            if lease == NOBODY:
                continue
            with transaction(self.connection, "IMMEDIATE"):
                ended = self._interrupt(lease, None, self.clock())
            if ended:
                logger.info("jobs of a process that stopped, which are now failed: %s", ended)
        return dead

    def _dead_among_those_to_join(self, owner: str, fingerprint: str) -> set[str]:
        rows = self.connection.execute(SELECT_TO_JOIN, (owner, fingerprint)).fetchall()
        return {lease for _, state, lease, task, _ in rows if state == "working" and not task and self._is_dead(lease)}

    def _is_dead(self, lease: str) -> bool:
        return lease == NOBODY or (lease != self.lease and not self.alive(lease))

    def _to_join(self, owner: str, fingerprint: str, dead: set[str], now: float) -> int | None:
        """The newest job that pays for this fingerprint; ends on the way what dead processes left of it."""
        rows = self.connection.execute(SELECT_TO_JOIN, (owner, fingerprint)).fetchall()
        for history_id, state, lease, task, all_kept in rows:
            if state == JobState.WORKING and not task and lease in dead:
                self._interrupt(lease, history_id, now)
            elif state == JobState.WORKING or all_kept:
                return int(history_id)
        return None

    def _interrupt(self, lease: str, history_id: int | None, now: float) -> int:
        reasons = (INTERRUPTED_SUBMITTED.reason, INTERRUPTED.reason)
        return self.connection.execute(INTERRUPT_JOBS, (now, INTERRUPTED.kind, *reasons, lease, history_id)).rowcount

    def _insert_references(self, history_id: int, request: ImageRequest) -> None:
        parents = [(history_id, at, each.history_id, each.picture) for at, each in enumerate(request.parents)]
        names = [(history_id, each.name) for each in request.references if each.name]
        self.connection.executemany(INSERT_PARENT, parents)
        self.connection.executemany(INSERT_WORKING_FILE, names)

    def _enter(self, owner: str, pictures: Sequence[KeptPicture], now: float) -> None:
        for picture in pictures:
            if picture.kept:
                enter(self.connection, owner, picture.name, picture.size, now)

    def _one(self, owner: str, history_id: int) -> Job:
        found = jobs_of(self.connection, owner, [history_id])
        if not found:
            raise LookupError(f"no job {history_id} of this owner")
        return found[0]
