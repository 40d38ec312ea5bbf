"""Jobs in the SQLite file: how they begin, go on and end, and how their rows are read.

1. Each function runs inside one transaction of `Database`. Two processes that begin the same job at once meet in it:
   one inserts the job, the other joins it.
2. No function asks whether another process lives, since that look takes a lock of its own: they are told the dead.
3. Files that a job refers to stand in `working_files` until it ends; a trigger removes them then.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from service.costs import Drawn
from service.images import INTERRUPTED, INTERRUPTED_SUBMITTED, Failure, Job, JobState, KeptPicture
from service.storage.arrivals import arrival_name
from service.storage.lease import RELEASED
from service.storage.records.job_rows import picture_row, rates_of
from service.storage.records.new_work import SAME_MOMENT_S, NewJob
from service.storage.records.words import search_text
from service.storage.sqlite.facets import INSERT_WORDS
from service.storage.sqlite.files import FORGET_UNOWNED, INSERT_FILE, age_unused
from service.storage.sqlite.limits import check_new_job, check_pauses, enter_costs, price_of
from service.storage.sqlite.rows import found_jobs, jobs_of
from service.storage.store import Begun

SELECT_IDS: Final = """
    SELECT id FROM jobs WHERE owner = ? AND history_id BETWEEN ? AND ? ORDER BY history_id DESC LIMIT ?
"""
SELECT_ID: Final = "SELECT id FROM jobs WHERE owner = ? AND history_id = ?"
SELECT_TO_JOIN: Final = """
    SELECT id, state, lease, tasks <> '{}' FROM jobs
    WHERE owner = ? AND fingerprint = ? AND fingerprint <> '' AND delivered_at IS NULL
        AND (state <> 'failed' OR failure_links <> '[]')
        AND (state = 'working' OR failure_links = '[]' OR finished_at > ?)
        AND (state = 'working' OR NOT EXISTS (
            SELECT 1 FROM pictures LEFT JOIN files USING (name)
            WHERE pictures.job_id = jobs.id AND files.name IS NULL AND pictures.name NOT GLOB 'away-*'
        ))
    ORDER BY id DESC LIMIT 1
"""
NEXT_HISTORY_ID: Final = """
    INSERT INTO totals (owner, newest) VALUES (?, 1) ON CONFLICT (owner) DO UPDATE SET newest = newest + 1
    RETURNING newest, latest
"""
INSERT_JOB: Final = """
    INSERT INTO jobs
        (owner, history_id, state, model, prompt, created_at, lease, parameters, upstream, fingerprint, submitted,
        parts, counted, price, currency, rates, has_parents)
    VALUES (?, ?, 'working', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_PARENT: Final = "INSERT INTO lineage (job_id, position, owner, parent, picture) VALUES (?, ?, ?, ?, ?)"
INSERT_WORKING_FILE: Final = "INSERT OR IGNORE INTO working_files (job_id, name, fresh) VALUES (?, ?, ?)"
SELECT_FRESH: Final = """
    SELECT name FROM working_files JOIN jobs ON jobs.id = job_id WHERE owner = ? AND history_id = ? AND fresh
"""
USE_UPLOAD: Final = """
    UPDATE uploads SET history_id = ?, used_at = ? WHERE id = ? AND owner = ? AND used_at IS NULL
"""
NOTE_SHORTFALL: Final = """
    UPDATE jobs SET failure_kind = ?, failure_reason = ?
    WHERE history_id = ? AND owner = ? AND state = 'working' AND failure_kind IS NULL
"""
END_JOB: Final = """
    UPDATE jobs SET state = :state, finished_at = :now, failure_links = :links,
        failure_kind = iif(:came, coalesce(failure_kind, :kind), :kind),
        failure_reason = iif(:came, coalesce(failure_reason, :reason), :reason),
        counted = max(submitted, min(counted, :came))
    WHERE id = :id AND state = 'working'
"""
"""Of a job with pictures the first failure that was noted stays."""

RECOVER_JOB: Final = """
    UPDATE jobs SET state = 'done', finished_at = iif(state = 'done', finished_at, ?),
        failure_kind = iif(state = 'done', failure_kind, NULL),
        failure_reason = iif(state = 'done', failure_reason, NULL), failure_links = ?
    WHERE history_id = ? AND owner = ? AND state <> 'working' AND failure_links = ? AND failure_links <> '[]'
"""
COUNT_PICTURES: Final = "SELECT count(*) FROM pictures WHERE job_id = ?"
INSERT_PICTURE: Final = """
    INSERT INTO pictures (job_id, position, name, media_type, width, height, size, note, source, part)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
RESTORE_PICTURE: Final = """
    UPDATE pictures SET name = ?, media_type = ?, width = ?, height = ?, size = ?, note = ?, source = ?, part = ?
    WHERE job_id = ? AND position = ?
"""
SELECT_WORKING: Final = "SELECT owner, history_id FROM jobs WHERE state = 'working'"
SUBMIT_JOB: Final = """
    UPDATE jobs SET submitted = min(?, counted)
    WHERE history_id = ? AND owner = ? AND state = 'working'
"""
IS_WORKING: Final = "SELECT 1 FROM jobs WHERE id = ? AND state = 'working'"
DELIVER_JOB: Final = """
    UPDATE jobs SET delivered_at = ?
    WHERE history_id = ? AND owner = ? AND state = 'done' AND delivered_at IS NULL AND failure_links = '[]'
"""
SET_TASK: Final = """
    UPDATE jobs SET tasks = json_set(tasks, '$."' || ? || '"', ?)
    WHERE history_id = ? AND owner = ? AND state = 'working'
"""
RELEASE_JOB: Final = "UPDATE jobs SET lease = ? WHERE history_id = ? AND owner = ? AND state = 'working' AND lease = ?"
SELECT_LEASES: Final = "SELECT DISTINCT lease FROM jobs WHERE state = 'working'"
SELECT_LEFT: Final = """
    SELECT id, owner, history_id, tasks <> '{}', submitted FROM jobs
    WHERE lease = ? AND state = 'working' AND owner = coalesce(?, owner) AND history_id = coalesce(?, history_id)
"""
CLAIM_JOB: Final = "UPDATE jobs SET lease = ? WHERE id = ? AND lease = ? AND state = 'working'"
"""Of several processes the first to write takes a job: the others then find its lease in place of the dead one."""

Only: TypeAlias = tuple[str | None, int | None]
"""The owner and the `history_id` of one job; None for all."""


def begin(connection: sqlite3.Connection, new: NewJob) -> tuple[Begun, str | None]:
    """Join a job of the same fingerprint, or insert a new one, within the limits; raises `LimitError` beyond them.

    The second value is the lease of a joined job that ends with its process; the caller checks that it lives.
    """
    found = connection.execute(SELECT_TO_JOIN, (new.owner, new.fingerprint, new.failed_since)).fetchone()
    if found is None:
        price = price_of(connection, new.owner, new.request)
        if price is not new.request.price:
            new = replace(new, request=replace(new.request, price=price))
        check_new_job(connection, new.owner, new.request, new.allowances, new.created_at)
        return Begun(job=_one(connection, new.owner, _insert(connection, new)), joined=False), None
    id_, state, lease, has_tasks = found
    needs_process = state == JobState.WORKING and not has_tasks and lease != new.lease
    return Begun(job=_one(connection, new.owner, id_), joined=True), lease if needs_process else None


def mark_submitted(connection: sqlite3.Connection, job: Job, pictures: int, now: float) -> Job:
    """Note that the image service is asked for so many pictures in all.

    Raises `LimitError` where they are more than before, while the owner is paused.
    """
    if pictures > _again(connection, job).submitted:
        check_pauses(connection, job.owner, now)
    connection.execute(SUBMIT_JOB, (pictures, job.history_id, job.owner))
    return _again(connection, job)


def add_pictures(
    connection: sqlite3.Connection, job: Job, pictures: Sequence[KeptPicture], drawn: Drawn, now: float
) -> Job:
    """Add pictures to a job that goes on, and the cost of the answer that drew them."""
    id_ = _id_of(connection, job)
    if connection.execute(IS_WORKING, (id_,)).fetchone():
        _insert_pictures(connection, job, pictures, now)
        enter_costs(connection, id_, drawn)
    return _again(connection, job)


def note_shortfall(connection: sqlite3.Connection, job: Job, why: Failure) -> Job:
    """Note the first reason why not all pictures of a job come."""
    connection.execute(NOTE_SHORTFALL, (why.kind, why.reason, job.history_id, job.owner))
    return _again(connection, job)


def working(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Owner and `history_id` of all jobs at work."""
    return connection.execute(SELECT_WORKING).fetchall()


def remember_task(connection: sqlite3.Connection, job: Job, task: str, part: int) -> Job:
    """Note the id under which the work on a part goes on at its image service."""
    connection.execute(SET_TASK, (str(part), task, job.history_id, job.owner))
    return _again(connection, job)


def release(connection: sqlite3.Connection, job: Job, lease: str) -> None:
    """Take the lease of this process off a job."""
    connection.execute(RELEASE_JOB, (RELEASED, job.history_id, job.owner, lease))


def leases_at_work(connection: sqlite3.Connection) -> list[str]:
    """The leases of all jobs that are working."""
    return [lease for (lease,) in connection.execute(SELECT_LEASES)]


def claim(
    connection: sqlite3.Connection,
    lease: str,
    free: Collection[str],
    arrived: Collection[str],
    only: Only = (None, None),
) -> list[Job]:
    """Give the jobs under `free` leases that can be followed to this process; all of them, or `only` one of an owner.

    `arrived` are the names of arrivals.
    """
    claimed: list[Job] = []
    for each in free:
        for id_, of, _ in _left(connection, each, only, arrived, followable=True):
            if connection.execute(CLAIM_JOB, (lease, id_, each)).rowcount:
                claimed.append(_one(connection, of, id_))
    return claimed


def interrupt(
    connection: sqlite3.Connection, dead: Collection[str], arrived: Collection[str], now: float, job: Job | None = None
) -> int:
    """End as interrupted the jobs of dead processes that cannot be followed, or one of them; returns how many."""
    only = (None, None) if job is None else (job.owner, job.history_id)
    left = [each for lease in dead for each in _left(connection, lease, only, arrived, followable=False)]
    for id_, _, submitted in left:
        _end(connection, id_, INTERRUPTED_SUBMITTED if submitted else INTERRUPTED, (), now)
    return len(left)


def _left(
    connection: sqlite3.Connection, lease: str, only: Only, arrived: Collection[str], *, followable: bool
) -> list[tuple[int, str, int]]:
    """The rows, owners and charges of jobs under a lease that can be followed, or of those that cannot be."""
    rows = connection.execute(SELECT_LEFT, (lease, *only)).fetchall()
    return [
        (id_, owner, submitted)
        for id_, owner, history_id, has_tasks, submitted in rows
        if followable == bool(has_tasks or arrival_name(owner, history_id) in arrived)
    ]


def finish(  # noqa: PLR0913, PLR0917 - all that its row says
    connection: sqlite3.Connection,
    job: Job,
    pictures: Sequence[KeptPicture],
    links: Sequence[str],
    shortfall: Failure | None,
    drawn: Drawn,
    now: float,
) -> Job:
    """End a working job as done, with its pictures and their files, and the links of those that are not here."""
    id_ = _id_of(connection, job)
    if connection.execute(IS_WORKING, (id_,)).fetchone():
        _insert_pictures(connection, job, pictures, now)
        _end(connection, id_, shortfall, links, now)
        enter_costs(connection, id_, drawn)
    return _again(connection, job)


def _end(
    connection: sqlite3.Connection,
    id_: int,
    failure: Failure | None,
    links: Sequence[str],
    now: float,
) -> None:
    """End a working job: as done with a picture or without a failure, else as failed.

    The first failure that was noted is its own.
    """
    came = connection.execute(COUNT_PICTURES, (id_,)).fetchone()[0]
    kind, reason = (None, None) if failure is None else (failure.kind, failure.reason)
    state = JobState.DONE if came or failure is None else JobState.FAILED
    end = {"id": id_, "state": state, "came": came, "now": now, "links": _links(links), "kind": kind, "reason": reason}
    connection.execute(END_JOB, end)


def recover(
    connection: sqlite3.Connection, job: Job, pictures: Sequence[KeptPicture], links: Sequence[str], now: float
) -> Job:
    """Add the pictures that links led to, which makes a failed job a done one."""
    if connection.execute(RECOVER_JOB, (now, _links(links), job.history_id, job.owner, _links(job.links))).rowcount:
        _insert_pictures(connection, job, pictures, now)
    return _again(connection, job)


def fail(connection: sqlite3.Connection, job: Job, failure: Failure, links: Sequence[str], now: float) -> Job:
    """End a working job as failed, or as done with those of its pictures that came.

    The files that came with the call of a failed one are the first to go now, if nothing uses them.
    """
    fresh = connection.execute(SELECT_FRESH, (job.owner, job.history_id)).fetchall()
    _end(connection, _id_of(connection, job), failure, links, now)
    age_unused(connection, job.owner, [name for (name,) in fresh])
    return _again(connection, job)


def _links(links: Sequence[str]) -> str:
    return json.dumps(list(links))


def _insert_pictures(connection: sqlite3.Connection, job: Job, pictures: Sequence[KeptPicture], now: float) -> None:
    id_ = _id_of(connection, job)
    first: int = connection.execute(COUNT_PICTURES, (id_,)).fetchone()[0]
    rows = [(id_, position, *picture_row(picture)) for position, picture in enumerate(pictures, start=first)]
    connection.executemany(INSERT_PICTURE, rows)
    _insert_files(connection, job.owner, pictures, now)


def mark_delivered(connection: sqlite3.Connection, owner: str, history_ids: Sequence[int], now: float) -> None:
    """Note that pictures reached a client."""
    connection.executemany(DELIVER_JOB, [(now, history_id, owner) for history_id in history_ids])


def restore_picture(connection: sqlite3.Connection, job: Job, position: int, picture: KeptPicture, now: float) -> Job:
    """Replace the row of a picture whose bytes were fetched again."""
    id_ = _id_of(connection, job)
    if connection.execute(RESTORE_PICTURE, (*picture_row(picture), id_, position)).rowcount:
        _insert_files(connection, job.owner, [picture], now)
    return _again(connection, job)  # raises for a foreign job, which undoes the transaction


def jobs_between(connection: sqlite3.Connection, owner: str, first: int, last: int, limit: int) -> list[Job]:
    """Jobs of an owner from one id to another, newest first."""
    return found_jobs(connection, owner, SELECT_IDS, (owner, first, last, limit))


def _one(connection: sqlite3.Connection, owner: str, id_: int) -> Job:
    [found] = jobs_of(connection, owner, [id_])
    return found


def _again(connection: sqlite3.Connection, job: Job) -> Job:
    """The job as it stands now."""
    return _one(connection, job.owner, _id_of(connection, job))


def _id_of(connection: sqlite3.Connection, job: Job) -> int:
    """The row of a job; raises `LookupError` once it is deleted."""
    row = connection.execute(SELECT_ID, (job.owner, job.history_id)).fetchone()
    if row is None:
        raise LookupError(f"no job {job.history_id} of this owner")
    id_: int = row[0]
    return id_


def _insert(connection: sqlite3.Connection, new: NewJob) -> int:
    """Insert a job under the next number of its owner; returns its row."""
    request = new.request
    history_id, latest = connection.execute(NEXT_HISTORY_ID, (new.owner,)).fetchone()
    # Two processes may come here in another order than they looked at the clock.
    created_at = latest if 0 < latest - new.created_at < SAME_MOMENT_S else new.created_at
    parameters = json.dumps(request.parameters)
    row = (new.owner, history_id, request.model, request.prompt, created_at, new.lease, parameters, new.upstream)
    price = request.price
    priced = (request.count, price.picture, price.currency, rates_of(price), bool(request.parents))
    values = (*row, new.fingerprint, new.submitted, request.parts, *priced)
    id_ = connection.execute(INSERT_JOB, values).lastrowid
    assert id_ is not None  # noqa: S101 - the type allows None for statements that insert nothing
    connection.execute(INSERT_WORDS, (search_text(request.prompt), id_))
    parents = [(id_, at, new.owner, each.history_id, each.picture) for at, each in enumerate(request.parents)]
    given = (*request.references, *filter(None, [request.mask]))
    names = [(id_, each.name, each.fresh) for each in given if each.name]
    connection.executemany(INSERT_PARENT, parents)
    connection.executemany(INSERT_WORKING_FILE, names)
    uploads = {each.upload for each in given if each.upload}
    connection.executemany(USE_UPLOAD, [(history_id, new.created_at, each, new.owner) for each in uploads])
    return id_


def _insert_files(connection: sqlite3.Connection, owner: str, pictures: Sequence[KeptPicture], now: float) -> None:
    stored = [picture for picture in pictures if picture.kept and not picture.is_away]
    connection.executemany(FORGET_UNOWNED, [(picture.name, owner) for picture in stored])
    connection.executemany(INSERT_FILE, [(picture.name, owner, picture.size, now) for picture in stored])
