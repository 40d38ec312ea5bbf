"""Rows that each query reads of a long history: some more than it shows, and none of the others.

`make bench` measures the same with a million rows.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import asyncpg

from service.storage.postgresql import files, jobs, queries
from service.storage.postgresql.values import LARGEST_INTEGER
from service.storage.records.removal import Kind
from tests.scale.postgres import Server, database_of
from tests.stores import make_tables

JOBS: Final = 5_000
SHOWN: Final = 20
MOST: Final = 10 * SHOWN
"""Rows that a step may meet, as pictures and files of what is shown; a walk through all would meet thousands."""

FILL: Final = f"""
    SET session_replication_role = replica;  -- the triggers that count are none of this
    INSERT INTO jobs (
        owner, history_id, state, model, prompt, parameters, upstream, fingerprint, lease, created_at, finished_at,
        delivered_at, has_parents
    )
    SELECT 'ann', n, 'done', 'm', 'a fox', '{{}}', 'kiln', 'f' || n, '', n, n, nullif(n % 100, 0), n % 10 = 0
    FROM generate_series(1, {JOBS}) AS n;
    INSERT INTO pictures (job_id, position, name, media_type, width, height, size, note, source)
    SELECT id, 0, md5(history_id::text), 'image/png', 1, 1, 1, '', '' FROM jobs;
    INSERT INTO files (name, owner, size, drawn, stored_at)
    SELECT name, 'ann', 1, true, job_id + 10 FROM pictures WHERE job_id % 2 = 0;
    INSERT INTO kept_jobs SELECT owner, history_id FROM jobs WHERE id % 2 = 0;
    INSERT INTO lineage SELECT id, 0, owner, history_id / 2 + 1, 1 FROM jobs WHERE has_parents;
    INSERT INTO totals (owner, newest, done) VALUES ('ann', {JOBS}, {JOBS});
    INSERT INTO file_totals (owner, entries) VALUES ('ann', {JOBS} / 2);
    ANALYZE;
"""  # noqa: S608 - numbers of ours

QUERIES: Final[dict[str, tuple[Any, ...]]] = {
    "one job": (jobs.SELECT_BETWEEN, "ann", 7, 7, 1),
    "the newest jobs": (jobs.SELECT_BETWEEN, "ann", 1, LARGEST_INTEGER, SHOWN),
    "older jobs": (jobs.SELECT_BETWEEN, "ann", 1, 900, SHOWN),
    "a job to join": ("SELECT * FROM job_to_join($1, $2, $3)", "ann", "f100", 0.0),
    "whether any was left": (jobs.IS_ANY_LEFT, "a", True),
    "jobs with pictures": (queries.SELECT_WITH_PICTURES, "ann", LARGEST_INTEGER, SHOWN),
    "older jobs with pictures": (queries.SELECT_WITH_PICTURES, "ann", 900, SHOWN),
    "children": (queries.SELECT_CHILDREN, "ann", 101),
    "counts": (queries.SELECT_COUNTS, "ann"),
    "numbers that begin so": (queries.SELECT_BEGINNING, "ann", [12, 120, 1200], [12, 129, 1299], SHOWN),
    "a file": (queries.SELECT_FILE, "ann", "x"),
    "a picture": (queries.SELECT_PICTURE, "ann", "x"),
    "the room of files": (files.SELECT_FIRST, 5.0),
    "files beyond the newest": (files.BEYOND_NEWEST, "ann", SHOWN, SHOWN),
    "every file": (files.FILES_AFTER, "8", SHOWN),
    "the newest file": (files.ANSWERS[Kind.NEWEST],),
    "the files that go first": (files.ANSWERS[Kind.IDLE_OF], "ann", SHOWN),
}


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from steps(each)


async def test_queries_read_what_they_show(postgres_server: Server) -> None:
    """Bug: jobs with pictures were merged with all newer jobs of their owner: 90 ms in a million rows."""
    read: dict[str, int] = {}
    async with postgres_server.database(make_tables) as url, postgres_server.connected(database_of(url)) as connection:
        await connection.execute(FILL)
        for name, (query, *values) in QUERIES.items():
            plan = await explained(connection, query, values)
            read[name] = max(
                int(each["Actual Rows"] * each["Actual Loops"]) + each.get("Rows Removed by Filter", 0)
                for each in steps(plan)
            )
    assert {name: rows for name, rows in read.items() if rows > MOST} == {}


async def explained(connection: "asyncpg.Connection[Any]", query: str, values: list[Any]) -> dict[str, Any]:
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *values)
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan
