"""The models that exist, their abilities, the default one, and the guide by which a chat model chooses.

`models.json` holds `models`, a list of ids or of objects; `families`, what several of these objects have in common;
`default_model`; and `selection_guide` or, line by line, `selection_guide_lines`. A model and a family may say:

- `upstream`: the image service that draws it, Flow2API when none is named.
- `about`: its strengths, for the model that chooses.
- `aspect_ratios`, `resolutions`, `sizes`, `qualities`, `complexities`, `backgrounds`, `output_formats`: the values it
  can do, each a list. A resolution is 1K, 2K, 4K or, as Gemini calls half of 1K, 512. A size is 1024x1024, auto, or a
  range 64x64..2048x2048. What is not named cannot be chosen.
- `takes`: other arguments that it makes use of: negative_prompt, seed.
- `references`: the number of pictures from which it can start; unknown when it is left out.
- `reference_types`, `reference_bytes`, `reference_pixels`: the media types of these, and the most bytes and pixels of
  each; what its service takes when they are left out.
- `count`: the most pictures of one call, 8 when it is left out; `native_count`: those that its service draws for one
  request, 1 when it is left out. More are asked for by requests side by side.
- `mask`: how a painted region reaches it: "alpha" where its service takes a mask, "marked" where the region is marked
  in the picture and the prompt speaks of it. Left out: it takes none.
- `upscale`: the resolutions to which it brings an earlier picture.
- `price`: what it costs, for services that do not tell (`prices.py`).

Where `aspect_ratios` is an object of values and endings, and so is `resolutions` if it is there, the ids with these
endings are models too: accepted but not listed, since the arguments say the same in fewer words.

Only models whose upstream is switched on are offered. Unknown keys are left alone.

The file is watched (`service/watched_file.py`).
"""

import codecs
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any, Final, TypeAlias

import orjson

from service.costs import Price
from service.image_models.prices import NO_PRICES, PriceError, PriceList, PriceTable
from service.images import EXTENSIONS

DEFAULT_UPSTREAM: Final = "flow2api"
"""Upstream of a model that is given by its id alone, as older lists do."""

CHOICES: Final[Mapping[str, tuple[str, re.Pattern[str]]]] = {
    "aspect_ratio": ("aspect_ratios", re.compile(r"[0-9]{1,3}:[0-9]{1,3}")),
    "resolution": ("resolutions", re.compile(r"[0-9]{1,2}K|512")),
    "size": ("sizes", re.compile(r"auto|[0-9]{1,5}x[0-9]{1,5}(\.\.[0-9]{1,5}x[0-9]{1,5})?")),
    "quality": ("qualities", re.compile(r"[a-z]{1,20}")),
    "complexity": ("complexities", re.compile(r"[a-z]{1,20}")),
    "background": ("backgrounds", re.compile(r"[a-z]{1,20}")),
    "output_format": ("output_formats", re.compile(r"[a-z]{1,20}")),
}
"""Arguments of which a model can do certain values: the key that lists them, and the form of one value."""

SWITCHES: Final = ("negative_prompt", "seed")
"""Arguments that a model either makes use of or not."""


MASKS: Final = ("", "alpha", "marked")
"""The ways in which a painted region reaches a model; "" for none."""

MOST_PICTURES: Final = 8
"""The most pictures of one call, whatever the model."""

MOST_BYTES: Final = 10**9
"""More than any reference has, of bytes and of pixels; a limit beyond it is a slip."""


class ModelsError(ValueError):
    """The list cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: by argument the values that it can do, which other arguments it takes, and how many references.

    Of references, no types stand for those of its service, and 0 bytes or pixels for no limit.
    `variants` are the ids with an ending: each is a model that can do a single shape and resolution. Of these
    `variant_of` is the id without the ending.
    """

    id: str
    upstream: str
    about: str = ""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    takes: frozenset[str] = frozenset()
    references: int | None = None
    reference_types: tuple[str, ...] = ()
    reference_bytes: int = 0
    reference_pixels: int = 0
    most_pictures: int = MOST_PICTURES
    native_count: int = 1
    mask: str = ""
    upscale: tuple[str, ...] = ()
    prices: PriceList = NO_PRICES
    variants: tuple["Model", ...] = ()
    variant_of: str = ""

    def price_of(self, arguments: Mapping[str, Any]) -> Price:
        """Return the price of a request: what an id with an ending always is counts as asked for."""
        fixed = {name: values[0] for name, values in self.choices.items()} if self.variant_of else {}
        return self.prices.of({**arguments, **fixed})

    def accepts(self, argument: str) -> bool:
        """Tell that some value of an argument makes a difference to this model."""
        return argument in self.takes or bool(self.choices.get(argument))


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models on offer, as listed. `default` is one of them or one of their variants; empty for an empty list."""

    listed: tuple[Model, ...]
    default: str
    guide: str = ""

    @cached_property
    def by_id(self) -> Mapping[str, Model]:
        """Every accepted id. One that is listed plainly and is also a variant has the abilities of the variant."""
        variants = {variant.id: variant for model in self.listed for variant in model.variants}
        return variants | {model.id: model for model in self.listed if model.choices or model.id not in variants}

    @cached_property
    def upstream_of(self) -> Mapping[str, str]:
        """The name of the upstream of every id that is taken."""
        return {id_: model.upstream for id_, model in self.by_id.items()}

    @property
    def ids(self) -> list[str]:
        """The ids to show, in the order of the list; the default is one of them whatever it is."""
        return list(dict.fromkeys([*(model.id for model in self.listed), *filter(None, [self.default])]))

    @property
    def take_references(self) -> bool:
        """True where one of them, as far as is known, starts from pictures."""
        return any(model.references != 0 for model in self.listed)


Entry: TypeAlias = Mapping[object, object]


def read_models(text: bytes, upstreams: Collection[str]) -> Models:
    """Read the list and keep what `upstreams` can draw; raises `ModelsError`.

    A default that is not on offer gives way to the first model that is.
    """
    everything = read_list(text)
    listed = tuple(model for model in everything.listed if model.upstream in upstreams)
    if not listed:
        raise ModelsError(f"none of its models is drawn by {' or '.join(sorted(upstreams))}")
    offered = Models(listed=listed, default="", guide=everything.guide)
    default = everything.default if everything.default in offered.by_id else listed[0].id
    return Models(listed=listed, default=default, guide=everything.guide)


def parse(text: bytes) -> Any:
    """Read the JSON of a models file, which may begin with a byte order mark; raises `orjson.JSONDecodeError`."""
    return orjson.loads(text.removeprefix(codecs.BOM_UTF8))  # Notepad and PowerShell write the mark


def read_list(text: bytes) -> Models:
    """Read the whole list, whoever draws the models; raises `ModelsError`."""
    try:
        file = parse(text)
    except orjson.JSONDecodeError as problem:
        raise ModelsError(f"it is not JSON: {problem}") from problem
    if not isinstance(file, dict) or not isinstance(file.get("models"), list):
        raise ModelsError('it must be an object with a list "models"')
    families = _read_families(file.get("families", {}))
    try:
        table = PriceTable.read(file, CHOICES)
    except PriceError as error:
        raise ModelsError(str(error)) from error
    models = {model.id: model for model in (read_model(entry, families, table) for entry in file["models"])}
    default = file.get("default_model")
    return Models(
        listed=tuple(models.values()), default=default if isinstance(default, str) else "", guide=_read_guide(file)
    )


def _read_families(families: object) -> Mapping[object, Entry]:
    match families:
        case {**named} if all(isinstance(each, dict) for each in named.values()):
            return {name: each for name, each in named.items() if isinstance(each, dict)}
        case _:
            raise ModelsError('"families" must be an object of objects')


def read_model(entry: object, families: Mapping[object, Entry], table: PriceTable | None = None) -> Model:
    """Read one entry of the list; raises `ModelsError`. Without the table of prices it has none."""
    match entry:
        case str(id_) if id_.strip():
            return Model(id=id_.strip(), upstream=DEFAULT_UPSTREAM)
        case {"id": str(id_), "family": str(family), **own} if id_.strip() and family in families:
            return _describe(id_.strip(), {**families[family], **own}, table)
        case {"id": str(id_), "family": family}:
            raise ModelsError(f'{id_[:80]!r} is of the family {str(family)[:80]!r}, which "families" does not have')
        case {"id": str(id_), **own} if id_.strip():
            return _describe(id_.strip(), own, table)
        case _:
            raise ModelsError(f'"models" holds {str(entry)[:80]!r}; each must be an id or {{"id": …, "upstream": …}}')


def _describe(id_: str, said: Entry, table: PriceTable | None) -> Model:
    upstream, about = said.get("upstream", DEFAULT_UPSTREAM), said.get("about", "")
    if not isinstance(upstream, str) or not isinstance(about, str):
        raise ModelsError(f'"upstream" and "about" of {id_} must be texts')
    choices = {argument: _read_choices(id_, key, said.get(key, [])) for argument, (key, _) in CHOICES.items()}
    model = Model(
        id=id_,
        upstream=upstream,
        about=about.strip(),
        choices={argument: tuple(values) for argument, values in choices.items() if values},
        takes=_read_takes(id_, said.get("takes", [])),
        references=_read_references(id_, said.get("references")),
        reference_types=_read_types(id_, said.get("reference_types", [])),
        reference_bytes=_read_number(id_, said, "reference_bytes", 0, MOST_BYTES),
        reference_pixels=_read_number(id_, said, "reference_pixels", 0, MOST_BYTES),
        most_pictures=_read_number(id_, said, "count", MOST_PICTURES, MOST_PICTURES),
        native_count=_read_number(id_, said, "native_count", 1, MOST_PICTURES),
        mask=_read_mask(id_, said.get("mask", "")),
        upscale=_read_upscale(id_, said.get("upscale", [])),
        prices=_read_prices(id_, said.get("price"), table),
    )
    return replace(model, variants=_variants(model, choices["aspect_ratio"], choices["resolution"]))


def _read_choices(id_: str, key: str, values: object) -> Mapping[str, str | None]:
    """The values in their order, with the ending of each where there is one."""
    match values:
        case {**endings} if all(isinstance(ending, str) for ending in endings.values()):
            read: Mapping[str, str | None] = {str(value): str(ending) for value, ending in endings.items()}
        case [*plain]:
            read = {str(value): None for value in plain}
        case _:
            raise ModelsError(f'"{key}" of {id_} must be a list of values, or an object of values and endings')
    form = next(form for name, form in CHOICES.values() if name == key)
    for value in read:
        if not form.fullmatch(value):
            raise ModelsError(f'"{key}" of {id_} holds {value[:80]!r}, which is not of its form')
    return read


def _read_takes(id_: str, takes: object) -> frozenset[str]:
    match takes:
        case [*names] if all(name in SWITCHES for name in names):
            return frozenset(map(str, names))
        case _:
            raise ModelsError(f'"takes" of {id_} must be a list, of {", ".join(SWITCHES)}')


def _read_references(id_: str, references: object) -> int | None:
    match references:
        case None:
            return None
        case int(count) if count >= 0 and not isinstance(count, bool):
            return count
        case _:
            raise ModelsError(f'"references" of {id_} must be a whole number from 0')


def _read_number(id_: str, said: Entry, key: str, default: int, most: int) -> int:
    """Read a whole number up to `most`, from 1 or, where that is the default, from 0."""
    least = min(default, 1)
    match said.get(key, default):
        case int(number) if least <= number <= most and not isinstance(number, bool):
            return number
        case _:
            raise ModelsError(f'"{key}" of {id_} must be a whole number from {least} to {most}')


def _read_types(id_: str, types: object) -> tuple[str, ...]:
    match types:
        case [*names] if all(name in EXTENSIONS for name in names):
            return tuple(map(str, names))
        case _:
            raise ModelsError(f'"reference_types" of {id_} must be a list, of {", ".join(EXTENSIONS)}')


def _read_mask(id_: str, mask: object) -> str:
    if isinstance(mask, str) and mask in MASKS:
        return mask
    raise ModelsError(f'"mask" of {id_} must be alpha or marked, or be left out')


def _read_upscale(id_: str, upscale: object) -> tuple[str, ...]:
    form = CHOICES["resolution"][1]
    match upscale:
        case [*values] if all(isinstance(each, str) and form.fullmatch(each) for each in values):
            return tuple(map(str, values))
        case _:
            raise ModelsError(f'"upscale" of {id_} must be a list of resolutions, such as ["2K", "4K"]')


def _read_prices(id_: str, price: object, table: PriceTable | None) -> PriceList:
    try:
        return NO_PRICES if table is None else table.find(f'"price" of {id_}', price)
    except PriceError as error:
        raise ModelsError(str(error)) from error


def _variants(model: Model, shapes: Mapping[str, str | None], sizes: Mapping[str, str | None]) -> tuple[Model, ...]:
    """The ids that are `model`'s with an ending for the shape and, where there are resolutions, one for these."""
    variants = []
    for (shape, ending), (size, more) in product(shapes.items(), sizes.items() or [("", "")]):
        if ending is None or more is None:
            return ()
        choices = {"aspect_ratio": (shape,)} | ({"resolution": (size,)} if size else {})
        id_ = model.id + ending + more
        variants.append(replace(model, id=id_, choices=choices, variant_of=model.id))
    return tuple(variants)


def _read_guide(file: Mapping[str, object]) -> str:
    match file:
        case {"selection_guide": str(guide)} if guide.strip():
            return guide.strip()
        case {"selection_guide_lines": [*lines]}:
            return "\n".join(line.strip() for line in lines if isinstance(line, str) and line.strip())
        case _:
            return ""
