"""`doctor` about the database of EASEL_DATABASE_URL: what is wrong with it is named with its cure."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.storage.secret import Secret
from tests.doctor_run import Found, doctor
from tests.faked_clock import clock_of
from tests.scale.pooler import pooled
from tests.scale.postgres import PASSWORD, Server, database_of
from tests.stores import make_tables

SECRET = "0123456789abcdef" * 4


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    """A database with its tables."""
    async with postgres_server.database(make_tables) as url:
        yield url


async def looked(folder: Path, url: str, **env: str) -> Found:
    found = await doctor(folder, EASEL_DATABASE_URL=url, **{"EASEL_SECRET": SECRET, **env})
    assert PASSWORD not in found.text
    return found


async def test_a_sound_database_has_no_faults(tmp_path: Path, url: str) -> None:
    found = await looked(tmp_path, url)
    assert found.failed == []
    assert found.state("database") == "ok"
    message = found.message("database")
    assert f"/{database_of(url)} is PostgreSQL 18" in message
    assert "its tables are those of this release" in message
    assert "replicas hear of each other at once" in message
    assert "history" not in found.lines


async def test_an_empty_database_will_do_where_tables_can_be_made(tmp_path: Path, postgres_server: Server) -> None:
    async with postgres_server.database() as url:
        found = await looked(tmp_path, url)
        assert "it has no tables yet: the first start makes them" in found.message("database")
        assert found.failed == []
        async with postgres_server.connected(database_of(url)) as connection:
            assert await connection.fetchval("SELECT to_regclass('easel_migrations')") is None, "nothing was changed"


READER = "CREATE ROLE reader LOGIN PASSWORD 'r'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
WRITER = """
    CREATE ROLE writer LOGIN PASSWORD 'w';
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO writer
"""
TOLD_APART = "INSERT INTO facts (name, value) VALUES ('secret', 'another')"


@pytest.mark.parametrize(("statement", "words"), [
    pytest.param("INSERT INTO easel_migrations VALUES (9999)", "tables are those of a later release", id="later"),
    pytest.param("DELETE FROM easel_migrations WHERE number = 10", "the next start brings them up", id="earlier"),
    pytest.param(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        "it is read-only: let EASEL_DATABASE_URL name the primary server",
        id="a copy",
    ),
])  # fmt: skip
async def test_tables_that_cannot_be_used_are_told(
    tmp_path: Path, url: str, postgres_server: Server, statement: str, words: str
) -> None:
    await postgres_server.run(statement.format(database_of(url)), database_of(url))
    found = await looked(tmp_path, url)
    assert words in found.message("database")
    assert found.failed == ([] if "next start" in words else ["database"])


async def test_a_user_without_rights_is_told(tmp_path: Path, url: str, postgres_server: Server) -> None:
    await postgres_server.run(READER, database_of(url))
    try:
        of_reader = url.replace(url.partition("://")[2].partition("@")[0], "reader:r")
        assert "may not read and write the tables" in (await looked(tmp_path, of_reader)).message("database")
        async with postgres_server.database() as empty:
            of_reader = empty.replace(empty.partition("://")[2].partition("@")[0], "reader:r")
            message = (await looked(tmp_path, of_reader)).message("database")
            assert "its user may not make tables: grant it CREATE" in message
    finally:
        await postgres_server.run("DROP OWNED BY reader; DROP ROLE reader", database_of(url))


async def test_replicas_without_a_secret_of_the_settings_are_told(tmp_path: Path, url: str) -> None:
    found = await looked(tmp_path, url, EASEL_SECRET="")
    assert found.failed == ["secret"]
    assert "EASEL_SECRET: must be set with EASEL_DATABASE_URL" in found.message("secret")


async def test_tables_of_others_in_the_same_database_are_nobodys_business(
    tmp_path: Path, url: str, postgres_server: Server
) -> None:
    await postgres_server.run(f"{WRITER}; CREATE TABLE theirs (x int)", database_of(url))
    try:
        of_writer = url.replace(url.partition("://")[2].partition("@")[0], "writer:w")
        assert "its tables are those of this release" in (await looked(tmp_path, of_writer)).message("database")
    finally:
        await postgres_server.run("DROP OWNED BY writer; DROP ROLE writer", database_of(url))


async def test_another_secret_than_that_of_the_replicas_is_told(
    tmp_path: Path, url: str, postgres_server: Server
) -> None:
    await postgres_server.run(TOLD_APART, database_of(url))
    found = await looked(tmp_path, url)
    assert found.failed == ["secret"]
    assert "give all the same EASEL_SECRET" in found.message("secret")
    async with postgres_server.connected(database_of(url)) as connection:
        await connection.execute("UPDATE facts SET value = $1", Secret.read(SECRET).fingerprint)
    assert (await looked(tmp_path, url)).state("secret") == "ok"


async def test_a_pooler_that_passes_no_notice_on_is_told_with_the_setting(tmp_path: Path, url: str) -> None:
    """Ours: PgBouncer in transaction mode drops LISTEN without a word, and calls would wait for seconds."""
    async with pooled(url) as behind:
        found = await looked(tmp_path, behind)
        assert found.state("database") == "warn"
        message = found.message("database")
        assert "a pooler stands before it" in message
        assert "no notice comes through, as behind PgBouncer in transaction mode" in message
        assert "let EASEL_DATABASE_LISTEN_URL lead to PostgreSQL itself" in message
        found = await looked(tmp_path, behind, EASEL_DATABASE_LISTEN_URL=url)
        assert found.state("database") == "ok"
        assert "replicas hear of each other at once" in found.message("database")


async def test_a_way_for_notices_that_leads_nowhere_is_told(tmp_path: Path, url: str) -> None:
    found = await looked(tmp_path, url, EASEL_DATABASE_LISTEN_URL="postgresql://easel:another-word@127.0.0.1:1/easel")
    assert "EASEL_DATABASE_LISTEN_URL: postgresql://127.0.0.1:1/easel: the database does not" in found.message(
        "database"
    )
    assert found.failed == ["database"]
    assert "another-word" not in found.text


@pytest.mark.parametrize(("wrong", "words"), [
    pytest.param("another-password", "correct the user, the password or the database", id="password"),
    pytest.param("nobody there", "the database does not answer", id="no server"),
    pytest.param("no database", "correct the user, the password or the database", id="no database"),
])  # fmt: skip
async def test_a_database_that_cannot_be_reached_is_told(
    tmp_path: Path, postgres_server: Server, wrong: str, words: str
) -> None:
    url = {
        "another-password": postgres_server.url(password="another-password"),
        "nobody there": "postgresql://easel:another-password@127.0.0.1:1/easel",
        "no database": postgres_server.url("nowhere"),
    }[wrong]
    found = await looked(tmp_path, url)
    assert words in found.message("database")
    assert found.failed == ["database"]
    assert "another-password" not in found.text


async def test_a_wrong_option_of_the_url_is_told_by_its_name(tmp_path: Path, url: str) -> None:
    for check, option, words in (
        ("settings", "sslmode=bogus", "EASEL_DATABASE_URL: has sslmode='bogus'; it is one of prefer, disable,"),
        ("database", "no_such_setting=1", '"no_such_sett'),
    ):
        found = await looked(tmp_path, f"{url}?{option}")
        assert words in found.message(check)


async def test_a_database_without_a_place_for_every_letter_is_told(tmp_path: Path, postgres_server: Server) -> None:
    name = "doctor_of_latin_letters"
    await postgres_server.run(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0")
    try:
        found = await looked(tmp_path, postgres_server.url(name))
        assert "its encoding is LATIN1: make another one" in found.message("database")
        assert found.failed == ["database"]
    finally:
        await postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(("ahead", "words"), [("+5m", "behind"), ("-5m", "ahead of"), ("+10s", "")])
async def test_a_clock_that_is_off_is_told(tmp_path: Path, url: str, ahead: str, words: str) -> None:
    """Ours: people see the times of one replica after those of another."""
    (tmp_path / "clock").write_text(ahead)
    found = await looked(tmp_path, url, **clock_of(tmp_path / "clock"))
    told = re.findall(
        r"its clock is (?:29|30). s (.*) that of this machine: set both by NTP", found.message("database")
    )
    assert told == ([words] if words else [])


async def test_tokens_of_the_database_count(tmp_path: Path, url: str, postgres_server: Server) -> None:
    """Ours: a service that is beyond this machine needs none of the settings then."""
    row = "INSERT INTO tokens (digest, name, created_at) VALUES ('\\x00', 'ann', 1)"
    await postgres_server.run(row, database_of(url))
    found = await looked(tmp_path, url)
    assert "every call needs a token" in found.message("tokens")
