"""Migrations of the database: each once, by one replica, and none by an older release."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from service.storage.postgresql.schema import FOLDER, NAME, SchemaError, migrate, migrations
from tests.scale.postgres import Server

ONE = {1: "CREATE TABLE a (n integer); INSERT INTO a VALUES (1)"}
TWO = ONE | {3: "INSERT INTO a VALUES (3)"}


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database() as url:
        yield url


async def migrated(url: str, wanted: Mapping[int, str]) -> list[int]:
    """The rows of the table after the migrations."""
    connection = await asyncpg.connect(url)
    try:
        await migrate(connection, wanted)
        return [row[0] for row in await connection.fetch("SELECT n FROM a ORDER BY n")]
    finally:
        await connection.close()


async def test_each_migration_is_run_once(url: str) -> None:
    assert await migrated(url, ONE) == [1]
    assert await migrated(url, TWO) == [1, 3]
    assert await migrated(url, TWO) == [1, 3]


async def test_ten_replicas_may_start_at_once(url: str) -> None:
    assert await asyncio.gather(*(migrated(url, TWO) for _ in range(10))) == [[1, 3]] * 10


async def test_tables_of_a_later_release_are_not_read(url: str) -> None:
    await migrated(url, TWO)
    with pytest.raises(SchemaError, match=r"a later release \(migration 3, this one knows 1\): start that release"):
        await migrated(url, ONE)


async def test_a_migration_that_fails_leaves_nothing(url: str) -> None:
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await migrated(url, ONE | {2: "DROP TABEL a"})
    assert await migrated(url, ONE) == [1]


def test_numbers_are_given_once_and_files_have_names() -> None:
    names = [each.name for each in FOLDER.iterdir()]
    assert all(NAME.fullmatch(each) for each in names)
    assert len(migrations()) == len(names)


def test_migrations_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("0010_b.sql", "0002_a.sql", "readme.txt"):
        (tmp_path / name).write_text(name)
    assert migrations(tmp_path) == {2: "0002_a.sql", 10: "0010_b.sql"}
