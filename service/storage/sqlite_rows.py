"""Rows of the SQLite store as values, and back.

Reading takes an owner and ids, and gives the jobs that are this owner's. A picture is `kept` while the index of files
has its name: nothing has to keep the two in step.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from service.images import Failure, Job, JobState, KeptPicture, Parent

LARGEST_INTEGER: Final = 2**63 - 1
"""The largest number that SQLite keeps. A `history_id` beyond it is nobody's."""

SELECT_IDS: Final = """
    SELECT history_id FROM jobs WHERE owner = ? AND history_id BETWEEN ? AND ? ORDER BY history_id DESC LIMIT ?
"""
SELECT_JOBS: Final = """
    SELECT history_id, owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason,
        parameters, upstream, task, submitted, delivered_at
    FROM jobs WHERE owner = ? AND history_id IN (SELECT value FROM json_each(?))
"""
SELECT_PICTURES: Final = """
    SELECT history_id, name, media_type, width, height, size, note, source,
        EXISTS (SELECT 1 FROM files WHERE files.name = pictures.name)
    FROM pictures WHERE history_id IN (SELECT value FROM json_each(?)) ORDER BY history_id, position
"""
SELECT_PARENTS: Final = """
    SELECT history_id, parent, picture FROM lineage
    WHERE history_id IN (SELECT value FROM json_each(?)) ORDER BY history_id, position
"""


def jobs_between(connection: sqlite3.Connection, owner: str, first: int, last: int, limit: int) -> list[Job]:
    """Jobs of an owner from one id to another, newest first, at most so many."""
    rows = connection.execute(SELECT_IDS, (owner, first, last, limit)).fetchall()
    return jobs_of(connection, owner, [history_id for (history_id,) in rows])


def jobs_of(connection: sqlite3.Connection, owner: str, history_ids: Sequence[int]) -> list[Job]:
    """Those of the jobs that are this owner's, newest first, whole."""
    wanted = json.dumps(history_ids)
    rows = connection.execute(SELECT_JOBS, (owner, wanted)).fetchall()
    found = json.dumps([row[0] for row in rows])
    pictures, parents = defaultdict(list), defaultdict(list)
    for history_id, *picture in connection.execute(SELECT_PICTURES, (found,)):
        pictures[history_id].append(read_picture(picture))
    for history_id, parent, number in connection.execute(SELECT_PARENTS, (found,)):
        parents[history_id].append(Parent(history_id=parent, picture=number))
    jobs = [read_job(row, tuple(pictures[row[0]]), tuple(parents[row[0]])) for row in rows]
    return sorted(jobs, key=lambda job: job.history_id, reverse=True)


def picture_row(job: Job, position: int, picture: KeptPicture) -> tuple[str | int, ...]:
    """A picture as `pictures` keeps it, in the order of its columns."""
    return (
        job.history_id,
        position,
        picture.name,
        picture.media_type,
        picture.width,
        picture.height,
        picture.size,
        picture.note,
        picture.source,
    )


def read_picture(row: Sequence[Any]) -> KeptPicture:
    """The picture of a row, without whose it is and where it stands."""
    name, media_type, width, height, size, note, source, kept = row
    return KeptPicture(
        name=name,
        media_type=media_type,
        width=width,
        height=height,
        size=size,
        note=note,
        source=source,
        kept=bool(kept),
    )


def read_job(row: Sequence[Any], pictures: tuple[KeptPicture, ...], parents: tuple[Parent, ...]) -> Job:
    """The job of a row, in the order of `SELECT_JOBS`."""
    history_id, owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason, *more = row
    parameters, upstream, task, submitted, delivered_at = more
    return Job(
        history_id=history_id,
        owner=owner,
        state=JobState(state),
        model=model,
        prompt=prompt,
        created_at=created_at,
        finished_at=finished_at,
        pictures=pictures,
        failure=Failure(kind=failure_kind, reason=failure_reason) if failure_kind is not None else None,
        parameters=json.loads(parameters),
        upstream=upstream,
        task=task,
        submitted=bool(submitted),
        delivered_at=delivered_at,
        parents=parents,
    )


def within_range(number: int) -> int:
    """Bring any integer into what SQLite keeps; neither 0 nor the largest is ever the id of a job."""
    return max(0, min(number, LARGEST_INTEGER))
