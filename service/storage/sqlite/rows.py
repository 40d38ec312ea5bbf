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
from operator import itemgetter
from typing import Final

from service.images import Job, KeptPicture, Parent
from service.storage.records.job_rows import read_job, read_picture

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

POSITION: Final = 2
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
    parents = _parents(connection, [id_ for id_, row in of_job.items() if row[1]])
    pictures: dict[int, list[KeptPicture]] = defaultdict(list)
    for row in sorted((row for row in rows if row[POSITION] is not None), key=itemgetter(POSITION)):
        pictures[row[0]].append(read_picture(row[OF_PICTURE]))
    return [
        read_job(of_job[id_][OF_JOB:], tuple(pictures[id_]), tuple(parents[id_]))
        for id_ in sorted(of_job, reverse=True)
    ]


def _parents(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, list[Parent]]:
    """The pictures that these rows started from."""
    found: dict[int, list[Parent]] = defaultdict(list)
    for id_, parent, number in connection.execute(SELECT_PARENTS, (json.dumps(ids),)) if ids else ():
        found[id_].append(Parent(history_id=parent, picture=number))
    return found
