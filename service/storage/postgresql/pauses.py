"""The pauses of owners in PostgreSQL, which every replica reads before a job begins (`limits`)."""

from typing import Final

from service.storage.people import EVERYBODY, Pause
from service.storage.postgresql.database import Connection, change

SELECT: Final = "SELECT owner, since, until FROM pauses ORDER BY owner"
INSERT: Final = """
    INSERT INTO pauses (owner, since, until) VALUES ($1, $2, $3)
    ON CONFLICT (owner) DO UPDATE SET since = excluded.since, until = excluded.until
"""
DELETE: Final = "DELETE FROM pauses WHERE owner = $1 OR $1 = $2"
SELECT_KNOWN: Final = "SELECT EXISTS (SELECT FROM totals WHERE owner = $1 AND newest > 0)"


async def pauses(connection: Connection) -> list[Pause]:
    """Return all pauses, those that are over included."""
    return [Pause(owner=owner, since=since, until=until) for owner, since, until in await connection.fetch(SELECT)]


async def pause(connection: Connection, one: Pause) -> bool:
    """Pause an owner, or change their pause. Return whether the owner is known, as one who has begun a job."""
    await connection.execute(INSERT, one.owner, one.since, one.until)
    return one.owner == EVERYBODY or bool(await connection.fetchval(SELECT_KNOWN, one.owner))


async def resume(connection: Connection, owner: str) -> int:
    """Lift the pause of an owner, or with `EVERYBODY` every pause. Return how many there were."""
    return await change(connection, DELETE, owner, EVERYBODY)
