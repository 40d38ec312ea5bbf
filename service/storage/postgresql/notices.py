"""Notices between replicas, by LISTEN and NOTIFY of PostgreSQL.

1. Notices are heard on a connection of their own, which goes to the database without a pooler: behind PgBouncer in
   transaction mode nothing is heard. That is found out by a notice to oneself; where it does not come, rows are read
   more often instead, and the log names the setting.
2. Notices are told over the other connections, together: of those that come within `PAUSE_S` one statement.
3. A connection that broke is opened again, and then `AnythingChanged` is heard. Nothing waits for one meanwhile.
4. The same connection holds the lock of the one replica that leads (`leads`): such a lock ends with its connection, and
   never is another one's.
"""

import asyncio
import contextlib
import itertools
import logging
import secrets
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from service.images import WorkError
from service.storage.notices import CHANNEL, AnythingChanged, Echo, Notice, Notices, StopWanted, decode, encode
from service.storage.postgresql.database import CONNECT_S, Connection, Database
from service.storage.postgresql.leases import Held
from service.storage.postgresql.troubles import trouble_of

logger = logging.getLogger(__name__)

ECHO_S: Final = 2.0
"""Longest wait for a notice to oneself. One takes a millisecond."""

AGAIN_S: Final = 1.0
"""Pause before a connection that broke is opened again."""

LEAD_EVERY: Final = 10
"""So many of these pauses are between two tries to lead: pictures can wait a moment until they are removed."""

LOOK_AGAIN_S: Final = 60.0
"""Pause before a connection that passes no notices on is tried again."""

LOOK_S: Final = 3.0
LOOK_UNHEARD_S: Final = 1.0
"""Seconds between two looks at a row that a call waits for, where notices are heard and where not."""

PAUSE_S: Final = 0.02
MOST_WAITING: Final = 1000
"""Notices that wait to be told. Beyond, one `AnythingChanged` stands for all."""

LEADS: Final = 0x6561_7365_6D
"""The number of the advisory lock of the replica that leads."""

NOTIFY_ALL: Final = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"
ASK_TO_STOP: Final = """
    WITH asked AS (
        UPDATE jobs SET stop_wanted = coalesce(stop_wanted, false) OR $3
        WHERE owner = $1 AND history_id = $2 AND state = 'working' AND lives(lease) RETURNING 1
    )
    SELECT pg_notify($4, $5) FROM asked
"""


class PostgresNotices(Notices):
    """The notices of the replicas of one database. `url` leads to it directly."""

    def __init__(self, database: Database, lease: Held, url: str, setting: str) -> None:
        """Tell in the name of this lease; `setting` is the one to change where `url` passes no notices on."""
        super().__init__()
        self.is_heard = False
        """True while notices of others come."""
        self._database = database
        self._lease = lease
        self._url = url
        self._setting = setting
        self._connection: asyncpg.Connection[Any] | None = None
        self._leads = False
        self._trouble_is_told = False
        """Said once for a trouble that lasts."""
        self._waiting: dict[str, None] = {}
        self._wanted = asyncio.Event()
        self._echo: asyncio.Future[None] | None = None
        self._echo_of = ""

    @property
    def look_s(self) -> float:
        return LOOK_S if self.is_heard else LOOK_UNHEARD_S

    @property
    def leads(self) -> bool:
        """True in one replica, or in each where none can hold the lock: then each does the common work, harmlessly."""
        return self._leads or not self.is_heard

    def tell(self, notice: Notice) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            notice = AnythingChanged()
        self._waiting[encode(notice, self._lease.id)] = None
        self._wanted.set()

    async def ask_to_stop(self, wanted: StopWanted) -> bool:
        payload = encode(wanted, self._lease.id)
        values = (wanted.owner, wanted.history_id, wanted.for_good, CHANNEL, payload)
        return bool(await self._database.call(_fetch, ASK_TO_STOP, *values))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_listening())
            group.create_task(self._keep_telling())

    async def start(self) -> None:
        """Listen, or find that nothing is heard, before the first call waits for a notice."""
        try:
            await self._listen()
        except (
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError, WorkError
        ) as error:  # fmt: skip
            self._note_trouble(error)
            await self.close()  # nothing was found out about this connection: the next one is tried soon

    async def close(self) -> None:
        """Let go of the connection, and of the lock with it."""
        self.is_heard = self._leads = False
        if (connection := self._connection) is not None:
            self._connection = None
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await connection.close(timeout=CONNECT_S)

    async def _keep_listening(self) -> None:
        try:
            for number in itertools.count():
                if self._connection is None:
                    await self.start()
                    if self.is_heard:
                        self._heard(AnythingChanged())
                elif not self._leads and number % LEAD_EVERY == 0:
                    await self._try_to_lead()
                await asyncio.sleep(AGAIN_S if self.is_heard or self._connection is None else LOOK_AGAIN_S)
                if self._connection is not None and (not self.is_heard or self._connection.is_closed()):
                    await self.close()
        finally:
            await self.close()

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_S,
            command_timeout=CONNECT_S,
            statement_cache_size=0,
            server_settings={"application_name": "easel notices"},
        )
        self._connection = connection
        connection.add_termination_listener(self._note_end)
        await connection.add_listener(CHANNEL, self._take)
        self.is_heard = await self._hears_itself()
        if self.is_heard:
            self._trouble_is_told = False
            await self._try_to_lead()
        else:
            logger.warning(
                "The database passes no notices on by this connection, as behind PgBouncer in transaction mode: calls "
                "that wait at another replica hear of its end a second later, and see no progress. Let %s lead to "
                "PostgreSQL itself.", self._setting,
            )  # fmt: skip

    async def _hears_itself(self) -> bool:
        """Tell oneself something by another connection, and return whether it comes."""
        self._echo, self._echo_of = asyncio.get_running_loop().create_future(), secrets.token_hex(16)
        await self._database.call(_fetch, NOTIFY_ALL, CHANNEL, [encode(Echo(), self._echo_of)])
        try:
            async with asyncio.timeout(ECHO_S):
                await self._echo
        except TimeoutError:
            return False
        return True

    async def _try_to_lead(self) -> None:
        connection = self._connection
        if connection is None or not self.is_heard:
            return
        try:
            self._leads = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADS))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            self._note_trouble(error)
            connection.terminate()

    async def _keep_telling(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(PAUSE_S)
            self._wanted.clear()
            payloads, self._waiting = list(self._waiting), {}
            try:
                await self._database.call(_fetch, NOTIFY_ALL, CHANNEL, payloads)
            except WorkError as error:  # they are hints
                logger.debug("%d notices were not told: %s", len(payloads), error)

    def _take(self, _: object, __: int, ___: str, payload: object) -> None:
        notice, sender = decode(str(payload))
        if isinstance(notice, Echo):
            if sender == self._echo_of and self._echo is not None and not self._echo.done():
                self._echo.set_result(None)
        elif notice is not None and sender != self._lease.id:
            self._heard(notice)

    def _note_end(self, connection: object) -> None:
        if connection is self._connection:
            self.is_heard = self._leads = False

    def _note_trouble(self, error: Exception) -> None:
        level = logging.DEBUG if self._trouble_is_told else logging.WARNING
        self._trouble_is_told = True
        trouble = trouble_of(error)
        why = trouble.fact if trouble is not None else type(error).__name__
        logger.log(
            level, "No notices of other replicas are heard now: %s. It is tried again; where it lasts, look at %s.",
            why, self._setting,
        )  # fmt: skip


async def _fetch(connection: Connection, statement: str, *values: object) -> Sequence[asyncpg.Record]:
    return await connection.fetch(statement, *values)
