"""The costs of an owner's pictures in words and in structured content: by day, and by model."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from service.costs import DAY_S, DailyCost, sums_text
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import answered, failed
from service.tools.context import ToolContext
from service.tools.results import escape_markdown

DAYS: Final = 31
"""The days that are listed: a month of any length."""

MODEL_LENGTH: Final = 100
HIDDEN: Final = "This server does not show what pictures cost (EASEL_SHOW_COSTS)."
UNKNOWN: Final = (
    "Nothing is known to have cost anything in the last {days} days: no image service told a cost, and the models have "
    "no price."
)


async def list_costs(context: ToolContext, call: Call, clock: Callable[[], float] = time.time) -> Result:
    """Return the costs of the last days, newest first, and their sums."""
    if not context.profiles.of(call).costs:
        return failed(HIDDEN)
    found = await context.store.costs(call.owner, int(clock() // DAY_S) - DAYS + 1)
    text = costs_text(found)
    return answered(text, {"entries": [], "costs": [structure(each) for each in found]}, message=text)


def costs_text(costs: Sequence[DailyCost]) -> str:
    """Return sums of all days, by model and by day. No two currencies are added up."""
    if not costs:
        return UNKNOWN.format(days=DAYS)
    lines = [f"Cost of the last {DAYS} days: {_sum(costs)}."]
    models = _by(costs, lambda each: escape_markdown(each.model, MODEL_LENGTH))
    lines += [f"- {model}: {_sum(each)}" for model, each in models.items()]
    lines.append("By day (UTC):")
    lines += [f"- {day}: {_sum(each)}" for day, each in _by(costs, lambda each: each.date).items()]
    if any(each.estimated for each in costs):
        lines.append("“about”: estimated with the price table of this server, since the image service told no cost.")
    return "\n".join(lines)


def structure(cost: DailyCost) -> dict[str, Any]:
    """Return one cost as structured content."""
    return {
        "day": cost.date,
        "model": cost.model,
        "cost": round(cost.cost, 6),
        "currency": cost.currency,
        "estimated": round(cost.estimated, 6),
    }


def _by(costs: Iterable[DailyCost], key: Callable[[DailyCost], str]) -> dict[str, list[DailyCost]]:
    groups: dict[str, list[DailyCost]] = defaultdict(list)
    for each in costs:
        groups[key(each)].append(each)
    return groups


def _sum(costs: Iterable[DailyCost]) -> str:
    sums: dict[str, tuple[float, float]] = {}
    for each in costs:
        whole, guessed = sums.get(each.currency, (0.0, 0.0))
        sums[each.currency] = (whole + each.cost, guessed + each.estimated)
    return sums_text(sums)
