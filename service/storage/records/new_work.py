"""The limits of new work, as every store holds them: from what it counts follows whether a job or an upload may begin.

1. A store counts in the transaction that inserts the row: work that is refused leaves nothing, and two processes that
   begin at once cannot both take the last place. A call that joins a job never comes here.
2. The pictures of a job count on the day of its beginning: all of them while it works, and then those that came or that
   its image service may have charged. Deleting a job takes nothing back. Jobs of an earlier server count for no day.
3. Only the count of today is read. After a jump of the clock another day has another count: nobody is locked out for
   longer than a day, and the count of today goes on once the clock is right again.
4. While a picture is drawn, its expected price counts: that of the models file, else what the last picture of the model
   cost this owner. The cost that its answer tells takes its place, in whatever currency it is; where it tells none, an
   estimate. The limit is checked in the currency of the new job; no two currencies are added up.
5. A pause is a row that every process reads before a job begins, and before its image service is asked.
"""

import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.bounds.limits import (
    GENERATIONS_AT_ONCE,
    GENERATIONS_QUEUED,
    PICTURES_PER_DAY,
    SPEND_PER_DAY,
    UNLIMITED,
    UPLOADS_PER_DAY,
    Allowances,
    LimitError,
    Pair,
)
from service.images import ImageRequest
from service.storage.people import EVERYBODY, Pause

DAY_S: Final = 86_400
QUEUE_AGAIN_S: Final = 30.0
"""Wait until a full queue may have a place again: about the time of a picture."""

AT_MIDNIGHT: Final = "at midnight UTC"
DISK_AGAIN_S: Final = 600.0
PAUSE_AGAIN_S: Final = 3600.0
"""Wait that is told where only a person knows better."""

SAME_MOMENT_S: Final = 5.0
"""Seconds that a job may seem to begin before the one in front of it, and counts as of that moment (`Search`)."""


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job that is to begin, followed by the process that `lease` stands for.

    It joins one that ended with links left only if that ended after `failed_since`.
    """

    owner: str
    request: ImageRequest
    upstream: str
    fingerprint: str
    lease: str
    created_at: float
    failed_since: float
    submitted: int = 0
    allowances: Allowances = UNLIMITED


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The counts that a new job meets, each of its owner and of all.

    They are of pictures that wait or are drawn, of the pictures of today, and of the money of today in its currency.
    """

    working: Pair
    pictures: Pair
    spent: Pair


def day_of(now: float) -> int:
    """Return the day of a time, counted since 1970, UTC."""
    return math.floor(now / DAY_S)


def check_new_job(counts: Counts, owner: str, request: ImageRequest, allowances: Allowances, now: float) -> None:
    """Raise `LimitError` where this owner may not begin a job for a request now, for the first reason that there is.

    The price of the request is the one that is to be expected.
    """
    count, price = request.count, request.count * request.price.picture
    left_s = (day_of(now) + 1) * DAY_S - now
    waiting = counts.working[0] + count - allowances.each(GENERATIONS_AT_ONCE, owner)
    all_waiting = counts.working[1] + count - allowances.overall(GENERATIONS_AT_ONCE)
    allowances.check(GENERATIONS_QUEUED, owner, (waiting, all_waiting), retry_after_s=QUEUE_AGAIN_S, asked=count)
    used = (counts.pictures[0] + count, counts.pictures[1] + count)
    allowances.check(PICTURES_PER_DAY, owner, used, retry_after_s=left_s, advice=AT_MIDNIGHT, asked=count)
    if price:
        advice = f"{AT_MIDNIGHT}, or now with a cheaper model{' or fewer pictures' if count > 1 else ''}"
        with_this = (counts.spent[0] + price, counts.spent[1] + price)
        allowances.check(SPEND_PER_DAY, owner, with_this, retry_after_s=left_s, advice=advice)


def check_new_upload(uploads: Pair, owner: str, allowances: Allowances, now: float) -> None:
    """Raise `LimitError` where this owner may have no further upload link now; `uploads` are those of today."""
    used = (uploads[0] + 1, uploads[1] + 1)
    left_s = (day_of(now) + 1) * DAY_S - now
    allowances.check(UPLOADS_PER_DAY, owner, used, retry_after_s=left_s, advice=AT_MIDNIGHT)


def check_pauses(pauses: Iterable[Pause], owner: str, now: float) -> None:
    """Raise `LimitError` of kind `paused` where the operator has paused this owner, or everybody."""
    held = [each for each in pauses if each.owner in (owner, EVERYBODY) and each.holds(now)]
    if not held:
        return
    ends = [each.until for each in held if each.until is not None]
    left_s = max(ends) - now if len(ends) == len(held) else PAUSE_AGAIN_S
    advice = "" if len(ends) == len(held) else "or ask the operator"
    raise LimitError(
        "Drawing is paused by the operator of this server", retry_after_s=left_s, advice=advice, kind="paused"
    )


def is_disk_full(folder: Path, least_free: int) -> bool:
    """Tell whether the disk of a folder has less free than `least_free` bytes. One look at the file system."""
    return bool(least_free) and shutil.disk_usage(folder).free < least_free


def check_disk(least_free: int, *, is_full: bool) -> None:
    """Raise `LimitError` where the disk of the data folder is full: it has less free than `least_free` bytes."""
    if is_full:
        raise LimitError(
            f"The disk of this server has less than {least_free // 1_000_000} MB free (EASEL_DISK_FREE_MB)",
            retry_after_s=DISK_AGAIN_S,
            advice="or have the operator make room",
        )
