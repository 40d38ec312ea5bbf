"""The limit of requests within a minute: a minute's worth at once, then the pace of the limit."""

import pytest

from service.bounds.call_rate import MOST_KEPT, CallRate
from service.bounds.limits import Allowances, LimitError
from tests.stores import Clock


def rate_of(each: float, overall: float = 0) -> tuple[CallRate, Clock]:
    clock = Clock(1_000.0)
    return CallRate(Allowances(pairs={"calls_per_minute": (each, overall)}), clock), clock


def take(rate: CallRate, owner: str, count: int) -> int:
    """How many of so many requests are taken."""
    taken = 0
    for _ in range(count):
        try:
            rate.take(owner)
        except LimitError:
            continue
        taken += 1
    return taken


def test_a_minutes_worth_may_come_at_once_and_no_more() -> None:
    rate, clock = rate_of(60)
    assert take(rate, "ann", 100) == 60
    assert take(rate, "ben", 100) == 60
    clock.now += 10
    assert take(rate, "ann", 100) == 10
    clock.now += 600
    assert take(rate, "ann", 100) == 60


def test_all_together_have_a_limit_too() -> None:
    rate, _ = rate_of(60, 90)
    assert (take(rate, "ann", 60), take(rate, "ben", 60), take(rate, "carol", 60)) == (60, 30, 0)


def test_the_wait_that_is_told_is_enough() -> None:
    rate, clock = rate_of(6)
    take(rate, "ann", 6)
    with pytest.raises(LimitError) as caught:
        rate.take("ann")
    assert caught.value.retry_after_s == pytest.approx(10)
    clock.now += caught.value.retry_after_s
    rate.take("ann")


def test_a_refused_request_costs_nothing() -> None:
    """Ours: a client that tries again and again is let in as soon as one that waits."""
    rate, clock = rate_of(6)
    assert take(rate, "ann", 1000) == 6
    clock.now += 10
    assert take(rate, "ann", 1) == 1


def test_owners_who_are_gone_are_forgotten() -> None:
    """Ours: the subjects of access tokens are without number."""
    rate, clock = rate_of(60)
    for number in range(5 * MOST_KEPT):
        clock.now += 1
        rate.take(str(number))
    assert len(rate._earned_back_at) <= MOST_KEPT + 2


def test_an_owner_may_have_a_limit_of_their_own() -> None:
    exceptions = {("ann", "calls_per_minute"): 3.0, ("ben", "calls_per_minute"): 0.0, ("carol", "streams"): 1.0}
    rate = CallRate(Allowances(pairs={"calls_per_minute": (6, 0)}, exceptions=exceptions), Clock(1_000.0))
    assert [take(rate, owner, 50) for owner in ("ann", "ben", "carol")] == [3, 50, 6]
