"""Comparison of the models file with the offers of the upstreams, and the file brought up to date.

The upstreams are asked all at once; one that is down or slow is left out of the answer.
"""

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.image_models.entries import with_entries
from service.image_models.models import DEFAULT_UPSTREAM, Model, Models, parse, read_model
from service.images import WorkError
from service.upstreams.base import Offers, Upstream


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One upstream: ids in both, only in the file, and only there. `sure` says that what is missing there is gone."""

    both: tuple[str, ...]
    only_in_file: tuple[str, ...]
    only_there: tuple[str, ...]
    sure: bool = True

    @property
    def gone(self) -> tuple[str, ...]:
        """Ids of the file that the upstream surely has no longer."""
        return self.only_in_file if self.sure else ()


def compare(models: Models, upstream: str, offers: Offers) -> Comparison:
    """Compare the models of one upstream with what it offers. An id of the file counts if it is listed as anything.

    A generic name whose variants are there works, though no list may hold it; where it is gone with all of them, it is
    named alone.
    """
    there = {*offers.images, *offers.others}
    ours = [model for model in models.listed if model.upstream == upstream]
    missing = dict.fromkeys(id_ for model in ours for id_ in _missing(model, there))
    taken = {id_ for id_, name in models.upstream_of.items() if name == upstream}
    return Comparison(
        both=tuple(model.id for model in ours if model.id not in missing),
        only_in_file=tuple(missing),
        only_there=tuple(id_ for id_ in dict.fromkeys(offers.images) if id_ not in taken),
        sure=offers.complete,
    )


def _missing(model: Model, there: Collection[str]) -> list[str]:
    """Of a model and its variants those that are not there."""
    variants = [variant.id for variant in model.variants if variant.id not in there]
    if len(variants) == len(model.variants) and model.id not in there:
        return [model.id]
    return variants


def brought_up_to_date(text: bytes, compared: Mapping[str, Comparison]) -> bytes:
    """The text of a file that can be read, without the models that are gone and with the new ones at the end.

    All else stays as it was written, byte for byte: a default that is gone and keys that nobody knows included.
    """
    file = parse(text)
    families = file.get("families", {})
    gone = [_is_gone(read_model(entry, families), compared) for entry in file["models"]]
    new = [entry for name, each in compared.items() for entry in _entries(name, each.only_there, families)]
    return with_entries(text, gone, [json.dumps(entry, ensure_ascii=False) for entry in new])


def _is_gone(model: Model, compared: Mapping[str, Comparison]) -> bool:
    return model.upstream in compared and model.id in compared[model.upstream].gone


def _entries(upstream: str, ids: Iterable[str], families: Mapping[Any, Mapping[Any, Any]]) -> list[dict[str, Any]]:
    """Entries for new ids. Those that differ only by the endings of a family become one model of that family."""
    left = dict.fromkeys(ids)
    entries = []
    for name, family in families.items():
        if family.get("upstream", DEFAULT_UPSTREAM) != upstream:
            continue
        endings = [each.id.removeprefix("-") for each in read_model({"id": "-", "family": name}, families).variants]
        for id_ in tuple(left):
            base = id_.removesuffix(endings[0]) if endings else id_
            variants = {base + ending for ending in endings}
            if base != id_ and variants == {each for each in left if each.startswith(base) and each != base}:
                entries.append({"id": base, "family": name})
                left = {each: None for each in left if each != base and each not in variants}
    return entries + [{"id": id_, "upstream": upstream} for id_ in left]


WAIT_S: Final = 20.0


async def fetch_model_lists(upstreams: Mapping[str, Upstream], wait_s: float = WAIT_S) -> dict[str, Offers | str]:
    """Ask each upstream for its offers; return them, or the reason why they are not known, in words."""
    async with asyncio.TaskGroup() as group:
        asking = {name: group.create_task(_ask(upstream, wait_s)) for name, upstream in upstreams.items()}
    return {name: task.result() for name, task in asking.items()}


async def ask(upstream: Upstream, wait_s: float = WAIT_S) -> Offers | str:
    """Return the offers of an upstream, or why there are none. Raise `WorkError`, also for an answer that is late."""
    try:
        async with asyncio.timeout(wait_s):
            offers = await upstream.offers()
    except TimeoutError as late:
        raise WorkError(f"It did not answer within {wait_s:.0f} seconds.", kind="timeout") from late
    if offers is None:
        return "It has no list of models."
    if not offers.images:
        # An account that is locked, or a relay that is only starting, lists nothing: no reason to call all gone.
        return "It lists no image model at all just now."
    return offers


async def _ask(upstream: Upstream, wait_s: float) -> Offers | str:
    try:
        return await ask(upstream, wait_s)
    except WorkError as error:
        return " ".join(str(error).splitlines())
