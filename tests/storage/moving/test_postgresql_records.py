"""The records in PostgreSQL for a move: no replica runs meanwhile, and an address that leads nowhere is told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from service.storage.moving.postgresql_records import PostgresRecords
from service.storage.moving.records import JOBS, TASKS, MoveError, Rows
from service.storage_urls import DatabaseUrl
from tests.scale.postgres import Server, database_of

LIVES = "INSERT INTO leases (id, seen_at) VALUES ('a', clock_timestamp())"
DIED = "INSERT INTO leases (id, seen_at) VALUES ('b', clock_timestamp() - interval '1 minute')"


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[DatabaseUrl]:
    async with postgres_server.database() as url:
        place = DatabaseUrl(url=url, password="", shown="the database")
        await PostgresRecords(place).check_empty()
        yield place


async def test_it_is_refused_while_a_replica_lives(postgres_server: Server, database: DatabaseUrl) -> None:
    await postgres_server.run(LIVES, database_of(database.url))
    with pytest.raises(MoveError, match="1 replica runs on the database: stop them first"):
        async with PostgresRecords(database).reading():
            pass


async def test_a_replica_that_was_halted_loses_its_lease_and_none_starts_meanwhile(
    postgres_server: Server, database: DatabaseUrl
) -> None:
    """Ours: one that wakes up after the move would go on with jobs that are somewhere else."""
    await postgres_server.run(DIED, database_of(database.url))
    async with PostgresRecords(database).reading():
        starting = asyncio.ensure_future(postgres_server.run(LIVES, database_of(database.url)))
        done, _ = await asyncio.wait({starting}, timeout=0.3)
        assert not done
    await starting
    async with postgres_server.connected(database_of(database.url)) as connection:
        assert [row[0] for row in await connection.fetch("SELECT id FROM leases")] == ["a"]


async def test_a_place_that_has_a_record_is_refused(postgres_server: Server, database: DatabaseUrl) -> None:
    await postgres_server.run("INSERT INTO pauses (owner, since) VALUES ('ann', 1)", database_of(database.url))
    with pytest.raises(MoveError, match="has records already, in pauses: name an empty database"):
        await PostgresRecords(database).check_empty()


async def test_a_place_that_no_service_would_start_on_is_refused(postgres_server: Server) -> None:
    name = "moved_to_latin_letters"
    await postgres_server.run(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0")
    try:
        url = postgres_server.url(name)
        with pytest.raises(MoveError, match="encoding LATIN1: make another one"):
            await PostgresRecords(DatabaseUrl(url=url, password="", shown=name)).check_empty()
    finally:
        await postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


async def test_an_option_that_is_none_is_told_by_its_name(database: DatabaseUrl) -> None:
    with pytest.raises(MoveError, match="an option that is none .*no_such_setting"):
        await PostgresRecords(replace(database, url=f"{database.url}?no_such_setting=1")).check_empty()


async def test_a_text_with_a_sign_that_postgresql_lacks_is_moved_with_another(database: DatabaseUrl) -> None:
    """Ours: a prompt of an earlier release may have a NUL, and must not keep everybody from moving."""
    values: dict[str, object] = dict.fromkeys(JOBS.columns, 0) | dict.fromkeys(
        ("owner", "model", "upstream", "fingerprint", "lease", "currency", "cost_currency"), "x"
    )
    values |= {"state": "done", "prompt": "a\0b", "parameters": "{}", "tasks": '{"0":"t"}', "rates": "{}"}
    values |= {"failure_kind": None, "failure_reason": None, "failure_links": "[]", "id": 7, "history_id": 3}
    values |= {"estimated": False, "has_parents": False}

    async def rows() -> AsyncIterator[Rows]:
        yield [[values[column] for column in JOBS.columns]]

    async with PostgresRecords(database).writing() as writer:
        await writer.write(JOBS, rows())
        await writer.complete()
    async with PostgresRecords(database).reading() as reader:
        [[row]] = [batch async for batch in reader.batches(JOBS)]
        assert row[JOBS.columns.index("prompt")] == "a\N{REPLACEMENT CHARACTER}b"
        assert row[JOBS.columns.index("tasks")] == '{"0":"t"}'
    connection = await asyncpg.connect(database.url)
    assert await connection.fetchval("SELECT nextval(pg_get_serial_sequence('jobs', 'id'))") == 8, "ids go on"
    assert await connection.fetchval("SELECT tgenabled FROM pg_trigger WHERE tgname = 'job_was_added'") == b"O"
    await connection.close()


async def test_messages_of_a_task_stay_apart_and_are_counted(database: DatabaseUrl) -> None:
    async def rows() -> AsyncIterator[Rows]:
        yield [["t", "ann", False, 5.0, "x", "{}", '[{"a":"猫"},{"b":"\\u0000"}]']]

    async with PostgresRecords(database).writing() as writer:
        await writer.write(TASKS, rows())
    connection = await asyncpg.connect(database.url)
    messages, unread = await connection.fetchrow("SELECT messages, unread FROM tasks") or ((), 0)
    await connection.close()
    assert (messages, unread) == (['{"a": "猫"}', '{"b": "\\u0000"}'], 10 + 15)
    async with PostgresRecords(database).reading() as reader:
        [[row]] = [batch async for batch in reader.batches(TASKS)]
    assert row[-1] == '[{"a": "猫"},{"b": "\\u0000"}]'


@pytest.mark.parametrize(("wrong", "words"), [
    pytest.param("/nowhere", "the database refuses this server", id="no such database"),
    pytest.param(None, "the database does not answer", id="nobody there"),
])  # fmt: skip
async def test_an_address_that_leads_nowhere_is_told(
    postgres_server: Server, database: DatabaseUrl, wrong: str | None, words: str
) -> None:
    url = "postgresql://easel@127.0.0.1:1/easel" if wrong is None else database.url.rpartition("/")[0] + wrong
    with pytest.raises(MoveError, match=f"EASEL_DATABASE_URL: the database: {words}"):
        await PostgresRecords(replace(database, url=url)).check_empty()
