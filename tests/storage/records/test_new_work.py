"""The limits of new work, out of what a store counts. That stores count right is in the tests of each."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.bounds.limits import UNLIMITED, Allowances, LimitError
from service.costs import Price
from service.images import ImageRequest
from service.storage.people import EVERYBODY, Pause
from service.storage.records.new_work import (
    Counts,
    check_disk,
    check_new_job,
    check_new_upload,
    check_pauses,
    day_of,
    is_disk_full,
)

NOON = 20_000 * 86_400 + 43_200.0
FOX = ImageRequest(model="m", prompt="a fox", price=Price(picture=0.1))
NOTHING = Counts(working=(0, 0), pictures=(0, 0), spent=(0, 0))
ALLOWANCES = Allowances(
    pairs={
        **UNLIMITED.pairs,
        "generations_at_once": (1, 2),
        "generations_queued": (1, 1),
        "pictures_per_day": (3, 5),
        "spend_per_day": (0.3, 0.5),
        "uploads_per_day": (2, 4),
    }
)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        pytest.param(replace(NOTHING, working=(2, 2)), "1 of your pictures wait", id="own queue"),
        pytest.param(replace(NOTHING, working=(0, 3)), "1 pictures of all users wait", id="queue of all"),
        pytest.param(replace(NOTHING, pictures=(3, 3)), "had 3 pictures drawn today", id="own day"),
        pytest.param(replace(NOTHING, pictures=(0, 5)), "have had 5 pictures drawn today", id="day of all"),
        pytest.param(replace(NOTHING, spent=(0.25, 0.25)), "budget of 0.3", id="own money"),
        pytest.param(replace(NOTHING, spent=(0, 0.45)), "budget of 0.5", id="money of all"),
    ],
)
def test_a_count_at_its_limit_refuses(counts: Counts, words: str) -> None:
    with pytest.raises(LimitError, match=words):
        check_new_job(counts, "ann", FOX, ALLOWANCES, NOON)


def test_the_last_place_can_be_taken() -> None:
    """Ours: three times 0.1 is 0.3, whatever binary fractions make of it."""
    last = Counts(working=(1, 2), pictures=(2, 4), spent=(0.1 + 0.1, 0.4))
    check_new_job(last, "ann", FOX, ALLOWANCES, NOON)


def test_what_costs_nothing_needs_no_money() -> None:
    check_new_job(replace(NOTHING, spent=(9, 9)), "ann", ImageRequest(model="m", prompt="p"), ALLOWANCES, NOON)


def test_uploads_are_counted_by_the_day() -> None:
    check_new_upload((1, 3), "ann", ALLOWANCES, NOON)
    for used in ((2, 2), (0, 4)):
        with pytest.raises(LimitError, match="12 hours, at midnight UTC"):
            check_new_upload(used, "ann", ALLOWANCES, NOON)


@pytest.mark.parametrize(("owner", "held"), [("ann", True), (EVERYBODY, True), ("ben", False)])
def test_a_pause_holds_for_its_owner_or_for_everybody(owner: str, held: bool) -> None:
    pauses = [Pause(owner=owner, since=NOON, until=None)]
    if not held:
        return check_pauses(pauses, "ann", NOON)
    with pytest.raises(LimitError) as caught:
        check_pauses(pauses, "ann", NOON)
    assert caught.value.kind == "paused"
    return None


def test_the_longest_of_several_pauses_is_waited_for() -> None:
    pauses = [Pause(owner=owner, since=NOON, until=NOON + wait) for owner, wait in (("ann", 60.0), (EVERYBODY, 600.0))]
    with pytest.raises(LimitError) as caught:
        check_pauses(pauses, "ann", NOON)
    assert caught.value.retry_after_s == 600


def test_a_full_disk_takes_no_new_work(tmp_path: Path) -> None:
    assert not is_disk_full(tmp_path, 0)
    check_disk(1, is_full=is_disk_full(tmp_path, 1))
    assert is_disk_full(tmp_path, 10**18)
    with pytest.raises(LimitError, match="EASEL_DISK_FREE_MB"):
        check_disk(10**18, is_full=True)


def test_days_are_whole() -> None:
    assert (day_of(NOON), day_of(-1.0)) == (20_000, -1)
