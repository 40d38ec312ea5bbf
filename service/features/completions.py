"""Completions of arguments from the characters typed so far: models, their shapes, numbers and names of pictures.

Numbers and names are those of the caller. Values that begin with the characters come before those that contain them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.features.resources import HISTORY_TEMPLATE, IMAGES_TEMPLATE
from service.image_models.models import CHOICES, Model, Models
from service.protocol.call import Call
from service.storage.store import Store

MAX_MATCHES: Final = 1000
"""Numbers or names that are looked up for one completion, newest first. A client gets a hundred, and the count."""

MAX_TYPED: Final = 200
"""Longest text to complete, in characters. No value is longer."""


@dataclass(frozen=True, kw_only=True)
class Completions:
    """Completes the arguments of prompts and of templates of resources."""

    models: Models
    store: Store

    async def complete(self, call: Call, ref: Mapping[str, Any], argument: Mapping[str, Any]) -> Sequence[str]:
        """Return the values that fit, best first; none for an argument whose values cannot be listed."""
        typed = argument["value"]
        if len(typed) > MAX_TYPED:
            return []
        match ref, argument["name"]:
            case ({"uri": str(uri)}, "id") if uri == HISTORY_TEMPLATE:
                return await self._history_ids(call, typed)
            case ({"uri": str(uri)}, "name") if uri == IMAGES_TEMPLATE:
                return await self._picture_names(call, typed)
            case {"type": "ref/prompt"}, "history_id":
                return await self._history_ids(call, typed)
            case {"type": "ref/prompt"}, "model":
                return matching(typed, self.models.ids)
            case {"type": "ref/prompt"}, name if name in CHOICES:
                return matching(typed, values_of(name, self._chosen(call)))
        return []

    async def _history_ids(self, call: Call, typed: str) -> Sequence[str]:
        if typed and not (typed.isascii() and typed.isdecimal()):
            return []
        return [str(each) for each in await self.store.history_ids(call.owner, typed, MAX_MATCHES)]

    async def _picture_names(self, call: Call, typed: str) -> Sequence[str]:
        return await self.store.file_names(call.owner, typed, MAX_MATCHES)

    def _chosen(self, call: Call) -> Sequence[Model]:
        """Return the model that is filled in already, alone; else all models."""
        match call.params.get("context"):
            case {"arguments": {"model": str(id_)}} if id_ in self.models.by_id:
                return [self.models.by_id[id_]]
            case _:
                return [self.models.by_id[id_] for id_ in self.models.ids]


def matching(typed: str, values: Iterable[str]) -> list[str]:
    """Return the values that begin with the typed text, then those that contain it, in any case of letters."""
    start = typed.casefold()
    found = [each for each in values if start in each.casefold()]
    return sorted(found, key=lambda each: not each.casefold().startswith(start))


def values_of(argument: str, models: Iterable[Model]) -> list[str]:
    """Return the values of an argument that some of the models can do. A range of sizes is no value."""
    values = dict.fromkeys(value for model in models for value in model.choices.get(argument, ()))
    return [value for value in values if ".." not in value]
