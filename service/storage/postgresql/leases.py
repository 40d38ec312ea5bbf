"""The leases of replicas: a row for each that lives, which it renews by the clock of the database.

1. A lease that was not renewed for `DEAD_S` is dead once another replica finds it: that one takes its row away in the
   transaction that ends and gives away its jobs. So a replica that wakes up later finds itself without a lease.
2. Every step of a working job holds only for the lease of its row. `LeaseLostError` tells the replica that lost it.
"""

from typing import TYPE_CHECKING, Final

from service.images import WorkError
from service.storage.replicas import LOST

if TYPE_CHECKING:
    from service.storage.postgresql.database import Connection

DEAD_S: Final = 10
"""Seconds without a sign of life. The functions of the migrations have the same number."""

INSERT_LEASE: Final = "INSERT INTO leases (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()"
DELETE_LEASE: Final = "DELETE FROM leases WHERE id = $1"


class LeaseLostError(WorkError):
    """This replica was taken for dead: another one follows the job, or has ended it. Nothing was written."""

    def __init__(self) -> None:
        """Say so to the person whose call meets it."""
        super().__init__(
            "This server was out of reach for a while, and another one goes on with the work.\n"
            "Call `history` to see how it ends.",
            kind=LOST,
        )


class Held:
    """The lease of this replica. One that was lost is replaced by a new `id`, under which new work begins."""

    def __init__(self, lease_id: str) -> None:
        self.id = lease_id


async def claim_lease(connection: "Connection", lease: str) -> None:
    """Enter a lease, as that of a replica that lives."""
    await connection.execute(INSERT_LEASE, lease)


async def release_lease(connection: "Connection", lease: str) -> None:
    """Give a lease up: its jobs can be taken up from now on."""
    await connection.execute(DELETE_LEASE, lease)
