"""The connections to one PostgreSQL database, and the transactions over them.

1. Work that changes several things is one transaction (`write`). Work of a single statement is one by itself, and is
   spared the two messages round it (`call`, `read`). Nothing is left open between two messages of a process that stops.
2. Work that was handed over is done: a caller who is cancelled only does not hear of it. `close` waits for it.
3. No call waits longer than `ANSWER_S`, whatever the database or the network do: then it fails as `storage`. A
   connection whose answer is late is cut off. One that was lost is opened anew by the next call.
4. Work that met another transaction (`troubles.TRIES`) is done again, so it changes nothing but the database. Work
   whose connection was lost is not: nobody knows whether it was done.
5. Behind a pooler, such as PgBouncer in transaction mode, the next message may go to another server process: then no
   statement is kept prepared. It is found out at the start, since a pooler gives a process number of its own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeAlias, TypeVar

import asyncpg

from service.images import WorkError
from service.storage.postgresql import connections
from service.storage.postgresql.connections import Connections
from service.storage.postgresql.schema import check_encoding, migrate
from service.storage.postgresql.troubles import UNUSABLE, of_connecting, refusal, tries_of
from service.troubles import storage_error

P = ParamSpec("P")
R = TypeVar("R")

Connection: TypeAlias = connections.Connection
"""A connection that one piece of work has for itself."""

logger = logging.getLogger(__name__)

CONNECTIONS: Final = 8
"""Connections of one process. Statements take a millisecond, so that they are seldom all in use."""

IDLE_S: Final = 60.0
"""Seconds after which a connection that nobody used is closed: a hundred replicas would hold hundreds for nothing."""

CONNECT_S: Final = 3.0
ANSWER_S: Final = 4.5
"""Longest wait of a call, for a free connection and for its answers. A caller is told within five seconds."""

LONG_S: Final = 3600.0
"""Longest work of a person, such as the import of a history."""

CLOSED: Final = "the store is closed"

STATEMENTS: Final = 200
"""Statements that a connection keeps prepared; there are fewer."""

BEGIN: Final = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL lock_timeout = '4s'"
"""One message. A process that is stopped in the midst of a transaction holds its locks no longer than that."""

BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Database:
    """One database, open for reading and writing."""

    def __init__(self, opened: Connections, *, is_pooled: bool) -> None:
        """Take over the connections; `is_pooled` tells of a pooler before the database."""
        self.is_pooled: Final = is_pooled
        self._connections = opened
        self._at_work: set[asyncio.Task[Any]] = set()
        self._closed: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect, and bring the tables up to date. Raises `WorkError` or `SchemaError` where that cannot be."""
        try:
            is_pooled = await _prepare(url)
        except Exception as error:
            raise refusal(error) from error
        connect = partial(
            asyncpg.connect,
            url,
            timeout=CONNECT_S,
            statement_cache_size=0 if is_pooled else STATEMENTS,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": "easel"},
        )
        return cls(Connections(connect, CONNECTIONS, IDLE_S), is_pooled=is_pooled)

    def write(
        self, work: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Do `work` in one transaction: wholly or not at all."""
        return self._hand_over(lambda one: _transact(one, BEGIN, lambda: work(one, *args, **kwargs)))

    async def read(
        self, work: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do `work` of a single statement that changes nothing. It ends with its caller, and is spared a task."""
        if self._closed is not None:
            raise RuntimeError(CLOSED)
        return await self._done(lambda one: work(one, *args, **kwargs), ANSWER_S)

    def call(
        self, work: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Do `work` that is a single statement, which is a transaction by itself."""
        return self._hand_over(lambda one: work(one, *args, **kwargs))

    def read_together(
        self, work: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Do `work` of several statements that see the database as it was at one moment."""
        return self._hand_over(lambda one: _transact(one, BEGIN_READING, lambda: work(one, *args, **kwargs)))

    def write_at_length(
        self, work: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Do `work` as `write` does, where it may take minutes: it is that of a person who waits for it."""
        return self._hand_over(lambda one: _transact(one, BEGIN, lambda: work(one, *args, **kwargs)), within_s=LONG_S)

    async def settle(self) -> None:
        """Wait for the work that was handed over before."""
        if self._at_work:
            await asyncio.wait(set(self._at_work))

    async def close(self) -> None:
        """Finish the work that was handed over, then let go of the database. Safe to call twice."""
        if self._closed is None:
            self._closed = asyncio.create_task(self._close())
        await asyncio.shield(self._closed)

    def _hand_over(self, work: Callable[[Connection], Awaitable[R]], within_s: float = ANSWER_S) -> asyncio.Future[R]:
        if self._closed is not None:
            raise RuntimeError(CLOSED)
        task = asyncio.ensure_future(self._done(work, within_s))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return asyncio.shield(task)

    async def _done(self, work: Callable[[Connection], Awaitable[R]], within_s: float) -> R:
        attempt = 1
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        return await self._try(work)
                    except asyncpg.PostgresError as error:
                        if attempt >= tries_of(error):
                            raise
                        attempt += 1
        except WorkError:
            raise
        except Exception as error:
            if isinstance(error, TimeoutError):
                self._connections.cut_idle()  # they may lead nowhere too, as after a network that dropped everything
            raise refusal(error) from error

    async def _try(self, work: Callable[[Connection], Awaitable[R]]) -> R:
        connection = await self._connections.take()
        try:
            return await work(connection)
        except asyncio.CancelledError:
            connection.terminate()  # nobody waits until a server answers that answers too late
            raise
        finally:
            self._connections.give_back(connection)

    async def _close(self) -> None:
        if self._at_work:
            await asyncio.wait(self._at_work)
        await self._connections.close()


async def first_row(connection: Connection, query: str, *values: object) -> asyncpg.Record:
    """Return the first row of a query that always has one."""
    row = await connection.fetchrow(query, *values)
    assert row is not None, query  # noqa: S101 - as the caller wrote the query
    return row


async def _transact(connection: Connection, begin: str, work: Callable[[], Awaitable[R]]) -> R:
    await connection.execute(begin)
    try:
        result = await work()
    except Exception:  # a connection whose work was cancelled is cut off, which undoes it too
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")
    return result


async def _prepare(url: str) -> bool:
    """Bring the tables up to date; return whether a pooler stands before the database."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_S, statement_cache_size=0)
    except Exception as error:
        trouble = of_connecting(error)
        if trouble is None:
            raise
        raise storage_error(UNUSABLE, trouble) from error
    try:
        process: int = await connection.fetchval("SELECT pg_backend_pid()")
        is_pooled = process != connection.get_server_pid()
        await check_encoding(connection)
        await migrate(connection)
    finally:
        await connection.close(timeout=CONNECT_S)
    if is_pooled:
        logger.info("A pooler stands before the database: statements are not kept prepared.")
    return is_pooled


async def change(connection: Connection, statement: str, *values: object) -> int:
    """Run one statement that changes rows; return how many there were."""
    return int((await connection.execute(statement, *values)).rpartition(" ")[2])


def is_text(text: str) -> bool:
    """Tell whether the database has a place for a text: PostgreSQL knows no NUL, so that none with one stands there."""
    return "\0" not in text
