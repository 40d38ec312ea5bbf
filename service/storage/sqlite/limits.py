"""The pictures and costs of each owner on a day, in the SQLite file, and the limits of new work that follow from it.

1. `check_new_job` runs in the transaction that inserts the job: a job that is refused leaves nothing, and two processes
   that begin jobs at once cannot both take the last place. A call that joins a job never comes here.
2. The pictures of a job count in `daily_use`, on the day of its beginning: all of them while it works, and then those
   that came or that its image service may have charged (`jobs.counted`). Triggers keep that; deleting a job takes
   nothing back. Jobs of an earlier server enter when they have ended, and count for no day.
3. Only the row of today is read. After a jump of the clock another day has another row: nobody is locked out for longer
   than a day, and the count of today goes on once the clock is right again.
4. While a picture is drawn, its expected price counts: that of the models file, else what the last picture of the model
   cost this owner. The cost that its answer tells takes its place, in whatever currency it is; where it tells none, an
   estimate. The limit is checked in the currency of the new job; no two currencies are added up.
5. A pause is a row that every process reads before a job begins, and before its image service is asked.
"""

import json
import math
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Final

from service.costs import DailyCost, Drawn, Price, Usage
from service.images import ImageRequest
from service.limits import (
    GENERATIONS_AT_ONCE,
    GENERATIONS_QUEUED,
    PICTURES_PER_DAY,
    SPEND_PER_DAY,
    UPLOADS_PER_DAY,
    Allowances,
    LimitError,
)
from service.storage.people import EVERYBODY, Pause

DAY_S: Final = 86_400
QUEUE_AGAIN_S: Final = 30.0
"""Wait until a full queue may have a place again: about the time of a picture."""

AT_MIDNIGHT: Final = "at midnight UTC"
DISK_AGAIN_S: Final = 600.0
PAUSE_AGAIN_S: Final = 3600.0
"""Wait that is told where only a person knows better."""

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
    SELECT coalesce(sum(pictures) FILTER (WHERE owner = ?1), 0), coalesce(sum(pictures), 0)
    FROM daily_use WHERE day = ?2
"""
COUNT_WORKING: Final = """
    SELECT coalesce(sum(places) FILTER (WHERE owner = ?1), 0), coalesce(sum(places), 0) FROM (
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
    SELECT count(*) FILTER (WHERE owner = ?1), count(*) FROM uploads WHERE created_at >= ?2 AND created_at < ?3
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
    SELECT coalesce(sum(cost) FILTER (WHERE owner = ?1), 0.0), coalesce(sum(cost), 0.0)
    FROM daily_costs WHERE day = ?2 AND currency = ?3
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
    count, price = request.count, request.count * request.price.picture
    check_pauses(connection, owner, now)
    check_disk(connection, allowances.free_bytes)
    working, all_working = connection.execute(COUNT_WORKING, (owner,)).fetchone()
    day = math.floor(now / DAY_S)
    pictures, all_pictures = connection.execute(SELECT_USE, (owner, day)).fetchone()
    left_s = (day + 1) * DAY_S - now
    waiting = working + count - allowances.each(GENERATIONS_AT_ONCE, owner)
    all_waiting = all_working + count - allowances.overall(GENERATIONS_AT_ONCE)
    allowances.check(GENERATIONS_QUEUED, owner, (waiting, all_waiting), retry_after_s=QUEUE_AGAIN_S, asked=count)
    used = (pictures + count, all_pictures + count)
    allowances.check(PICTURES_PER_DAY, owner, used, retry_after_s=left_s, advice=AT_MIDNIGHT, asked=count)
    if price:
        own, everybodys = spent(connection, owner, request.price.currency, now)
        advice = f"{AT_MIDNIGHT}, or now with a cheaper model{' or fewer pictures' if count > 1 else ''}"
        with_this = (own + price, everybodys + price)
        allowances.check(SPEND_PER_DAY, owner, with_this, retry_after_s=left_s, advice=advice)


def drawn_today(connection: sqlite3.Connection, owner: str, now: float) -> int:
    """Count the pictures of an owner that the limit of today has counted."""
    own, _ = connection.execute(SELECT_USE, (owner, math.floor(now / DAY_S))).fetchone()
    return int(own)


def check_new_upload(connection: sqlite3.Connection, owner: str, allowances: Allowances, now: float) -> None:
    """Raise `LimitError` where this owner may have no further upload link now."""
    check_pauses(connection, owner, now)
    check_disk(connection, allowances.free_bytes)
    day = math.floor(now / DAY_S)
    own, everybodys = connection.execute(COUNT_UPLOADS, (owner, day * DAY_S, (day + 1) * DAY_S)).fetchone()
    left_s = (day + 1) * DAY_S - now
    used = (own + 1, everybodys + 1)
    allowances.check(UPLOADS_PER_DAY, owner, used, retry_after_s=left_s, advice=AT_MIDNIGHT)


def check_pauses(connection: sqlite3.Connection, owner: str, now: float) -> None:
    """Raise `LimitError` of kind `paused` where the operator has paused this owner, or everybody."""
    held = [each for each in pauses(connection) if each.owner in (owner, EVERYBODY) and each.holds(now)]
    if not held:
        return
    ends = [each.until for each in held if each.until is not None]
    left_s = max(ends) - now if len(ends) == len(held) else PAUSE_AGAIN_S
    advice = "" if len(ends) == len(held) else "or ask the operator"
    raise LimitError(
        "Drawing is paused by the operator of this server", retry_after_s=left_s, advice=advice, kind="paused"
    )


def check_disk(connection: sqlite3.Connection, least_free: int) -> None:
    """Raise `LimitError` where the disk of the data folder has less free than `least_free` bytes."""
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    if least_free and shutil.disk_usage(Path(file).parent).free < least_free:
        raise LimitError(
            f"The disk of this server has less than {least_free // 1_000_000} MB free (EASEL_DISK_FREE_MB)",
            retry_after_s=DISK_AGAIN_S,
            advice="or have the operator make room",
        )


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


def spent(connection: sqlite3.Connection, owner: str, currency: str, now: float) -> tuple[float, float]:
    """Return what this owner, and all of them, have spent on the day of `now` in one currency."""
    own, everybodys = connection.execute(SELECT_SPENT, (owner, math.floor(now / DAY_S), currency)).fetchone()
    return own, everybodys


def settle(connection: sqlite3.Connection, id_: int, drawn: Drawn) -> None:
    """Keep what an answer used with its job, and its cost with the day of that, in the place of what was expected.

    More pictures than were asked for are estimated at no more: a service that adds one asks nothing for it.
    """
    picture, currency, rates, asked, *sum_ = connection.execute(SELECT_PRICE, (id_,)).fetchone()
    if drawn.usage is None and not picture:
        return
    price = Price(currency=currency, picture=picture, **json.loads(rates))
    usage = price.settle(drawn.usage, min(drawn.pictures, asked))
    if usage is None:
        return
    cost, cost_currency, estimated, *tokens = sum_
    before = Usage(cost=cost, currency=cost_currency, estimated=bool(estimated))
    whole = replace(before, input_tokens=tokens[0], output_tokens=tokens[1]) + usage
    values = (whole.cost, whole.currency, whole.estimated, whole.input_tokens, whole.output_tokens)
    connection.execute(SET_USAGE, (*values, 0 if usage.cost is None else drawn.pictures, id_))
    if usage.cost:
        estimated = usage.cost if usage.estimated else 0.0
        added = {"id": id_, "currency": usage.currency, "cost": usage.cost, "estimated": estimated}
        connection.execute(ADD_COST, added)


def costs(connection: sqlite3.Connection, owner: str | None, since: int) -> list[DailyCost]:
    """Return the costs of an owner, or with None of all, from a day on, newest first; days are counted since 1970."""
    rows = connection.execute(SELECT_COSTS, (owner, since))
    return [
        DailyCost(day=day, owner=of, model=model, currency=currency, cost=cost, estimated=max(0.0, min(guessed, cost)))
        for day, of, model, currency, cost, guessed in rows
    ]
