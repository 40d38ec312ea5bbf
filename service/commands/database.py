"""The findings of `doctor` about the PostgreSQL database of EASEL_DATABASE_URL. Nothing is changed in it.

A notice to oneself shows whether replicas hear of each other: behind PgBouncer in transaction mode none comes.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias

import asyncpg

from service.commands.public_url import Finding, State
from service.settings import Settings
from service.storage.moving.records import TABLES
from service.storage.people import as_sent
from service.storage.postgresql import tokens
from service.storage.postgresql.agreement import identity_of
from service.storage.postgresql.schema import ANOTHER, ENCODING, migrations
from service.storage.postgresql.troubles import MISWRITTEN, trouble_of
from service.storage.secret import Secret
from service.storage_urls import DATABASE_URL, LISTEN_URL

CHECK: Final = "database"
CONNECT_S: Final = 3.0
ECHO_S: Final = 2.0
"""Longest wait for a notice to oneself, which takes a millisecond."""

CLOCK_S: Final = 60.0
"""Seconds that the clocks of replica and database may be apart: people see times by either."""

OLDEST: Final = 14
"""The oldest release of PostgreSQL that Easel's statements are tried on or that its makers still mend."""

CONNECTIONS_EACH: Final = 10
"""Connections that a replica opens when it is busy."""

UNHEARD: Final = (
    "no notice comes through, as behind PgBouncer in transaction mode: replicas hear of each other seconds later"
)
UNLIKE: Final = (
    "it is another one than that of the replicas on this database, so that links and sessions of theirs are lost here: "
    "give all the same EASEL_SECRET"
)

SELECT_FACTS: Final = """
    SELECT current_setting('server_version_num')::integer / 10000 AS version,
        current_setting('server_version') AS shown,
        current_setting('server_encoding') AS encoding,
        pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
        coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
        to_regclass('easel_migrations') IS NOT NULL AS has_tables,
        extract(epoch FROM clock_timestamp())::float8 AS now,
        current_setting('max_connections')::integer
            - current_setting('superuser_reserved_connections')::integer AS most_connections,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
        pg_backend_pid() AS process
"""
SELECT_MAY_WRITE: Final = """
    SELECT bool_and(has_table_privilege(format('%I.%I', schemaname, tablename), privilege))
    FROM pg_tables CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
    WHERE schemaname = current_schema() AND tablename = ANY($1::text[])
"""
OURS: Final = ["facts", "identity", "leases", *(table.name for table in TABLES)]
SELECT_DONE: Final = "SELECT number FROM easel_migrations"
SELECT_FINGERPRINT: Final = "SELECT value FROM facts WHERE name = 'secret'"

Connection: TypeAlias = "asyncpg.Connection[Any]"


async def look_at_database(settings: Settings, secret: Secret | None) -> AsyncIterator[Finding]:
    """Yield the findings about the database of the settings, which have one; `secret` is that of this replica."""
    assert settings.database is not None  # noqa: S101 - the caller looked
    shown = settings.database.shown
    try:
        async with _connected(settings.database.url) as connection:
            facts = await connection.fetchrow(SELECT_FACTS)
            assert facts is not None, "one row"  # noqa: S101 - as it is written
            yield Finding(CHECK, State.OK, f"{shown} is PostgreSQL {facts['shown']}")
            for finding in [*_of_facts(facts), *await _of_tables(connection, facts)]:
                yield finding
            if facts["has_tables"]:
                async for finding in _of_secret(connection, secret):
                    yield finding
            yield await _of_notices(settings, is_pooled=facts["process"] != connection.get_server_pid())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        yield Finding(CHECK, State.FAIL, f"{DATABASE_URL}: {shown}: {_said(error)}")


async def has_stored_tokens(url: str) -> bool:
    """Tell whether a database has tokens of `token add`; False for one that a check names."""
    try:
        async with _connected(url) as connection:
            return bool(as_sent(await tokens.all_tokens(connection)))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def fingerprint_of(url: str) -> str | None:
    """Return the fingerprint of a database; "" for one that has none yet, and None for one that a check names."""
    try:
        async with _connected(url) as connection:
            return (await identity_of(connection)).fingerprint
    except asyncpg.UndefinedTableError:
        return ""
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url, timeout=CONNECT_S, command_timeout=CONNECT_S, statement_cache_size=0)
    try:
        yield connection
    finally:
        connection.terminate()


def _of_facts(facts: asyncpg.Record) -> list[Finding]:
    found = []
    if facts["version"] < OLDEST:
        message = f"PostgreSQL {facts['shown']} gets no corrections any more: upgrade it to {OLDEST} or newer"
        found.append(Finding(CHECK, State.WARN, message))
    if facts["encoding"] != ENCODING:
        found.append(Finding(CHECK, State.FAIL, f"its encoding is {facts['encoding']}: {ANOTHER}"))
    if facts["is_read_only"]:
        message = f"it is read-only: let {DATABASE_URL} name the primary server, not a copy that follows it"
        found.append(Finding(CHECK, State.FAIL, message))
    off = time.time() - facts["now"]
    if abs(off) > CLOCK_S:
        message = f"its clock is {abs(off):.0f} s {'behind' if off > 0 else 'ahead of'} that of this machine: set both"
        found.append(Finding(CHECK, State.WARN, f"{message} by NTP"))
    left = facts["most_connections"] - facts["connections"]
    if left < CONNECTIONS_EACH:
        message = f"{left} connections are free, and a busy replica opens {CONNECTIONS_EACH}: raise max_connections, or"
        found.append(Finding(CHECK, State.WARN, f"{message} put PgBouncer before it"))
    return found


async def _of_tables(connection: Connection, facts: asyncpg.Record) -> list[Finding]:
    """Return the findings about the tables: they are those of this release, or can be made."""
    if not facts["has_tables"]:
        if facts["may_create"]:
            return [Finding(CHECK, State.OK, "it has no tables yet: the first start makes them")]
        message = "its user may not make tables: grant it CREATE on the schema, or make it the owner of the database"
        return [Finding(CHECK, State.FAIL, message)]
    if not await connection.fetchval(SELECT_MAY_WRITE, OURS):
        message = "its user may not read and write the tables: let it be the one that made them"
        return [Finding(CHECK, State.FAIL, message)]
    done, wanted = {row[0] for row in await connection.fetch(SELECT_DONE)}, migrations().keys()
    if max(done, default=0) > max(wanted):
        message = "its tables are those of a later release: start that one, or name another database"
        return [Finding(CHECK, State.FAIL, message)]
    if wanted - done:
        return [Finding(CHECK, State.OK, "its tables are those of an earlier release: the next start brings them up")]
    return [Finding(CHECK, State.OK, "its tables are those of this release")]


async def _of_secret(connection: Connection, secret: Secret | None) -> AsyncIterator[Finding]:
    """Yield a finding about the secret that the replicas of this database agree on, where one has started."""
    agreed = await connection.fetchval(SELECT_FINGERPRINT)
    if agreed is None or secret is None:
        return
    if agreed == secret.fingerprint:
        yield Finding("secret", State.OK, "it is that of the other replicas")
    else:
        yield Finding("secret", State.FAIL, UNLIKE)


async def _of_notices(settings: Settings, *, is_pooled: bool) -> Finding:
    """Return the finding about notices between replicas, which may be heard by a way of their own."""
    assert settings.database is not None  # noqa: S101 - the caller looked
    way = settings.listen or settings.database
    pooled = "a pooler stands before it, which is found out and allowed for; " if is_pooled else ""
    try:
        is_heard = await _hears_itself(way.url, settings.database.url)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Finding(CHECK, State.FAIL, f"{LISTEN_URL}: {way.shown}: {_said(error)}")
    if is_heard:
        return Finding(CHECK, State.OK, f"{pooled}replicas hear of each other at once")
    return Finding(CHECK, State.WARN, f"{pooled}{UNHEARD}; let {LISTEN_URL} lead to PostgreSQL itself")


async def _hears_itself(heard_by: str, told_by: str) -> bool:
    """Listen on a channel of nobody else, tell something there by another connection, and return whether it comes."""
    channel = f"easel_{secrets.token_hex(8)}"
    heard = asyncio.Event()
    async with _connected(heard_by) as listening, _connected(told_by) as telling:
        await listening.add_listener(channel, lambda *_: heard.set())
        await telling.execute(f"NOTIFY {channel}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ECHO_S):
                await heard.wait()
    return heard.is_set()


def _said(error: Exception) -> str:
    trouble = trouble_of(error)
    return f"{trouble.fact}: {trouble.advice}" if trouble not in {None, MISWRITTEN} else str(error)
