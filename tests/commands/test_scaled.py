"""The commands on a service whose history is in PostgreSQL: they do the same there, or say what does it instead."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.command_process import said
from tests.scale.postgres import Server, database_of
from tests.stores import make_tables


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(make_tables) as url:
        yield url


@pytest.mark.parametrize(("arguments", "words"), [
    pytest.param(("backup", "x"), "use `pg_dump --format=custom --file=easel.dump` with that URL", id="backup"),
    pytest.param(("restore", "x"), "use `pg_restore --dbname` with that URL", id="restore"),
])  # fmt: skip
def test_a_backup_is_made_by_the_means_of_the_database(
    tmp_path: Path, url: str, arguments: tuple[str, ...], words: str
) -> None:
    told = said(tmp_path, *arguments, status=2, EASEL_DATABASE_URL=url)
    assert f"/{database_of(url)}: {words}" in told
    assert "the secret in" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("token", "list"), ("usage",), ("pause", "ann"), ("history", "give", "a", "b")])
def test_a_database_that_is_away_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    away = "postgresql://easel:secret-word@127.0.0.1:1/easel"
    told = said(tmp_path, *arguments, status=2, EASEL_DATABASE_URL=away)
    assert "EASEL_DATABASE_URL: postgresql://127.0.0.1:1/easel cannot be used: " in told
    assert "the database does not answer" in told
    assert "Traceback" not in told
    assert "secret-word" not in told
