"""The facts that all replicas of a database must agree upon, such as the fingerprint of their secret.

A replica that starts compares its own with those in the database. While others live, another one is refused: half of
all links and sessions would be dead, or half of the pictures not found. Where nobody else lives, its own count from
then on.
"""

import logging
from collections.abc import Mapping
from typing import Final

from service.images import WorkError
from service.storage.postgresql.database import Connection
from service.storage.postgresql.leases import claim_lease
from service.troubles import STORAGE

logger = logging.getLogger(__name__)

ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(1700885349, 2)"
"""Of two that start at once, the second finds the first one alive."""

OTHERS_LIVE: Final = "SELECT EXISTS (SELECT FROM leases WHERE id <> $1 AND lives(id))"
SELECT: Final = "SELECT name, value FROM facts"
UPSERT: Final = """
    INSERT INTO facts (name, value) SELECT * FROM unnest($1::text[], $2::text[])
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class DisagreementError(WorkError):
    """A replica has another fact than those that live. `name` is that of the fact."""

    def __init__(self, name: str) -> None:
        """Say which fact it is."""
        super().__init__(f"The replicas of this database have another {name}.", kind=STORAGE)
        self.name = name


async def agree(connection: Connection, lease: str, facts: Mapping[str, str]) -> None:
    """Enter a lease as that of a replica with these facts. Raises `DisagreementError`. Work of one transaction."""
    await connection.execute(ONE_AT_A_TIME)
    known = {str(row[0]): str(row[1]) for row in await connection.fetch(SELECT)}
    changed = [name for name, value in facts.items() if known.get(name, value) != value]
    if changed and await connection.fetchval(OTHERS_LIVE, lease):
        raise DisagreementError(changed[0])
    for name in changed:
        logger.warning("The %s is another one than before: links and sessions that were made with it may end.", name)
    await connection.execute(UPSERT, list(facts), list(facts.values()))
    await claim_lease(connection, lease)
