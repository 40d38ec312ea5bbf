"""The list of all that is moved: a table or a column that a release adds is moved too, or it is said here why not."""

import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from service.storage.moving.records import ENDED_SESSIONS, TABLES
from service.storage.sqlite.schema import create_tables
from tests.scale.postgres import Server
from tests.stores import make_tables

FOLLOW: Final = {"file_totals", "kept_jobs", "names", "prompts"}
"""Made anew from the others."""

OF_REPLICAS: Final = {"easel_migrations", "facts", "identity", "leases", "taken_requests", "versions"}
"""About the replicas that run, of which there is none, what was asked of them in the last minute, and what they keep in
memory; and the identity of a database, of which each has its own."""

NOT_MOVED: Final = {
    ("files", "derived"): "smaller copies are made anew",
    ("jobs", "begin_id"): "tells a replica of a job whose beginning it did not hear of",
    ("jobs", "stop_wanted"): "asked of a replica that runs",
    ("tasks", "unread"): "counted from the messages",
    ("ended_sessions", "noted_at"): "the moment at which it came here",
}


def found(columns: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    """The columns of each table that is moved."""
    tables: dict[str, set[str]] = {}
    for table, column in columns:
        if table not in FOLLOW | OF_REPLICAS and (table, column) not in NOT_MOVED:
            tables.setdefault(table, set()).add(column)
    return tables


def listed(*, without: str = "") -> Mapping[str, set[str]]:
    return {table.name: set(table.columns) for table in TABLES if table.name != without}


def test_every_table_of_sqlite_is_moved(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "easel.db")) as connection:
        create_tables(connection)
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        columns = [
            (table, row[1])
            for table in tables
            if not table.startswith(("sqlite_", "prompts_", "indexed_words"))
            for row in connection.execute(f"PRAGMA table_info({table})")
        ]
    assert found(columns) == listed(without=ENDED_SESSIONS.name)


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(make_tables) as url:
        yield url


async def test_every_table_of_postgresql_is_moved(url: str) -> None:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("""
        SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables
            USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
    """)
    await connection.close()
    assert found((row[0], row[1]) for row in rows) == listed()


def test_rows_come_after_those_that_they_refer_to() -> None:
    """Ours: the engines check it at each row."""
    names = [table.name for table in TABLES]
    assert all(names.index("jobs") < names.index(each) for each in ("pictures", "lineage", "working_files"))
