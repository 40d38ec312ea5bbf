"""The rows of owners as every database has them: their use by month, and texts that name pictures by number."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from service.storage.people import Use


def renumbered(parameters: str, added: int) -> str:
    """Return the parameters of a job with a number added to those of the pictures that it started from."""
    read = json.loads(parameters)
    if not isinstance(read.get("references"), list):
        return parameters
    mask = {"mask": _renumbered(read["mask"], added)} if "mask" in read else {}
    return json.dumps(read | {"references": [_renumbered(each, added) for each in read["references"]]} | mask)


def _renumbered(origin: str, added: int) -> str:
    return re.sub(r"^history_id (\d+)", lambda number: f"history_id {int(number[1]) + added}", origin)


def use_of(rows: Iterable[Iterable[Any]], costs: Iterable[Iterable[Any]]) -> list[Use]:
    """Return the use out of rows of month, owner, pictures, failures and seconds, in their order.

    `costs` are rows of month, owner, currency, cost and the estimated part of it.
    """
    sums: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    estimated: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for month, owner, currency, cost, guessed in costs:
        sums[month, owner][currency] = cost
        estimated[month, owner][currency] = guessed
    return [
        Use(
            month=month,
            owner=owner,
            pictures=pictures,
            failed=failed,
            seconds=seconds,
            costs=sums[month, owner],
            estimated=estimated[month, owner],
        )
        for month, owner, pictures, failed, seconds in rows
    ]
