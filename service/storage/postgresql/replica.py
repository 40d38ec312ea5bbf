"""The life of a replica in the database: it renews its lease, and learns what others want of it.

1. One statement every `EACH_S` renews the lease, counts the replicas that live, and reads which jobs of this one are to
   be stopped.
2. A replica that was stopped, or cut off, for longer than `DEAD_S` finds its lease gone: it stops its jobs, of which
   others follow or have ended each, and begins anew with another lease. Nothing that it writes meanwhile counts.
3. Before an image service is asked for something that costs, a lease that was not renewed of late is looked at: a
   process that wakes up asks for nothing twice.
4. Where nobody could renew a lease, as the database itself was gone, nobody is taken for dead: whoever comes back first
   renews those of all (`all_are_silent` in the migrations).
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

import orjson

from service.images import WorkError
from service.storage.notices import StopWanted
from service.storage.postgresql.database import Connection, Database
from service.storage.postgresql.leases import DEAD_S, Held, LeaseLostError, claim_lease
from service.storage.postgresql.notices import PostgresNotices
from service.storage.replicas import Replica

logger = logging.getLogger(__name__)

EACH_S: Final = 3.0
AGAIN_S: Final = 1.0
"""Pause before another try where the database did not answer."""

FRESH_S: Final = DEAD_S - 2.0
"""Age up to which a renewal counts without a look."""

SHARE: Final = """
    INSERT INTO taken_requests AS t (owner, earned_back_at)
    SELECT owner, clock_timestamp() + make_interval(secs => seconds)
    FROM unnest($1::text[], $2::double precision[]) AS new (owner, seconds) ORDER BY owner
    ON CONFLICT (owner) DO UPDATE
    SET earned_back_at = greatest(t.earned_back_at, clock_timestamp()) + (excluded.earned_back_at - clock_timestamp())
    RETURNING owner, extract(epoch FROM earned_back_at - clock_timestamp())::double precision
"""
RENEW_AND_LOOK: Final = f"""
    WITH renewed AS (
        UPDATE leases SET seen_at = clock_timestamp()
        WHERE id = $1 OR ((SELECT all_are_silent()) AND seen_at > clock_timestamp() - interval '1 hour') RETURNING id
    )
    SELECT EXISTS (SELECT FROM renewed WHERE id = $1),
        (SELECT count(*) FROM leases WHERE seen_at > clock_timestamp() - interval '{DEAD_S} s'),
        coalesce(
            (
                SELECT json_agg(json_build_array(owner, history_id, stop_wanted)) FROM jobs
                WHERE lease = $1 AND state = 'working' AND stop_wanted IS NOT NULL
            ),
            '[]'
        )
"""  # noqa: S608 - a number of ours


def since_boot() -> float:
    """Return seconds that go on while this process is stopped, and while the machine sleeps where it can be told."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class PostgresReplica(Replica):
    """This replica, as long as it lives. Its lease was claimed when the store was opened."""

    claims_each_s = 3.0
    shares = True

    def __init__(
        self, database: Database, lease: Held, notices: PostgresNotices, clock: Callable[[], float] = since_boot
    ) -> None:
        """Count the lease as renewed just now."""
        super().__init__()
        self._notices = notices
        self._database = database
        self._lease = lease
        self._clock = clock
        self._renewed_at = clock()
        self._renewing = asyncio.Lock()

    async def keep_alive(self) -> None:
        """Renew the lease until cancelled."""
        while True:
            try:
                await self.renew()
            except WorkError as error:
                logger.debug("The lease could not be renewed: %s", error)
                await asyncio.sleep(AGAIN_S)
            else:
                await asyncio.sleep(EACH_S)

    @property
    def leads(self) -> bool:
        return self._notices.leads

    async def share(self, taken: Mapping[str, float]) -> Mapping[str, float]:
        return await self._database.call(_share, taken)

    async def begin_anew(self) -> None:
        await self.renew()

    async def check(self) -> None:
        if self._clock() - self._renewed_at >= FRESH_S and not await self.renew():
            raise LeaseLostError

    async def renew(self) -> bool:
        """Give a sign of life; return False where the lease was gone, and another one has been claimed.

        Raises `WorkError` where the database does not answer.
        """
        async with self._renewing:
            asked_at = self._clock()
            is_held, self.living, wanted = await self._database.call(_renew, self._lease.id)
            if not is_held:
                await self._begin_anew()
            self._renewed_at = asked_at
        for owner, history_id, for_good in wanted:
            self.stop(StopWanted(owner, history_id, for_good))
        return is_held

    async def _begin_anew(self) -> None:
        """Stop all jobs under the lease that is gone, whose writes count no more, and claim another one."""
        logger.warning(
            "This replica was out of reach for more than %d seconds: others go on with its work. It stops that, and "
            "takes new calls.", DEAD_S,
        )  # fmt: skip
        await self.lost()
        lease = secrets.token_hex(16)
        await self._database.call(claim_lease, lease)
        self._lease.id = lease


async def _share(connection: Connection, taken: Mapping[str, float]) -> dict[str, float]:
    """Add seconds to those of owners that are not earned back yet; return those of each owner."""
    rows = await connection.fetch(SHARE, list(taken), list(taken.values()))
    return {row[0]: row[1] for row in rows}


async def _renew(connection: Connection, lease: str) -> tuple[bool, int, list[tuple[str, int, bool]]]:
    """Renew a lease; return whether it was held, how many are, and the stops that are wanted of its jobs."""
    row = await connection.fetchrow(RENEW_AND_LOOK, lease)
    assert row is not None, "it has one row"  # noqa: S101 - a mistake of ours
    return bool(row[0]), max(1, row[1]), [(each[0], each[1], each[2]) for each in orjson.loads(row[2])]
