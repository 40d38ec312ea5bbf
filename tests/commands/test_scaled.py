"""The commands on a service whose history is in PostgreSQL: they do the same there, or say what does it instead."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.command_process import banner_of, easel, said, value_of
from tests.old_folder import newest
from tests.scale.postgres import Server, database_of
from tests.stores import make_tables
from tests.wire import wire_client

TOKENS = "alice:a-token-of-alice"
ALICE = "a-token-of-alice"
SECRET = "0123456789abcdef" * 4


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(make_tables) as url:
        yield url


async def test_people_and_their_histories_are_looked_after_beside_a_service(tmp_path: Path, url: str) -> None:
    """Ours: a token, a name, a history, a pause: none of them needs to know where the rows are."""

    def told(*arguments: str, tokens: str = TOKENS) -> str:
        return said(tmp_path, *arguments, EASEL_DATABASE_URL=url, EASEL_SECRET=SECRET, EASEL_TOKENS=tokens)

    with easel(tmp_path, EASEL_DATABASE_URL=url, EASEL_SECRET=SECRET, EASEL_TOKENS=TOKENS) as process:
        endpoint = value_of(banner_of(process), "MCP endpoint")
        async with wire_client(endpoint, ALICE) as client:
            await client.call("generate", {"prompt": "a fox"})
        assert "The token of ben, good until it is revoked" in told("token", "add", "ben")
        assert "alice  -" in told("token", "list")
        assert "Revoked: 1 token of ben." in told("token", "revoke", "ben")
        assert "alice" in told("usage")
        assert "Paused: alice until it is resumed" in told("pause", "alice")
        async with wire_client(endpoint, ALICE) as client:
            refused = await client.call("generate", {"prompt": "an owl"})
            assert "Drawing is paused" in refused["content"][0]["text"]
        assert "Resumed: alice." in told("resume", "alice")
    given = told("history", "give", "alice", "carol", tokens="carol:a-token-of-carol")
    assert "Given to carol: 1 entry of the history and 1 picture of alice" in given
    told("token", "add", "dora")
    assert "dora is dana now, with 1 token" in told("token", "rename", "dora", "dana")
    deleted = told("history", "delete", "carol", "--yes")
    assert "Deleted: 1 entry of the history and 1 picture of carol" in deleted
    assert not list((tmp_path / "data" / "files").glob("*/*"))
    assert not (tmp_path / "data" / "easel.db").exists()


async def test_the_history_of_an_earlier_server_is_taken_over(tmp_path: Path, url: str) -> None:
    newest().write(tmp_path / "old")
    assert "entries: 10 of 10" in said(tmp_path, "import", "old", EASEL_DATABASE_URL=url, EASEL_SECRET=SECRET)
    assert said(tmp_path, "import", "old", EASEL_DATABASE_URL=url, EASEL_SECRET=SECRET).startswith("Nothing new in old")
    assert not (tmp_path / "data" / "easel.db").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    pytest.param(("backup", "x"), "use `pg_dump --format=custom --file=easel.dump` with that URL", id="backup"),
    pytest.param(("restore", "x"), "use `pg_restore --dbname` with that URL", id="restore"),
])  # fmt: skip
def test_a_backup_is_made_by_the_means_of_the_database(
    tmp_path: Path, url: str, arguments: tuple[str, ...], words: str
) -> None:
    told = said(tmp_path, *arguments, status=2, EASEL_DATABASE_URL=url)
    assert f"/{database_of(url)}: {words}" in told
    assert "the secret in" in told, "where a service had none of the settings"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("token", "list"), ("usage",), ("pause", "ann"), ("history", "give", "a", "b")])
def test_a_database_that_is_away_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    away = "postgresql://easel:secret-word@127.0.0.1:1/easel"
    told = said(tmp_path, *arguments, status=2, EASEL_DATABASE_URL=away)
    assert "EASEL_DATABASE_URL: postgresql://127.0.0.1:1/easel cannot be used: " in told
    assert "the database does not answer" in told
    assert "Traceback" not in told
    assert "secret-word" not in told
