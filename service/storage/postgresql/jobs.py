"""Jobs in the database: how they begin, go on and end. Each step is one statement (`migrations/0002_jobs.sql`).

| step of a `generate` | messages to the database |
| --- | --- |
| begin or join, with the count of all limits, and asked for | 1 |
| pictures that came, and the end | 1; 4 where a price or a use has to be settled |
| room of files after it (`files.files_over_limits`) | 1 |
| delivered | 1 |
| in all | 4; 7 with a price |

One each take: asked for later than it began, refused, a task, a shortfall, a part of several. Behind a pooler, where no
statement stays prepared, each statement takes two.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from service.bounds.limits import GENERATIONS_AT_ONCE, GENERATIONS_QUEUED, PICTURES_PER_DAY, ROUNDING, SPEND_PER_DAY
from service.costs import Drawn
from service.images import INTERRUPTED, INTERRUPTED_SUBMITTED, Job, KeptPicture, Parent
from service.storage.people import Pause
from service.storage.postgresql.database import Connection
from service.storage.postgresql.leases import LeaseLostError
from service.storage.postgresql.values import dumped, loaded
from service.storage.records.job_rows import Priced, Settlement, picture_row, rates_of, read_job, read_picture, settle
from service.storage.records.new_work import SAME_MOMENT_S, Counts, NewJob, check_disk, check_new_job, check_pauses
from service.storage.records.words import search_text
from service.storage.store import Begun

BEGIN_JOB: Final = "SELECT begin_job($1)"
CHANGE_JOB: Final = "SELECT change_job($1)"
SETTLE_JOB: Final = "SELECT settle_job($1)"
RECOVER_JOB: Final = "SELECT recover_job($1)"
RESTORE_PICTURE: Final = "SELECT restore_picture($1)"
RELEASE_JOB: Final = """
    UPDATE jobs SET lease = '' WHERE owner = $1 AND history_id = $2 AND state = 'working' AND lease = $3
"""
DELIVER_JOBS: Final = """
    UPDATE jobs SET delivered_at = $3
    WHERE owner = $1 AND history_id = ANY ($2) AND state = 'done' AND delivered_at IS NULL AND failure_links = '[]'
"""
SELECT_WORKING: Final = "SELECT owner, history_id FROM jobs WHERE state = 'working'"
SELECT_BETWEEN: Final = """
    SELECT job FROM job_values WHERE owner = $1 AND history_id BETWEEN $2 AND $3 ORDER BY history_id DESC LIMIT $4
"""
IS_ANY_LEFT: Final = """
    SELECT EXISTS (
        SELECT FROM jobs WHERE state = 'working' AND lease <> $1 AND NOT lives(lease)
            AND (lease <> '' OR $2::boolean)
    )
"""
CLAIM_JOBS: Final = "SELECT claim_jobs($1)"
END_UNHEARD: Final = "SELECT end_unheard($1)"


async def begin(connection: Connection, new: NewJob, begin_id: str, *, is_disk_full: bool) -> tuple[Begun, bool, bool]:
    """Join a job of the same fingerprint, or insert a new one by this id; raises `LimitError` beyond the limits.

    The second value tells that the replica of a joined job is dead, unless the job can be followed; the third that no
    picture of a new job has a price.
    """
    row = _row(new) | {"begin_id": begin_id, "is_disk_full": is_disk_full}
    said, *values = loaded(await connection.fetchval(BEGIN_JOB, dumped(row)))
    match said:
        case "refused":
            _refuse(new, values[0], is_disk_full=is_disk_full)
        case "full":
            check_disk(new.allowances.free_bytes, is_full=True)
        case "lost":
            raise LeaseLostError
    joined = said != "begun"
    return Begun(job=read(values[0]), joined=joined), said == "dead", not joined and not values[1]


def _row(new: NewJob) -> dict[str, Any]:
    request, owner = new.request, new.owner
    given = (*request.references, *filter(None, [request.mask]))
    each, overall = new.allowances.each, new.allowances.overall
    return {
        "owner": owner,
        "lease": new.lease,
        "now": new.created_at,
        "fingerprint": new.fingerprint,
        "failed_since": new.failed_since,
        "model": request.model,
        "prompt": request.prompt,
        "words": search_text(request.prompt),
        "parameters": dumped(request.parameters),
        "upstream": new.upstream,
        "submitted": new.submitted,
        "parts": request.parts,
        "count": request.count,
        "price": request.price.picture,
        "currency": request.price.currency,
        "rates": rates_of(request.price),
        "parents": [(parent.history_id, parent.picture) for parent in request.parents],
        "files": [(each.name, each.fresh) for each in given if each.name],
        "uploads": sorted({each.upload for each in given if each.upload}),
        "same_moment": SAME_MOMENT_S,
        "most_working": each(GENERATIONS_QUEUED, owner) + each(GENERATIONS_AT_ONCE, owner) + ROUNDING,
        "most_working_overall": overall(GENERATIONS_QUEUED) + overall(GENERATIONS_AT_ONCE) + ROUNDING,
        "most_pictures": each(PICTURES_PER_DAY, owner) + ROUNDING,
        "most_pictures_overall": overall(PICTURES_PER_DAY) + ROUNDING,
        "most_spent": each(SPEND_PER_DAY, owner) + ROUNDING,
        "most_spent_overall": overall(SPEND_PER_DAY) + ROUNDING,
    }


def _refuse(new: NewJob, facts: Sequence[Any], *, is_disk_full: bool) -> None:
    """Raise the refusal that follows from the counts, which the database and `new_work` compare alike."""
    pauses, working, pictures, spent, picture, currency = facts
    check_pauses(read_pauses(pauses), new.owner, new.created_at)
    check_disk(new.allowances.free_bytes, is_full=is_disk_full)
    request = replace(new.request, price=replace(new.request.price, picture=picture, currency=currency))
    counts = Counts(working=tuple(working), pictures=tuple(pictures), spent=tuple(spent))
    check_new_job(counts, new.owner, request, new.allowances, new.created_at)
    raise AssertionError(f"the database refused a job within the limits: {counts}")


def step(job: Job, lease: str, now: float, **more: object) -> dict[str, Any]:
    """Return a step of a job, as the functions of the database take it."""
    return {"owner": job.owner, "history_id": job.history_id, "lease": lease, "now": now, **more}


def rows_of(pictures: Sequence[KeptPicture]) -> list[tuple[str | int, ...]]:
    """Return pictures as a step has them; the last column tells whether their files are stored here."""
    return [(*picture_row(each), each.kept and not each.is_away) for each in pictures]


async def change(connection: Connection, change_: Mapping[str, Any]) -> Job:
    """Do a step of a working job, unless it has ended. Raises `LookupError` for a job that is none of the owner's.

    Raises `LeaseLostError` where another replica follows it, and `LimitError` where it would ask during a pause.
    """
    return read(_told(change_, await connection.fetchval(CHANGE_JOB, dumped(change_)))[1])


async def change_and_settle(connection: Connection, change_: Mapping[str, Any], drawn: Drawn) -> Job:
    """Do a step of a working job with an answer that drew pictures, and enter their cost; in one transaction.

    Pictures that are there already have been entered with their cost.
    """
    said, job, *more = _told(change_, await connection.fetchval(CHANGE_JOB, dumped({**change_, "priced": True})))
    if said != "changed" or more == [None]:
        return read(job)
    [[id_, *columns]] = more
    settled = settle(Priced(*columns), drawn)
    if settled is None:
        return read(job)
    return read(loaded(await connection.fetchval(SETTLE_JOB, dumped(_usage(id_, settled)))))


def _usage(id_: int, settled: Settlement) -> dict[str, Any]:
    whole, added = settled.whole, settled.added
    return {
        "id": id_,
        "cost": whole.cost,
        "currency": whole.currency,
        "estimated": whole.estimated,
        "input_tokens": whole.input_tokens,
        "output_tokens": whole.output_tokens,
        "costed": settled.costed,
        "added": added.cost or 0.0,
        "added_currency": added.currency,
        "added_estimate": added.cost if added.estimated else 0.0,
    }


async def recover(connection: Connection, change_: Mapping[str, Any]) -> Job:
    """Add the pictures that links led to, which makes a failed job a done one."""
    return read(_told(change_, await connection.fetchval(RECOVER_JOB, dumped(change_)))[1])


async def restore_picture(connection: Connection, change_: Mapping[str, Any]) -> Job:
    """Replace the row of a picture whose bytes were fetched again."""
    return read(_told(change_, await connection.fetchval(RESTORE_PICTURE, dumped(change_)))[1])


def _told(change_: Mapping[str, Any], text: str) -> list[Any]:
    told: list[Any] = loaded(text)
    match told:
        case ["gone"]:
            raise LookupError(f"no job {change_['history_id']} of this owner")
        case ["lost", _]:
            raise LeaseLostError
        case ["paused", pauses]:
            check_pauses(read_pauses(pauses), change_["owner"], change_["now"])
            raise AssertionError("the database found a pause that is none")
    return told


async def release(connection: Connection, job: Job, lease: str) -> None:
    """Take the lease of this replica off a job."""
    await connection.execute(RELEASE_JOB, job.owner, job.history_id, lease)


async def mark_delivered(connection: Connection, owner: str, history_ids: Sequence[int], now: float) -> None:
    """Note that pictures reached a client."""
    await connection.execute(DELIVER_JOBS, owner, history_ids, now)


async def working(connection: Connection) -> list[tuple[str, int]]:
    """Owner and `history_id` of all jobs at work."""
    return [(owner, history_id) for owner, history_id in await connection.fetch(SELECT_WORKING)]


async def is_any_left(connection: Connection, lease: str, *, released: bool) -> bool:
    """Tell whether dead replicas left jobs at work, or any replica let some go."""
    left: bool = await connection.fetchval(IS_ANY_LEFT, lease, released)
    return left


async def claim(  # noqa: PLR0913 - all that decides whose a job is
    connection: Connection,
    lease: str,
    arrived: Collection[str],
    now: float,
    *,
    takes: bool,
    owner: str | None = None,
    history_id: int | None = None,
    ends: bool = False,
) -> tuple[int, list[Job]]:
    """End as interrupted what dead replicas left and nobody can follow; returns how many, and the jobs that were taken.

    `takes` jobs that can be followed, all or the one of an owner. `ends` that one also where it was let go.
    """
    claim_ = {
        "lease": lease,
        "now": now,
        "arrived": list(arrived),
        "takes": takes,
        "owner": owner,
        "history_id": history_id,
        "interrupted": history_id if ends else None,
        "kind": INTERRUPTED.kind,
        "reason": INTERRUPTED.reason,
        "reason_asked": INTERRUPTED_SUBMITTED.reason,
    }
    ended, taken = loaded(await connection.fetchval(CLAIM_JOBS, dumped(claim_)))
    return ended, [read(job) for job in taken or ()]


async def end_unheard(connection: Connection, lease: str, begin_ids: Collection[str], now: float) -> int:
    """End the jobs that began by these ids, and of which this replica did not hear; returns how many there were."""
    change_ = {
        "lease": lease,
        "begin_ids": list(begin_ids),
        "now": now,
        "kind": INTERRUPTED.kind,
        "reason": INTERRUPTED.reason,
    }
    ended: int = await connection.fetchval(END_UNHEARD, dumped(change_))
    return ended


async def jobs_between(connection: Connection, owner: str, first: int, last: int, limit: int) -> list[Job]:
    """Jobs of an owner from one number to another, newest first."""
    return [read(loaded(row[0])) for row in await connection.fetch(SELECT_BETWEEN, owner, first, last, limit)]


def read(value: Sequence[Any]) -> Job:
    """Return a job as the view `job_values` has it."""
    *columns, pictures, parents = value
    return read_job(
        columns,
        tuple(map(read_picture, pictures)),
        tuple(Parent(history_id=parent, picture=picture) for parent, picture in parents),
    )


def read_pauses(rows: Sequence[Sequence[Any]]) -> list[Pause]:
    """Return pauses as the database tells them."""
    return [Pause(owner=owner, since=since, until=until) for owner, since, until in rows]
