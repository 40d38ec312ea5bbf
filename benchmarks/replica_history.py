"""The history of `growth_data` in the tables of PostgreSQL: copied in without the triggers, with their counts added."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from benchmarks.growth_data import AT_ONCE, KEPT, OWNER, Row, rows
from service.storage.records.words import search_text

if TYPE_CHECKING:
    from service.storage.postgresql.database import Connection

JOBS: Final = (
    "id", "history_id", "owner", "state", "model", "prompt", "parameters", "upstream", "fingerprint", "lease",
    "created_at", "finished_at", "delivered_at", "failure_kind", "failure_reason", "has_parents",
)  # fmt: skip
PROMPTS: Final = ("job_id", "owner", "history_id", "model", "has_parents", "failed", "words")
PICTURES: Final = ("job_id", "position", "name", "media_type", "width", "height", "size", "note", "source")
FILES: Final = ("name", "owner", "size", "drawn", "stored_at")
LINEAGE: Final = ("job_id", "position", "owner", "parent", "picture")
BYTES: Final = 1_400_000
WORDS: Final = "prompts_by_token"
"""The index of words, which is built in minutes less behind the rows than with them."""


COUNTS: Final = """
    SET session_replication_role = origin;
    INSERT INTO totals (owner, newest, latest, done, failed, pictures, picture_bytes)
    SELECT owner, max(history_id), max(created_at), count(*) FILTER (WHERE state = 'done'),
        count(*) FILTER (WHERE state = 'failed'), (SELECT count(*) FROM pictures), (SELECT sum(size) FROM pictures)
    FROM jobs GROUP BY owner;
    INSERT INTO job_counts SELECT owner, model, state, has_parents, count(*) FROM jobs GROUP BY 1, 2, 3, 4;
    INSERT INTO kept_jobs
    SELECT DISTINCT jobs.owner, history_id FROM jobs JOIN pictures ON job_id = jobs.id JOIN files USING (name);
    INSERT INTO file_totals (owner, entries, bytes) SELECT owner, count(*), sum(size) FROM files GROUP BY 1;
    SELECT setval(pg_get_serial_sequence('jobs', 'id'), (SELECT max(id) FROM jobs));
"""


async def fill(connection: "Connection", count: int) -> None:
    """Copy so many jobs into empty tables, and bring the planner's statistics up to date."""
    await connection.execute("SET session_replication_role = replica")
    index = await connection.fetchval(f"SELECT pg_get_indexdef('{WORDS}'::regclass)")
    await connection.execute(f"DROP INDEX {WORDS}")
    some: list[Row] = []
    for row in rows(count):
        some.append(row)
        if len(some) == AT_ONCE or row.number == count:
            await _copy(connection, some, count - count * KEPT)
            some.clear()
    await connection.execute(COUNTS)
    await connection.execute(index)
    await connection.execute("VACUUM ANALYZE")


async def _copy(connection: "Connection", some: Iterable[Row], kept_after: float) -> None:
    some = list(some)
    done = [row for row in some if row.state == "done"]
    jobs = [(row.number, *_job(row)) for row in some]
    prompts = [
        (row.number, OWNER, row.number, row.model, bool(row.parent), row.state == "failed", search_text(row.prompt))
        for row in some
    ]
    pictures = [(row.number, 0, row.name, "image/png", 1024, 1024, BYTES, "", "") for row in done]
    files = [(row.name, OWNER, BYTES, True, row.at + 20) for row in done if row.number > kept_after]
    parents = [(row.number, 0, OWNER, row.parent, 1) for row in some if row.parent]
    for table, columns, records in (
        ("jobs", JOBS, jobs), ("prompts", PROMPTS, prompts), ("pictures", PICTURES, pictures),
        ("files", FILES, files), ("lineage", LINEAGE, parents),
    ):  # fmt: skip
        await connection.copy_records_to_table(table, records=records, columns=columns)


def _job(row: Row) -> tuple[object, ...]:
    number, owner, state, model, prompt, parameters, fingerprint, _, failure, has_parents = row.job
    times = (row.at, row.at + 20, row.at + 21)
    return (
        number, owner, state, model, prompt, parameters, "kiln", fingerprint, "", *times, failure, failure, has_parents,
    )  # fmt: skip
