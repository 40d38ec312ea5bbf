"""Rows of jobs with their pictures and parents, read as `Job`s.

1. One statement finds the rows and reads them with their pictures: each statement costs what reading three rows does.
   Parents are asked for only where a row says that it has some.
2. A picture is `kept` while the index of files has its name: nothing has to keep the two in step. One that was left at
   its image service (`images.AWAY`) is in no index, and counts as kept.

Each function runs inside one transaction of `Database`.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from service.costs import Usage
from service.images import Failure, Job, JobState, KeptPicture, Parent

SELECT_JOBS: Final = """
    SELECT jobs.id, has_parents,
        position, pictures.name, media_type, width, height, pictures.size, note, source, part,
        files.name IS NOT NULL OR pictures.name GLOB 'away-*',
        history_id, jobs.owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason,
        failure_links, parameters, upstream, tasks, submitted, delivered_at, cost, cost_currency, estimated,
        input_tokens, output_tokens
    FROM ({found}) AS found CROSS JOIN jobs ON jobs.id = found.id
    LEFT JOIN pictures ON pictures.job_id = jobs.id LEFT JOIN files ON files.name = pictures.name
    WHERE jobs.owner = ?
"""
"""A row for each picture, and one for a job without any. `found` is a query of rows; those of others are left out."""

OF_PICTURE: Final = slice(3, 12)
OF_JOB: Final = 12

SELECT_PARENTS: Final = """
    SELECT job_id, parent, picture FROM lineage
    WHERE job_id IN (SELECT value FROM json_each(?)) ORDER BY job_id, position
"""
GIVEN_ROWS: Final = "SELECT value AS id FROM json_each(?)"


def jobs_of(connection: sqlite3.Connection, owner: str, ids: Sequence[int]) -> list[Job]:
    """The jobs of these rows that belong to the owner, newest first."""
    return found_jobs(connection, owner, GIVEN_ROWS, (json.dumps(ids),))


def found_jobs(
    connection: sqlite3.Connection, owner: str, found: str, values: Sequence[str | float | None]
) -> list[Job]:
    """The jobs that a query of rows finds, named `id`, and that belong to the owner, newest first."""
    rows = connection.execute(SELECT_JOBS.format(found=found), (*values, owner)).fetchall()
    of_job = {row[0]: row for row in rows}
    pictures: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        if row[2] is not None:
            pictures[row[0]].append(row)
    parents = _parents(connection, [id_ for id_, row in of_job.items() if row[1]])
    return [
        _read_job(
            of_job[id_][OF_JOB:],
            tuple(_read_picture(row[OF_PICTURE]) for row in sorted(pictures[id_], key=lambda row: row[2])),
            tuple(parents[id_]),
        )
        for id_ in sorted(of_job, reverse=True)
    ]


def _parents(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, list[Parent]]:
    """The pictures that these rows started from."""
    found: dict[int, list[Parent]] = defaultdict(list)
    for id_, parent, number in connection.execute(SELECT_PARENTS, (json.dumps(ids),)) if ids else ():
        found[id_].append(Parent(history_id=parent, picture=number))
    return found


def picture_row(job_id: int, position: int, picture: KeptPicture) -> tuple[str | int, ...]:
    """A row of `pictures`, in the order of `INSERT_PICTURE`."""
    return (
        job_id,
        position,
        picture.name,
        picture.media_type,
        picture.width,
        picture.height,
        picture.size,
        picture.note,
        picture.source,
        picture.part,
    )


def _read_picture(row: Sequence[Any]) -> KeptPicture:
    """A picture from its columns in `SELECT_JOBS`."""
    name, media_type, width, height, size, note, source, part, stored = row
    return KeptPicture(
        name=name,
        media_type=media_type,
        width=width,
        height=height,
        size=size,
        note=note,
        source=source,
        part=part,
        kept=bool(stored),
    )


def _read_job(row: Sequence[Any], pictures: tuple[KeptPicture, ...], parents: tuple[Parent, ...]) -> Job:
    """A job from its columns in `SELECT_JOBS`."""
    history_id, owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason, *more = row
    failure_links, parameters, upstream, tasks, submitted, delivered_at, *used = more
    failure = Failure(kind=failure_kind, reason=failure_reason) if failure_kind is not None else None
    return Job(
        history_id=history_id,
        owner=owner,
        state=JobState(state),
        model=model,
        prompt=prompt,
        created_at=created_at,
        finished_at=finished_at,
        pictures=pictures,
        failure=failure if state == JobState.FAILED else None,
        shortfall=None if state == JobState.FAILED else failure,
        parameters=json.loads(parameters),
        upstream=upstream,
        tasks={} if tasks == "{}" else {int(part): task for part, task in sorted(json.loads(tasks).items())},
        submitted=submitted,
        links=() if failure_links == "[]" else tuple(json.loads(failure_links)),
        delivered_at=delivered_at,
        parents=parents,
        usage=_read_usage(used),
    )


def _read_usage(columns: Sequence[Any]) -> Usage | None:
    """Return the use of a job from its columns from `cost` on; None where nothing was told or estimated."""
    cost, currency, estimated, input_tokens, output_tokens = columns
    if cost is None and not input_tokens and not output_tokens:
        return None
    return Usage(
        cost=cost,
        currency=currency,
        estimated=bool(estimated),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )
