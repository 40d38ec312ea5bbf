"""The pictures and costs of each owner on a day, in the SQLite file, as `new_work` counts them for the limits.

Triggers keep the counts. Each function runs inside one transaction of `Database`.
"""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Final

from service.bounds.limits import Allowances, Pair
from service.costs import DailyCost, Drawn, Price
from service.images import ImageRequest
from service.storage.people import EVERYBODY, Pause
from service.storage.records import new_work
from service.storage.records.job_rows import Priced, settle
from service.storage.records.new_work import DAY_S, Counts, day_of

TABLES: Final = (
    """
    CREATE TABLE daily_use (
        day INTEGER NOT NULL,
        owner TEXT NOT NULL,
        pictures INTEGER NOT NULL,
        received INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        seconds REAL NOT NULL DEFAULT 0,
        PRIMARY KEY (day, owner)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE pauses (
        owner TEXT NOT NULL PRIMARY KEY,
        since REAL NOT NULL,
        until REAL
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER job_counted AFTER INSERT ON jobs WHEN NEW.state = 'working' BEGIN
        INSERT INTO daily_use (day, owner, pictures)
        VALUES (CAST(NEW.created_at / 86400 AS INTEGER), NEW.owner, NEW.counted)
        ON CONFLICT (day, owner) DO UPDATE SET pictures = pictures + excluded.pictures;
    END
    """,
    """
    CREATE TRIGGER job_uncounted AFTER UPDATE OF counted ON jobs WHEN NEW.counted <> OLD.counted BEGIN
        UPDATE daily_use SET pictures = pictures + NEW.counted - OLD.counted
        WHERE day = CAST(NEW.created_at / 86400 AS INTEGER) AND owner = NEW.owner;
    END
    """,
    """
    CREATE TRIGGER job_timed AFTER UPDATE OF state ON jobs WHEN NEW.state <> OLD.state BEGIN
        UPDATE daily_use SET
            failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed'),
            seconds = seconds + iif(OLD.state = 'working', max(NEW.finished_at - NEW.created_at, 0), 0)
        WHERE day = CAST(NEW.created_at / 86400 AS INTEGER) AND owner = NEW.owner;
    END
    """,
    """
    CREATE TRIGGER picture_received AFTER INSERT ON pictures BEGIN
        UPDATE daily_use SET received = received + 1
        WHERE (day, owner) = (
            SELECT CAST(created_at / 86400 AS INTEGER), owner FROM jobs WHERE id = NEW.job_id
        );
    END
    """,
    """
    CREATE TABLE daily_costs (
        day INTEGER NOT NULL,
        owner TEXT NOT NULL,
        model TEXT NOT NULL,
        currency TEXT NOT NULL,
        cost REAL NOT NULL,
        estimated REAL NOT NULL,
        PRIMARY KEY (day, owner, model, currency)
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER job_expected AFTER INSERT ON jobs WHEN NEW.state = 'working' AND NEW.price > 0 BEGIN
        INSERT INTO daily_costs (day, owner, model, currency, cost, estimated)
        VALUES (
            CAST(NEW.created_at / 86400 AS INTEGER), NEW.owner, NEW.model, NEW.currency,
            NEW.counted * NEW.price, NEW.counted * NEW.price
        )
        ON CONFLICT (day, owner, model, currency) DO UPDATE SET
            cost = cost + excluded.cost, estimated = estimated + excluded.estimated;
    END
    """,
    """
    CREATE TRIGGER job_expected_less AFTER UPDATE OF counted, costed ON jobs
    WHEN NEW.price > 0 AND max(NEW.counted - NEW.costed, 0) <> max(OLD.counted - OLD.costed, 0) BEGIN
        UPDATE daily_costs SET
            cost = cost + (max(NEW.counted - NEW.costed, 0) - max(OLD.counted - OLD.costed, 0)) * NEW.price,
            estimated = estimated + (max(NEW.counted - NEW.costed, 0) - max(OLD.counted - OLD.costed, 0)) * NEW.price
        WHERE (day, owner, model, currency) =
            (CAST(NEW.created_at / 86400 AS INTEGER), NEW.owner, NEW.model, NEW.currency);
    END
    """,
)
"""`daily_use` counts by the day since 1970, UTC: pictures that may be charged (`pictures`), pictures that came
(`received`), generations that failed, and the seconds from the call to the end of each.

Of `daily_costs`, `cost` is all that was spent or is expected on that day, and `estimated` the part that no answer told.

`jobs.costed` counts the pictures of a job whose cost is known, or estimated from their answer: the others of
`jobs.counted` are expected to cost `jobs.price` each, in `jobs.currency`.
"""

SELECT_USE: Final = """
    SELECT coalesce(sum(pictures) FILTER (WHERE owner = ?), 0), coalesce(sum(pictures), 0)
    FROM daily_use WHERE day = CAST(? / 86400 AS INTEGER)
"""
COUNT_WORKING: Final = """
    SELECT coalesce(sum(places) FILTER (WHERE owner = ?), 0), coalesce(sum(places), 0) FROM (
        SELECT owner, iif(parts = 1, iif(tasks = '{}', counted, 0), counted - counted * (
            SELECT count(*) FROM (
                SELECT CAST(key AS INTEGER) FROM json_each(tasks) UNION SELECT part FROM pictures WHERE job_id = jobs.id
            )
        ) / parts) AS places
        FROM jobs WHERE state = 'working'
    )
"""
"""Work that goes on at an image service, which may take a day to come to nothing, takes no place in the queue.

Of several parts, those that have a task or a picture take none; the others take as many as fall to each.
"""

COUNT_UPLOADS: Final = """
    SELECT count(*) FILTER (WHERE owner = ?), count(*) FROM uploads WHERE created_at >= ? AND created_at < ?
"""
ADD_COST: Final = """
    INSERT INTO daily_costs (day, owner, model, currency, cost, estimated)
    SELECT CAST(created_at / 86400 AS INTEGER), owner, model, :currency, :cost, :estimated FROM jobs WHERE id = :id
    ON CONFLICT (day, owner, model, currency) DO UPDATE SET
        cost = cost + excluded.cost, estimated = estimated + excluded.estimated
"""
SELECT_PRICE: Final = """
    SELECT price, currency, rates, max(counted - costed, 0), cost, cost_currency, estimated, input_tokens, output_tokens
    FROM jobs WHERE id = ?
"""
SET_USAGE: Final = """
    UPDATE jobs SET cost = ?, cost_currency = ?, estimated = ?, input_tokens = ?, output_tokens = ?, costed = costed + ?
    WHERE id = ?
"""
SELECT_LAST: Final = """
    SELECT cost / costed, cost_currency FROM jobs
    WHERE owner = ? AND model = ? AND cost IS NOT NULL AND costed > 0 ORDER BY id DESC LIMIT 1
"""
SELECT_SPENT: Final = """
    SELECT coalesce(sum(cost) FILTER (WHERE owner = ?), 0.0), coalesce(sum(cost), 0.0)
    FROM daily_costs WHERE day = CAST(? / 86400 AS INTEGER) AND currency = ?
"""
SELECT_COSTS: Final = """
    SELECT day, owner, model, currency, cost, estimated FROM daily_costs
    WHERE owner = coalesce(?, owner) AND day >= ? AND cost > 1e-9 ORDER BY day DESC, owner, cost DESC, model
"""
"""Rows of costs, the newest first; the rest of a sum of prices that were taken back counts as nothing."""


SELECT_PAUSES: Final = "SELECT owner, since, until FROM pauses ORDER BY owner"
INSERT_PAUSE: Final = "INSERT OR REPLACE INTO pauses (owner, since, until) VALUES (?, ?, ?)"
DELETE_PAUSE: Final = "DELETE FROM pauses WHERE owner = ?"
DELETE_PAUSES: Final = "DELETE FROM pauses"
SELECT_KNOWN: Final = "SELECT 1 FROM totals WHERE owner = ?"


def check_new_job(
    connection: sqlite3.Connection, owner: str, request: ImageRequest, allowances: Allowances, now: float
) -> None:
    """Raise `LimitError` where this owner may not begin a job for a request now, for the first reason that there is.

    The price of the request is the one that is to be expected (`price_of`).
    """
    held, folder = pauses(connection), _folder(connection)
    counts = Counts(
        working=_pair(connection, COUNT_WORKING, owner),
        pictures=_pair(connection, SELECT_USE, owner, now),
        spent=spent(connection, owner, request.price.currency, now) if request.price.picture else (0.0, 0.0),
    )
    new_work.check_pauses(held, owner, now)
    new_work.check_disk(allowances.free_bytes, is_full=new_work.is_disk_full(folder, allowances.free_bytes))
    new_work.check_new_job(counts, owner, request, allowances, now)


def drawn_today(connection: sqlite3.Connection, owner: str, now: float) -> int:
    """Count the pictures of an owner that the limit of today has counted."""
    return int(_pair(connection, SELECT_USE, owner, now)[0])


def check_new_upload(connection: sqlite3.Connection, owner: str, allowances: Allowances, now: float) -> None:
    """Raise `LimitError` where this owner may have no further upload link now."""
    check_pauses(connection, owner, now)
    is_full = new_work.is_disk_full(_folder(connection), allowances.free_bytes)
    new_work.check_disk(allowances.free_bytes, is_full=is_full)
    today = day_of(now) * DAY_S
    uploads = _pair(connection, COUNT_UPLOADS, owner, today, today + DAY_S)
    new_work.check_new_upload(uploads, owner, allowances, now)


def check_pauses(connection: sqlite3.Connection, owner: str, now: float) -> None:
    """Raise `LimitError` of kind `paused` where the operator has paused this owner, or everybody."""
    new_work.check_pauses(pauses(connection), owner, now)


def _folder(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2]).parent


def _pair(connection: sqlite3.Connection, query: str, *values: str | float) -> Pair:
    own, everybodys = connection.execute(query, values).fetchone()
    return own, everybodys


def pauses(connection: sqlite3.Connection) -> list[Pause]:
    """Return all pauses, those that are over included."""
    return [Pause(owner=owner, since=since, until=until) for owner, since, until in connection.execute(SELECT_PAUSES)]


def pause(connection: sqlite3.Connection, one: Pause) -> bool:
    """Pause an owner, or change their pause. Return whether the owner is known, as one who has begun a job."""
    connection.execute(INSERT_PAUSE, (one.owner, one.since, one.until))
    return one.owner == EVERYBODY or connection.execute(SELECT_KNOWN, (one.owner,)).fetchone() is not None


def resume(connection: sqlite3.Connection, owner: str) -> int:
    """Lift the pause of an owner, or with `EVERYBODY` every pause. Return how many there were."""
    if owner == EVERYBODY:
        return connection.execute(DELETE_PAUSES).rowcount
    return connection.execute(DELETE_PAUSE, (owner,)).rowcount


def price_of(connection: sqlite3.Connection, owner: str, request: ImageRequest) -> Price:
    """Return the price of a request, with that of a picture which is to be expected where no table tells it."""
    if request.price.picture:
        return request.price
    last = connection.execute(SELECT_LAST, (owner, request.model)).fetchone()
    return request.price if last is None else replace(request.price, picture=last[0], currency=last[1])


def spent(connection: sqlite3.Connection, owner: str, currency: str, now: float) -> Pair:
    """Return what this owner, and all of them, have spent on the day of `now` in one currency."""
    return _pair(connection, SELECT_SPENT, owner, now, currency)


def enter_costs(connection: sqlite3.Connection, id_: int, drawn: Drawn) -> None:
    """Keep what an answer used with its job, and its cost with the day of that, in the place of what was expected."""
    settled = settle(Priced(*connection.execute(SELECT_PRICE, (id_,)).fetchone()), drawn)
    if settled is None:
        return
    whole, added = settled.whole, settled.added
    values = (whole.cost, whole.currency, whole.estimated, whole.input_tokens, whole.output_tokens)
    connection.execute(SET_USAGE, (*values, settled.costed, id_))
    if added.cost:
        estimate = added.cost if added.estimated else 0.0
        cost = {"id": id_, "currency": added.currency, "cost": added.cost, "estimated": estimate}
        connection.execute(ADD_COST, cost)


def costs(connection: sqlite3.Connection, owner: str | None, since: int) -> list[DailyCost]:
    """Return the costs of an owner, or with None of all, from a day on, newest first; days are counted since 1970."""
    rows = connection.execute(SELECT_COSTS, (owner, since))
    return [
        DailyCost(day=day, owner=of, model=model, currency=currency, cost=cost, estimated=max(0.0, min(guessed, cost)))
        for day, of, model, currency, cost, guessed in rows
    ]
