"""The limits of a day, with what is used of them."""

from pathlib import Path

import pytest

from service.bounds.limits import PICTURES_PER_DAY, SPEND_PER_DAY, UNLIMITED, Allowances
from service.costs import Drawn, Usage
from service.gallery.daily import daily_limits
from service.images import ImageRequest
from tests.conftest import Serve
from tests.gallery.visitor import visitor
from tests.stores import Clock, open_sqlite


async def test_what_is_used_is_told_beside_each_limit(serve: Serve) -> None:
    async with serve(EASEL_PICTURES_PER_DAY="7", EASEL_SPEND_PER_DAY="0") as easel, visitor(easel) as anna:
        assert (await anna.get("options"))[1]["limits"] == [{"name": "pictures_per_day", "limit": 7, "used": 0}]
        await anna.draw("two foxes", count=2)
        assert (await anna.get("options"))[1]["limits"] == [{"name": "pictures_per_day", "limit": 7, "used": 2}]


async def test_money_is_told_by_currency_and_kept_where_costs_are(tmp_path: Path, clock: Clock) -> None:
    store = await open_sqlite(tmp_path, clock)
    for cost, currency in ((0.12, "USD"), (0.2, "USD"), (3.0, "CNY")):
        begun = await store.begin("anna", ImageRequest(model=currency, prompt="a fox"), "kiln", "")
        usage = Usage(cost=cost, currency=currency)
        await store.finish(begun.job, [], drawn=Drawn(pictures=1, usage=usage))
    allowances = Allowances(pairs={PICTURES_PER_DAY.name: (0, 0), SPEND_PER_DAY.name: (2, 0)})
    [told] = await daily_limits(store, allowances, "anna", costs=True, clock=clock)
    assert told == {
        "name": "spend_per_day", "limit": 2, "used_by_currency": {"USD": pytest.approx(0.32), "CNY": pytest.approx(3)}
    }  # fmt: skip
    assert await daily_limits(store, allowances, "anna", costs=False, clock=clock) == []
    [told] = await daily_limits(store, allowances, "ben", costs=True, clock=clock)
    assert told["used_by_currency"] == {}
    assert await daily_limits(store, UNLIMITED, "anna", costs=True, clock=clock) == []
    await store.close()
