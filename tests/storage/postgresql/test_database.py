"""The connections to PostgreSQL: transactions, work that outlives its caller, and a server that is not there."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

import asyncpg
import pytest
from yarl import URL

from service.images import WorkError
from service.storage.postgresql import database as module
from service.storage.postgresql.database import Connection, Database
from service.storage.postgresql.schema import SchemaError
from service.troubles import AwayError
from tests.scale.postgres import Server, database_of

END_CONNECTIONS: Final = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1
"""
"""Waits until each has ended."""

TOLD_S: Final = 10.0
"""Within so many seconds a caller is told."""


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database() as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = await Database.open(url)
    yield opened
    await opened.close()


async def say(connection: Connection, name: str) -> None:
    await connection.execute("INSERT INTO facts (name, value) VALUES ($1, '')", name)


async def said(connection: Connection) -> list[str]:
    return [row[0] for row in await connection.fetch("SELECT name FROM facts ORDER BY name")]


async def test_work_that_fails_leaves_nothing(database: Database) -> None:
    async def half(connection: Connection) -> None:
        await say(connection, "a")
        raise LookupError("nothing there")

    with pytest.raises(LookupError):
        await database.write(half)
    await database.write(say, "b")
    assert await database.read(said) == ["b"]


async def test_several_statements_see_one_moment(database: Database) -> None:
    async def twice(connection: Connection) -> tuple[list[str], list[str]]:
        before = await said(connection)
        await database.call(say, "a")
        return before, await said(connection)

    assert await database.read_together(twice) == ([], [])


async def test_work_whose_caller_leaves_is_done(url: str, database: Database) -> None:
    """Ours: a picture that was paid for is in the history, whoever waits for it."""
    names = [f"{number:02}" for number in range(20)]
    leaving = [asyncio.ensure_future(database.write(say, name)) for name in names]
    for each in leaving:
        each.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert all(each.cancelled() for each in leaving)
    await database.close()
    other = await Database.open(url)
    assert await other.read(said) == names
    await other.close()


async def test_close_waits_for_the_work(url: str) -> None:
    one, other = await Database.open(url), await Database.open(url)
    handed_over = [one.write(say, f"{number:02}") for number in range(20)]
    await asyncio.gather(one.close(), one.close())
    assert await other.read(said) == [f"{number:02}" for number in range(20)]
    assert all(each.done() for each in handed_over)
    with pytest.raises(RuntimeError, match="the store is closed"):
        await one.read(said)
    await other.close()


async def test_work_that_was_handed_over_can_be_waited_for_by_others(database: Database) -> None:
    """Ours: a question about deliveries comes after those that nobody awaits."""
    for number in range(10):
        database.call(say, f"{number}")
    await database.settle()
    assert len(await database.read(said)) == 10


async def test_the_work_of_a_person_may_take_longer_than_an_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: an import of ten thousand entries is no reason to tell that the database is away."""
    other = await Database.open(url)

    async def slowly(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(0.5)")
        await say(connection, "a")

    monkeypatch.setattr(other, "_hand_over", partial(other._hand_over, within_s=0.2))
    with pytest.raises(WorkError, match="answers too late"):
        await other.write(slowly)
    await other.write_at_length(slowly)
    assert await other.read(said) == ["a"]
    await other.close()


async def test_work_that_meets_other_work_is_done_again(url: str, database: Database) -> None:
    """Ours: a deadlock is nobody's failure; it is undone wholly and done once more."""
    await database.write(say, "a")
    await database.write(say, "b")
    arrived = {"ab": asyncio.Event(), "ba": asyncio.Event()}

    async def lock(connection: Connection, order: str) -> None:
        await connection.execute("SELECT FROM facts WHERE name = $1 FOR UPDATE", order[0])
        arrived[order].set()
        await arrived[order[::-1]].wait()
        await connection.execute("UPDATE facts SET value = value || $2 WHERE name = $1", order[1], order)

    await asyncio.gather(database.write(lock, "ab"), database.write(lock, "ba"))
    connection = await asyncpg.connect(url)
    values = await connection.fetch("SELECT value FROM facts ORDER BY name")
    await connection.close()
    assert [row[0] for row in values] == ["ba", "ab"]


async def test_a_table_that_a_later_release_changes_is_read_on(database: Database) -> None:
    """Ours: replicas are updated one after the other, and the first one brings the tables up to date."""

    async def all_of(connection: Connection) -> int:
        return len(await connection.fetch("SELECT * FROM facts"))

    assert (await database.write(all_of), await database.read(all_of)) == (0, 0)
    await database.call(lambda one: one.execute("ALTER TABLE facts ADD more text"))
    assert (await database.write(all_of), await database.read(all_of)) == (0, 0)


async def test_a_mistake_of_ours_stays_what_it_is(database: Database) -> None:
    await database.write(say, "a")
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.write(say, "a")


async def test_while_the_server_is_gone_calls_fail_and_then_go_on(postgres_server: Server, database: Database) -> None:
    """Ours: a call is told in one sentence, and nobody has to start the service anew."""
    await database.write(say, "a")
    postgres_server.stop()
    try:
        for work in (database.read, database.write):
            began = time.monotonic()
            with pytest.raises(WorkError, match=r"the database does not answer.\n.*EASEL_DATABASE_URL") as caught:
                await work(said)
            assert caught.value.kind == "storage"
            assert time.monotonic() - began < TOLD_S
    finally:
        postgres_server.start()
    assert await database.read(said) == ["a"]


async def test_a_server_that_hangs_is_not_waited_for(
    postgres_server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.3)
    await database.write(say, "a")
    await postgres_server.pause()
    try:
        with pytest.raises(WorkError, match="the database answers too late"):
            await database.write(say, "b")
    finally:
        postgres_server.resume()
    monkeypatch.undo()
    assert await database.read(said) == ["a"]


async def test_after_one_late_answer_no_old_connection_is_tried(
    postgres_server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: after a network that dropped everything each of them would be waited for in turn."""
    together = asyncio.Barrier(4)

    async def process_number(connection: Connection) -> int:
        number: int = await connection.fetchval("SELECT pg_backend_pid()")
        await together.wait()
        return number

    before = set(await asyncio.gather(*(database.read(process_number) for _ in range(4))))
    monkeypatch.setattr(module, "ANSWER_S", 0.3)
    await postgres_server.pause()
    try:
        with pytest.raises(WorkError, match="the database answers too late"):
            await database.read(said)
    finally:
        postgres_server.resume()
    monkeypatch.undo()
    after = set(await asyncio.gather(*(database.read(process_number) for _ in range(4))))
    assert (len(before), len(after), before & after) == (4, 4, set())


async def test_a_connection_that_was_ended_while_idle_is_replaced(
    postgres_server: Server, url: str, database: Database
) -> None:
    """Ours: servers are restarted, and firewalls forget connections, while nobody calls."""
    await database.write(say, "a")
    async with postgres_server.connected() as connection:
        ended = await connection.fetchval(END_CONNECTIONS, database_of(url))
    await asyncio.sleep(0)  # the loop hears of what has happened by now
    assert (ended, await database.read(said)) == (1, ["a"])


async def test_a_transaction_of_a_process_that_stopped_is_not_waited_for_long(database: Database) -> None:
    async def settings(connection: Connection) -> list[str]:
        names = ("idle_in_transaction_session_timeout", "lock_timeout")
        return [await connection.fetchval(f"SHOW {name}") for name in names]

    assert await database.write(settings) == ["5s", "4s"]
    assert await database.read(settings) == ["0", "0"], "the settings of a transaction end with it"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param(("easel:", "nobody:"), "refuses this server", id="user"),
        pytest.param(("/test_", "/other_"), "refuses this server", id="database"),
        pytest.param((None, "1"), "does not answer", id="port"),
    ],
)
async def test_a_database_that_cannot_be_used_is_told_at_the_start(
    url: str, postgres_server: Server, change: tuple[str | None, str], complaint: str
) -> None:
    old, new = change
    with pytest.raises(WorkError, match=complaint):
        await Database.open(url.replace(old or str(postgres_server.port), new))


async def test_a_server_without_a_pooler_keeps_statements_prepared(database: Database) -> None:
    async def prepared(connection: Connection) -> int:
        return int(await connection.fetchval("SELECT count(*) FROM pg_prepared_statements"))

    assert not database.is_pooled
    assert await database.read(prepared) == 1


async def test_a_database_of_a_later_release_is_refused(url: str, database: Database) -> None:
    await database.call(lambda one: one.execute("INSERT INTO easel_migrations VALUES (9999)"))
    with pytest.raises(SchemaError, match="migration 9999"):
        await Database.open(url)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("sslmode=bogus", "an option that is none"),
        ("no_such_setting=1", "an option that is none"),
        ("sslmode=require", "no encrypted connection"),
    ],
)
async def test_a_wrong_option_of_the_url_is_told_in_a_sentence(url: str, option: str, words: str) -> None:
    """Ours: nobody waits half a minute for it, as for a database that starts."""
    with pytest.raises(WorkError, match=words) as refused:
        await Database.open(f"{url}?{option}")
    assert not isinstance(refused.value, AwayError)


async def test_a_user_without_rights_is_told_in_a_sentence(postgres_server: Server, url: str) -> None:
    """Since PostgreSQL 15 a user makes tables in no database but its own."""
    name = f"guest_{database_of(url)}"
    await postgres_server.run(f"CREATE USER {name} PASSWORD 'guest'")
    try:
        place = url.partition("@")[2]
        with pytest.raises(WorkError, match="make the user in EASEL_DATABASE_URL the owner"):
            await Database.open(f"postgresql://{name}:guest@{place}")
    finally:
        await postgres_server.run(f"DROP USER {name}")


async def test_a_database_without_a_place_for_every_letter_is_refused(postgres_server: Server) -> None:
    """Ours: a picture whose note is Chinese would be paid for, and then could not be stored."""
    name = "test_of_latin_letters"
    await postgres_server.run(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(SchemaError, match="encoding LATIN1: make another one"):
            await Database.open(postgres_server.url(name))
    finally:
        await postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.with_password("wrong"), "refuses this server"),
        (lambda url: url.with_path("/nothing"), "refuses this server"),
        (lambda url: url.with_query(foo="1"), 'option that is none .*unrecognized configuration parameter "foo"'),
        (lambda url: url.with_query(statement_timeout="soon"), "option that is none .*statement_timeout"),
        (lambda url: url.with_query(sslmode="require"), "no encrypted connection"),
    ],
)
async def test_what_no_wait_mends_is_told_at_once(url: str, change: Callable[[URL], URL], words: str) -> None:
    """Ours: a start waits half a minute for a server that does not answer, and for nothing else."""
    with pytest.raises(WorkError, match=words) as refused:
        await Database.open(str(change(URL(url))))
    assert not isinstance(refused.value, AwayError)


async def test_a_server_that_takes_a_connection_and_says_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a start gave up at once where a machine, or the firewall before it, was not ready."""
    monkeypatch.setattr(module, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(AwayError):
        await Database.open(f"postgresql://easel@127.0.0.1:{silent.getsockname()[1]}/easel?sslmode=disable")
