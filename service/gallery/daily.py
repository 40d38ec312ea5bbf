"""The limits of a day as the page shows them: what an owner may draw and spend, and what of it is used."""

import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from service.bounds.limits import PICTURES_PER_DAY, SPEND_PER_DAY, Allowances
from service.costs import DAY_S
from service.storage.store import Store


async def daily_limits(
    store: Store, allowances: Allowances, owner: str, *, costs: bool, clock: Callable[[], float] = time.time
) -> list[dict[str, Any]]:
    """Return the limits of an owner's day (UTC); that of money, by its currencies, only with `costs`."""
    found: list[dict[str, Any]] = []
    pictures, spend = (allowances.each(limit, owner) for limit in (PICTURES_PER_DAY, SPEND_PER_DAY))
    if math.isfinite(pictures):
        found.append({"name": PICTURES_PER_DAY.name, "limit": pictures, "used": await store.drawn_today(owner)})
    if math.isfinite(spend) and costs:
        used: dict[str, float] = defaultdict(float)
        for each in await store.costs(owner, math.floor(clock() / DAY_S)):
            used[each.currency] += each.cost
        found.append({"name": SPEND_PER_DAY.name, "limit": spend, "used_by_currency": used})
    return found
