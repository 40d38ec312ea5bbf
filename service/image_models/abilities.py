"""The abilities of the models on offer, to be read at once: a table of them, and the names of models in a sentence.

The facts are those of schema and checks.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from service.image_models.models import CHOICES, SWITCHES, Model, Models
from service.images import FORMATS

MASKS: Final = {"alpha": "as a mask", "marked": "as a region marked in the picture, with words"}
"""The ways of a mask in words."""

_BOUNDARY: Final = re.compile(r"[^A-Za-z0-9]|\Z")
"""The places in a name where a beginning that several have may end."""


def table(models: Models) -> list[dict[str, Any]]:
    """Return one row for each model that is listed."""
    return [row(model, is_default=model.id == models.default) for model in models.listed]


def row(model: Model, *, is_default: bool = False) -> dict[str, Any]:
    """Return the abilities of a model, without those that it has not or that nobody knows."""
    references = {
        "most": model.references,
        "types": list(model.reference_types),
        "bytes": model.reference_bytes,
        "pixels": model.reference_pixels,
    }
    said = {
        "id": model.id,
        "service": model.upstream,
        "default": is_default,
        "about": model.about,
        "count": model.most_pictures,
        "references": {name: value for name, value in references.items() if value or (value == 0 and name == "most")},
        "mask": model.mask,
        **{name: list(model.choices[name]) for name in CHOICES if name in model.choices},
        "takes": [name for name in SWITCHES if name in model.takes],
        "upscale": list(model.upscale),
        "price": model.prices.text,
    }
    return {name: value for name, value in said.items() if value or name == "count"}


def table_text(models: Models) -> str:
    """Return the table for people and models, one line for each model."""
    return "\n".join(_line(model, is_default=model.id == models.default) for model in models.listed)


def names(some: Sequence[Model], among: Sequence[Model]) -> list[str]:
    """Name some of the models without their organisation, as long as each is told from all others so.

    Those whose beginning no other has are named together, such as "gpt-image-2*": a chat pays for each letter.
    """
    short = [model.id.rpartition("/")[2] for model in among]
    name_of = {model.id: name if short.count(name) == 1 else model.id for model, name in zip(among, short, strict=True)}
    left = [name_of[model.id] for model in some]
    others = set(name_of.values()) - set(left)
    named: list[str] = []
    while left:
        beginnings = [left[0][: found.start()] for found in _BOUNDARY.finditer(left[0]) if found.start()]
        own = [each for each in beginnings if not any(other.startswith(each) for other in others)]
        alike = [name for name in left if own and name.startswith(own[0])]
        named.append(f"{own[0]}*" if len(alike) > 1 else left[0])
        left = [name for name in left[1:] if name not in alike]
    return named


def _line(model: Model, *, is_default: bool) -> str:
    facts = [
        "the default" if is_default else "",
        f"up to {model.most_pictures} pictures in one call" if model.most_pictures > 1 else "one picture in a call",
        _references(model),
        f"mask {MASKS[model.mask]}" if model.mask else "no mask",
        *(
            f"{name} {', '.join(model.choices[name]).replace('..', ' to ')}"
            for name in CHOICES
            if name in model.choices
        ),
        *(name for name in SWITCHES if name in model.takes),
        f"upscale to {', '.join(model.upscale)}" if model.upscale else "",
        f"price {model.prices.text}" if model.prices.text else "",
    ]
    return f"{model.id} ({model.upstream}): {'; '.join(filter(None, facts))}."


def _references(model: Model) -> str:
    if model.references is None:
        return ""
    if model.references == 0:
        return "no reference pictures"
    types = ", ".join(FORMATS[each] for each in model.reference_types)
    size = f"up to {model.reference_bytes / 1_000_000:g} MB each" if model.reference_bytes else ""
    pixels = f"up to {model.reference_pixels / 1_000_000:.3g} megapixels each" if model.reference_pixels else ""
    limits = ", ".join(filter(None, [types, size, pixels]))
    return f"up to {model.references} reference pictures{f' ({limits})' if limits else ''}"
