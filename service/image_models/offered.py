"""The models on offer while the service runs: those of the models file that their image services still have.

1. Until the list of a service is known, all its models are offered: no start waits for a slow service.
2. An id that a service surely has no longer is not offered, and named in the log: once, and again when others are gone.
   A list that is not complete takes nothing away (`Offers.complete`), nor do lists that would leave no model at all.
3. A default that is gone gives way to the next model of the file.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final

from service.image_models.comparison import compare
from service.image_models.models import Model, Models
from service.upstreams.base import Offers

logger = logging.getLogger(__name__)

NAMED: Final = 8
"""Ids that one line of the log names."""

SHAPES: Final = ("aspect_ratio", "resolution")
"""The arguments that the endings of an id stand for."""


class OfferedModels:
    """The models on offer. `changed` is called with the new ones each time that they are others."""

    def __init__(self, in_file: Models) -> None:
        """Offer all models of the file."""
        self.models = in_file
        self.changed: Callable[[Models], None] = lambda _: None
        self._in_file = in_file
        self._lists: dict[str, Offers] = {}
        self._named: tuple[str, ...] = ()

    def take_file(self, models: Models) -> None:
        """Offer the models of a file that has changed."""
        self._in_file = models
        self._offer()
        logger.info("The models file has changed: %d models, default %s", len(self.models.ids), self.models.default)

    def take_lists(self, lists: Mapping[str, Offers | str]) -> None:
        """Learn the lists of some services; one that is not known now stays as it was known last."""
        self._lists |= {name: each for name, each in lists.items() if isinstance(each, Offers)}
        self._offer()

    def _offer(self) -> None:
        gone = {name: compare(self._in_file, name, offers).gone for name, offers in self._lists.items()}
        models = without(self._in_file, {id_ for ids in gone.values() for id_ in ids})
        self._name([f"{id_} ({name})" for name, ids in gone.items() for id_ in ids], models)
        if models != self.models:
            self.models = models
            self.changed(models)

    def _name(self, gone: list[str], models: Models) -> None:
        """Name in the log what is gone, unless it said so before."""
        if tuple(gone) == self._named:
            return
        self._named = tuple(gone)
        if not gone:
            logger.info("All models of the file are there again.")
            return
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        offered = "they are offered all the same, since no other is left" if models is self._in_file else "not offered"
        default = self._in_file.default
        instead = f" The default {default} is one of them: {models.default} takes its place."
        logger.warning(
            "In the models file, but no longer at the image service, so %s: %s%s.%s To take them out of the file, run "
            "`python -m service models --write`.",
            *(offered, ", ".join(gone[:NAMED]), more, instead if models.default != default else ""),
        )


def without(models: Models, gone: Collection[str]) -> Models:
    """Return the models without the ids that are gone; all of them where none would be left."""
    left = [kept for model in models.listed if (kept := _without(model, gone)) is not None]
    if not gone or not left:
        return models
    found = replace(models, listed=tuple(left))
    if models.default in Models(listed=found.listed, default="").by_id:
        return found
    return replace(found, default=_next(models, found))


def _without(model: Model, gone: Collection[str]) -> Model | None:
    """Return a model without its variants that are gone, and what only they could do; None where it is gone itself."""
    if model.id in gone:
        return None
    variants = tuple(each for each in model.variants if each.id not in gone)
    if len(variants) == len(model.variants):
        return model
    able = {name: {value for each in variants for value in each.choices.get(name, ())} for name in SHAPES}
    choices = {
        name: tuple(value for value in values if value in able.get(name, values))
        for name, values in model.choices.items()
    }
    return replace(model, variants=variants, choices=choices)


def _next(models: Models, left: Models) -> str:
    """Return the id of the model that follows the default in the file, or of the first one."""
    order = [model.id for model in models.listed]
    default = models.by_id.get(models.default)
    after = order[order.index(default.variant_of or default.id) :] if default else []
    ids = [model.id for model in left.listed]
    return next((id_ for id_ in after if id_ in ids), ids[0])
