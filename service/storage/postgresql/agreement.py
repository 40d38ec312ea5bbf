"""The facts that all replicas of a database must agree upon, such as the fingerprint of their secret.

A replica that starts compares its own with those in the database. While others live, another one is refused: half of
all links and sessions would be dead, or half of the pictures not found. Where nobody else lives, its own count from
then on.

The identity of the database is no fact of a replica: it comes with the tables, and every replica learns it here.

The clocks agree as well: rows have the times of replicas. One that is hours ahead would make its files the newest for
hours, and give up work of others as too old.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from service.images import WorkError
from service.storage.postgresql.database import Connection
from service.storage.postgresql.leases import claim_lease
from service.storage.secret import Secret
from service.troubles import STORAGE

logger = logging.getLogger(__name__)

ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(1700885349, 2)"
"""Of two that start at once, the second finds the first one alive."""

OTHERS_LIVE: Final = "SELECT EXISTS (SELECT FROM leases WHERE id <> $1 AND lives(id))"
SELECT: Final = "SELECT name, value FROM facts"
SELECT_IDENTITY: Final = "SELECT secret FROM identity"
UPSERT: Final = """
    INSERT INTO facts (name, value) SELECT * FROM unnest($1::text[], $2::text[])
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


MOST_APART_S: Final = 900.0
"""Seconds that the clocks of replica and database may be apart: S3 takes no signature beyond them either."""

NOTED_S: Final = 60.0
"""Seconds from which the log says so: people see times by either."""

SELECT_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"


class DisagreementError(WorkError):
    """A replica has another fact than those that live. `name` is that of the fact."""

    def __init__(self, name: str) -> None:
        """Say which fact it is."""
        super().__init__(f"The replicas of this database have another {name}.", kind=STORAGE)
        self.name = name


class ClockError(WorkError):
    """The clock of this machine cannot be that of the database. One line."""

    def __init__(self, off: float) -> None:
        """Say how far it is off."""
        way = "ahead of" if off > 0 else "behind"
        super().__init__(f"the clock of this machine is {abs(off):.0f} s {way} its own: set both by NTP", kind=STORAGE)


async def agree(connection: Connection, lease: str, facts: Mapping[str, str], clock: Callable[[], float]) -> Secret:
    """Enter a lease as that of a replica with these facts, at the time of `clock`. Work of one transaction.

    Returns the identity of the database, which is the same for all its replicas, whatever their settings are.
    Raises `DisagreementError` and `ClockError`.
    """
    off = clock() - await connection.fetchval(SELECT_NOW)
    if abs(off) > MOST_APART_S:
        raise ClockError(off)
    if abs(off) > NOTED_S:
        logger.warning("The clock of this machine is %.0f s off that of the database: set both by NTP.", abs(off))
    await connection.execute(ONE_AT_A_TIME)
    known = {str(row[0]): str(row[1]) for row in await connection.fetch(SELECT)}
    changed = [name for name, value in facts.items() if known.get(name, value) != value]
    if changed and await connection.fetchval(OTHERS_LIVE, lease):
        raise DisagreementError(changed[0])
    for name in changed:
        logger.warning("The %s is another one than before: links and sessions that were made with it may end.", name)
    await connection.execute(UPSERT, list(facts), list(facts.values()))
    await claim_lease(connection, lease)
    return await identity_of(connection)


async def identity_of(connection: Connection) -> Secret:
    """Return the identity of the database. Work of a single statement."""
    return Secret.read(await connection.fetchval(SELECT_IDENTITY))
