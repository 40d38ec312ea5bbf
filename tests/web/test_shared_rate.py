"""The limit of requests within a minute, in sum over several replicas."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest

from service.bounds.call_rate import CallRate
from service.bounds.limits import Allowances, LimitError
from service.images import WorkError
from service.storage.replicas import Replica
from service.web.shared_rate import keep_in_sum
from tests.stores import Clock
from tests.wire import until


class Ledger:
    """The seconds that replicas of a test have used up, where time stands still."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.told = 0
        self.is_away = False


class OneOfThree(Replica):
    living = 3
    shares = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    async def share(self, taken: Mapping[str, float]) -> Mapping[str, float]:
        if self._ledger.is_away:
            raise WorkError("It does not answer.", kind="storage")
        self._ledger.told += 1
        for owner, seconds in taken.items():
            self._ledger.seconds[owner] = self._ledger.seconds.get(owner, 0.0) + seconds
        return {owner: self._ledger.seconds[owner] for owner in taken}


def rate_of(each: float, overall: float = 0) -> CallRate:
    return CallRate(Allowances(pairs={"calls_per_minute": (each, overall)}), Clock(1_000.0))


def take(rate: CallRate, owner: str = "ann") -> bool:
    try:
        rate.take(owner)
    except LimitError:
        return False
    return True


@asynccontextmanager
async def sharing(ledger: Ledger, *rates: CallRate, each_s: float = 3600) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(keep_in_sum(rate, OneOfThree(ledger), each_s, again_s=0)) for rate in rates]
    await asyncio.sleep(0)
    yield
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_replicas_take_no_more_together_than_one_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: a load balancer spreads the calls of one owner; three replicas do not mean three times the limit."""
    rates, ledger = [rate_of(60) for _ in range(3)], Ledger()
    async with sharing(ledger, *rates):
        taken = 0
        for number in range(300):
            taken += take(rates[number % 3])
            for _ in range(4):
                await asyncio.sleep(0)
    assert 60 <= taken <= 60 + 3 * 60 * 0.2
    assert ledger.told < taken, "not each call is told by itself"


async def test_what_was_taken_beyond_the_limit_is_paid_back() -> None:
    """Ours: whoever floods all replicas within a moment waits the longer."""
    rates, ledger = [rate_of(60) for _ in range(3)], Ledger()
    async with sharing(ledger, *rates):
        taken = sum(take(rate) for rate in rates for _ in range(100))
        await until(lambda: ledger.told == 3)
        with pytest.raises(LimitError) as refused:
            rates[2].take("ann")
    assert taken == 180
    assert refused.value.retry_after_s == pytest.approx(121)


async def test_all_owners_together_have_one_limit() -> None:
    rates, ledger = [rate_of(0, 60) for _ in range(2)], Ledger()
    async with sharing(ledger, *rates):
        for number in range(60):
            assert take(rates[0], f"owner {number}")
        await until(lambda: ledger.seconds.get("", 0) >= 60)
        take(rates[1], "ben")
        for _ in range(30):
            take(rates[1], "ben")
        await until(lambda: ledger.told >= 2)
        assert not take(rates[1], "carol")


async def test_what_could_not_be_told_is_told_later() -> None:
    rate, ledger = rate_of(60), Ledger()
    ledger.is_away = True
    async with sharing(ledger, rate, each_s=0.01):
        for _ in range(60):
            take(rate)
        await asyncio.sleep(0.03)
        ledger.is_away = False
        await until(lambda: ledger.seconds.get("ann", 0) == pytest.approx(60))


async def test_a_process_without_others_tells_nobody() -> None:
    rate = rate_of(60)
    await keep_in_sum(rate, Replica())
    assert take(rate)
    assert rate.untold() == {}
