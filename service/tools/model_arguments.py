"""The arguments whose values depend on the model: their listing in a schema, and their check.

A schema file holds every such argument with its description. `offer` keeps those that some model on offer makes use
of, and names the values by model; `find_misfits` checks them for the model that was chosen, since a service may ignore
a value that it does not know, and a person would pay for a picture of another shape.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from service.image_models.abilities import names
from service.image_models.models import CHOICES, SWITCHES, Model, Models
from service.tools.arguments import nearest

_FEW: Final = 12
_RANGE: Final = ".."

Properties = Mapping[str, Mapping[str, Any]]


def offer(models: Models, properties: Properties) -> dict[str, Mapping[str, Any]]:
    """Return the properties of a schema, with the models on offer and their abilities written in."""
    offered = {name: _offer_one(models, name, dict(schema)) for name, schema in properties.items()}
    return {name: schema for name, schema in offered.items() if schema is not None}


def find_misfits(models: Models, arguments: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each argument that the chosen model cannot do; none when all is well."""
    chosen = arguments.get("model", models.default)
    model = models.by_id.get(chosen)
    if model is None:
        return [_unknown_model(models, chosen)]
    given = [name for name in (*CHOICES, *SWITCHES) if name in arguments]
    misfits = [problem for name in given if (problem := _misfit(models, model, name, arguments[name]))]
    misfits += _too_many(models, model, int(arguments.get("count", 1)))
    return misfits or _contradiction(given)


def _offer_one(models: Models, name: str, schema: dict[str, Any]) -> Mapping[str, Any] | None:
    shown = [models.by_id[id_] for id_ in models.ids]
    if name == "model":
        about = [f"{model.id}: {model.about}" for model in shown if model.about]
        lines = [schema["description"], models.guide, *about, _by_answer(shown, _references, "Reference pictures")]
        return schema | {"description": _lines(lines), "enum": models.ids, "default": models.default}
    if name == "count":
        return _offer_count(shown, schema)
    if name not in CHOICES and name not in SWITCHES:
        return schema
    if not any(model.accepts(name) for model in shown):
        return None
    if name in SWITCHES:
        takers = [model for model in shown if model.accepts(name)]
        only = "" if len(takers) == len(shown) else f"Only for {_series(names(takers, shown))}."
        return schema | {"description": " ".join(filter(None, [schema["description"], only]))}
    values = list(dict.fromkeys(value for model in shown for value in model.choices.get(name, ())))
    lines = [schema["description"], _by_answer(shown, lambda model: _values(model.choices.get(name, ())), "Values")]
    ranged = any(_RANGE in value for value in values)
    return schema | {"description": _lines(lines)} | ({} if ranged else {"enum": values})


def _offer_count(models: Sequence[Model], schema: dict[str, Any]) -> Mapping[str, Any] | None:
    """Return the number of pictures, as many as some model draws in one call; None where none draws several."""
    most = max((model.most_pictures for model in models), default=1)
    if most == 1:
        return None
    fewer = [model for model in models if model.most_pictures < most]
    only = _by_answer(fewer, lambda model: f"up to {model.most_pictures}", "Fewer", models)
    return schema | {"maximum": most, "description": " ".join(filter(None, [schema["description"], only]))}


def _by_answer(models: Sequence[Model], answer: Callable[[Model], str], title: str, among: Sequence[Model] = ()) -> str:
    """Join the answers for the models under `title`, models with the same answer together; "" without any answer.

    `among` are all that are on offer, where `models` are only some of them.
    """
    among = among or models
    groups: dict[str, list[Model]] = {}
    for model in models:
        groups.setdefault(answer(model), []).append(model)
    groups.pop("", None)
    if not groups:
        return ""
    parts = [
        text if len(group) == len(among) else f"{text} with {_series(names(group, among))}"
        for text, group in groups.items()
    ]
    return f"{title}: {'; '.join(parts)}."


def _references(model: Model) -> str:
    match model.references:
        case None:
            return ""
        case 0:
            return "none"
        case count:
            return f"up to {count}"


def _misfit(models: Models, model: Model, name: str, value: Any) -> str:
    """Return the fault of one argument and its correction; "" without a fault."""
    choices = model.choices.get(name, ())
    if name in model.takes or any(_allows(choice, str(value)) for choice in choices):
        return ""
    text = f'"{value}"' if isinstance(value, str) and len(value) <= 60 else str(value)[:60]
    if not choices:
        return f"`{name}` is {text}, but {model.id} makes no use of it: leave it out{_instead(models, model, name)}."
    if model.variant_of:
        other = models.by_id.get(model.variant_of)
        able = f", or use {other.id}, which takes {_values(other.choices[name])}" if other and other.choices else ""
        return f"`{name}` is {text}, but {model.id} is always {choices[0]}: leave it out{able}."
    return f"`{name}` is {text}, which {model.id} cannot do. Allowed with this model: {_values(choices)}."


def _too_many(models: Models, model: Model, count: int) -> list[str]:
    """Refuse more pictures than the model draws in one call."""
    if count <= model.most_pictures:
        return []
    able = [each.id for each in models.listed if each.most_pictures >= count]
    other = f", or use {_series(able[:_FEW], 'or')}" if able else ""
    return [f"`count` is {count}, but {model.id} draws up to {model.most_pictures} in one call: ask for fewer{other}."]


def _contradiction(names: Sequence[str]) -> list[str]:
    """Refuse `size` beside `aspect_ratio` or `resolution`: pixels state the shape, too."""
    twice = [f"`{name}`" for name in ("aspect_ratio", "resolution") if name in names]
    return (
        [f"`size` says what {_series(twice)} would: leave one or the other out."] if twice and "size" in names else []
    )


def _instead(models: Models, model: Model, name: str) -> str:
    """Name the models that make use of the argument, and the arguments that this model takes."""
    able = [each.id for each in models.listed if each.accepts(name)]
    own = [f"`{each}`" for each in (*CHOICES, *SWITCHES) if model.accepts(each)]
    other = f", or use {_series(able[:_FEW], 'or')}" if able else ""
    return other + (f". It takes {_series(own)}" if own else "")


def _unknown_model(models: Models, chosen: str) -> str:
    problem = f'`model` is "{chosen[:100]}", which is not on offer.'
    if len(models.ids) <= _FEW:
        return f"{problem} Allowed: {', '.join(models.ids)}."
    near = nearest(chosen, models.by_id)
    shown, kind = (near, "The nearest are") if near else (models.ids[:_FEW], "Some of them are")
    return f"{problem} {kind} {', '.join(shown)}; the tool's schema lists all {len(models.ids)}."


def _allows(choice: str, value: str) -> bool:
    """Tell whether a value is the choice, or lies in the range of sizes that the choice is."""
    low, dots, high = choice.partition(_RANGE)
    if not dots:
        return choice == value
    pixels = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", value)
    if pixels is None:
        return False
    bounds = zip(low.split("x"), pixels.groups(), high.split("x"), strict=True)
    return all(int(least) <= int(side) <= int(most) for least, side, most in bounds)


def _values(choices: Iterable[str]) -> str:
    return ", ".join(choice.replace(_RANGE, " to ") for choice in choices)


def _series(words: Sequence[str], last: str = "and") -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(filter(None, parts))
