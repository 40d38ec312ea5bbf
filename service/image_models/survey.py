"""Asking the upstreams what they offer, all at once; one that is down or slow is left out of the answer."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from service.image_models.comparison import compare
from service.image_models.models import Models
from service.images import WorkError
from service.upstreams.base import Offers, Upstream

logger = logging.getLogger(__name__)

WAIT_S: Final = 20.0
NAMED: Final = 8
"""Ids that one line of the log names."""


async def fetch_model_lists(upstreams: Mapping[str, Upstream], wait_s: float = WAIT_S) -> dict[str, Offers | str]:
    """Ask each upstream for its offers; return them, or the reason why they are not known, in words."""
    async with asyncio.TaskGroup() as group:
        asking = {name: group.create_task(_ask(upstream, wait_s)) for name, upstream in upstreams.items()}
    return {name: task.result() for name, task in asking.items()}


async def warn_about_removed_models(models: Models, upstreams: Mapping[str, Upstream]) -> None:
    """Name in the log what the file lists and its upstream no longer has."""
    gone = [
        f"{id_} ({name})"
        for name, offers in (await fetch_model_lists(upstreams)).items()
        if isinstance(offers, Offers)
        for id_ in compare(models, name, offers).gone
    ]
    if gone:
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        logger.warning(
            "Listed, but no longer there: %s%s. `python -m service models --write` updates the list.",
            ", ".join(gone[:NAMED]),
            more,
        )


async def _ask(upstream: Upstream, wait_s: float) -> Offers | str:
    try:
        async with asyncio.timeout(wait_s):
            offers = await upstream.offers()
    except WorkError as error:
        return " ".join(str(error).splitlines())
    except TimeoutError:
        return f"It did not answer within {wait_s:.0f} seconds."
    if offers is None:
        return "It has no list of models."
    if not offers.images:
        # An account that is locked, or a relay that is only starting, lists nothing: no reason to call all gone.
        return "It lists no image model at all just now."
    return offers
