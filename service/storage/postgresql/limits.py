"""The counts of a day in the database, for the limits of new work (`new_work`). Triggers keep them."""

from pathlib import Path
from typing import Final

from service.bounds.limits import Allowances
from service.costs import DailyCost
from service.storage.postgresql.database import Connection, first_row
from service.storage.postgresql.jobs import read_pauses
from service.storage.records import new_work
from service.storage.records.new_work import DAY_S, day_of

SELECT_PAUSES: Final = "SELECT owner, since, until FROM pauses ORDER BY owner"
COUNT_UPLOADS: Final = """
    SELECT count(*) FILTER (WHERE owner = $1), count(*) FROM uploads WHERE created_at >= $2 AND created_at < $3
"""
SELECT_USE: Final = "SELECT coalesce(sum(pictures), 0)::bigint FROM daily_use WHERE owner = $1 AND day = $2"
SELECT_COSTS: Final = """
    SELECT day, owner, model, currency, cost, estimated FROM daily_costs
    WHERE owner = coalesce($1, owner) AND day >= $2 AND cost > 1e-9 ORDER BY day DESC, owner, cost DESC, model
"""
"""Rows of costs, the newest first; the rest of a sum of prices that were taken back counts as nothing."""


async def check_new_upload(
    connection: Connection, owner: str, allowances: Allowances, now: float, folder: Path | None = None
) -> None:
    """Raise `LimitError` where this owner may have no further upload link now; its disk is that of `folder`."""
    pauses = [tuple(row) for row in await connection.fetch(SELECT_PAUSES)]
    new_work.check_pauses(read_pauses(pauses), owner, now)
    is_full = folder is not None and new_work.is_disk_full(folder, allowances.free_bytes)
    new_work.check_disk(allowances.free_bytes, is_full=is_full)
    today = float(day_of(now) * DAY_S)
    own, everybodys = await first_row(connection, COUNT_UPLOADS, owner, today, today + DAY_S)
    new_work.check_new_upload((own, everybodys), owner, allowances, now)


async def drawn_today(connection: Connection, owner: str, now: float) -> int:
    """Count the pictures of an owner that the limit of today has counted."""
    number: int = await connection.fetchval(SELECT_USE, owner, day_of(now))
    return number


async def costs(connection: Connection, owner: str | None, since: int) -> list[DailyCost]:
    """Return the costs of an owner, or with None of all, from a day on, newest first; days are counted since 1970."""
    return [
        DailyCost(day=day, owner=of, model=model, currency=currency, cost=cost, estimated=max(0.0, min(guessed, cost)))
        for day, of, model, currency, cost, guessed in await connection.fetch(SELECT_COSTS, owner, since)
    ]
