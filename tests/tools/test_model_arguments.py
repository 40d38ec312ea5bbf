"""Arguments that depend on the model: what a schema says of them, and what a model is told about wrong ones."""

from typing import Any

import pytest

from service.image_models.models import Model, Models
from service.references.arguments import ARGUMENTS
from service.tools.base import load_schema
from service.tools.model_arguments import find_misfits, offer

WIDE = Model(id="m-wide", upstream="u", choices={"aspect_ratio": ("16:9",)}, variant_of="m")
M = Model(
    id="m",
    upstream="u",
    about="quick",
    choices={"aspect_ratio": ("16:9", "1:1"), "resolution": ("1K", "2K")},
    references=3,
    variants=(WIDE,),
)
SIZED = Model(
    id="sized",
    upstream="u",
    choices={"size": ("auto", "64x64..2048x1024"), "aspect_ratio": ("16:9",)},
    takes=frozenset({"seed"}),
    references=0,
)
PLAIN = Model(id="plain", upstream="u")
MODELS = Models(listed=(M, SIZED, PLAIN), default="m", guide="Choose well.")


def properties(*models: Model) -> dict[str, Any]:
    offered = offer(Models(listed=models, default=models[0].id), load_schema("generate")["properties"])
    return {name: schema for name, schema in offered.items() if name not in ARGUMENTS}


def test_the_models_are_listed_with_guide_and_what_each_is_good_at() -> None:
    model = offer(MODELS, load_schema("generate")["properties"])["model"]
    assert (model["enum"], model["default"]) == (["m", "sized", "plain"], "m")
    assert model["description"].splitlines()[1:] == [
        "Choose well.",
        "m: quick",
        "Reference pictures: up to 3 with m; none with sized.",
    ]


def test_an_argument_that_no_model_makes_use_of_is_not_in_the_schema() -> None:
    """Ours: every argument in a schema costs a chat model's attention in each call."""
    assert list(properties(PLAIN)) == ["prompt", "model", "variation", "count"]
    assert list(properties(M)) == ["prompt", "model", "aspect_ratio", "resolution", "variation", "count"]
    assert list(properties(SIZED)) == ["prompt", "model", "aspect_ratio", "size", "variation", "count", "seed"]


def test_values_are_listed_with_the_models_that_can_do_them() -> None:
    shown = properties(M, SIZED, PLAIN)
    assert shown["aspect_ratio"]["enum"] == ["16:9", "1:1"]
    assert shown["aspect_ratio"]["description"].endswith("\nValues: 16:9, 1:1 with m; 16:9 with sized.")
    assert shown["resolution"]["description"].endswith("\nValues: 1K, 2K with m.")
    assert shown["seed"]["description"].endswith(" Only for sized.")


def test_what_all_models_can_do_is_said_once() -> None:
    shown = properties(M, Model(id="n", upstream="u", choices=M.choices, takes=frozenset()))
    assert shown["aspect_ratio"]["description"].endswith("\nValues: 16:9, 1:1.")
    assert "Only for" not in properties(SIZED)["seed"]["description"]


def test_models_are_named_in_short_where_that_tells_them_apart() -> None:
    """Ours: the list of tools is paid for with every message; the ids stand in the enum."""
    choices = {"aspect_ratio": ("1:1",)}
    near, far, other = (Model(id=id_, upstream="u", choices=choices) for id_ in ("a/near", "b/far", "c/far"))
    plain = Model(id="plain", upstream="u")
    assert properties(near, plain)["aspect_ratio"]["description"].endswith("Values: 1:1 with near.")
    assert properties(near, far, other, plain)["aspect_ratio"]["description"].endswith(
        "1:1 with near, b/far and c/far."
    )


def test_a_range_of_sizes_is_in_words_since_a_schema_has_none() -> None:
    size = properties(SIZED)["size"]
    assert "enum" not in size
    assert size["description"].endswith("\nValues: auto, 64x64 to 2048x1024.")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"aspect_ratio": "1:1", "resolution": "2K"}, id="values of the default"),
        pytest.param({"model": "m-wide", "aspect_ratio": "16:9"}, id="a full id, and what it says itself"),
        pytest.param({"model": "sized", "size": "2048x1024", "seed": 5}, id="the end of a range"),
        pytest.param({"model": "sized", "size": "auto"}, id="a word among sizes"),
    ],
)
def test_what_the_model_can_do_fits(arguments: dict[str, Any]) -> None:
    assert find_misfits(MODELS, arguments) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            {"aspect_ratio": "21:9"},
            '`aspect_ratio` is "21:9", which m cannot do. Allowed with this model: 16:9, 1:1.',
            id="a value that it cannot do",
        ),
        pytest.param(
            {"model": "sized", "aspect_ratio": "1:1"},
            '`aspect_ratio` is "1:1", which sized cannot do. Allowed with this model: 16:9.',
            id="a value that another can do",
        ),
        pytest.param(
            {"model": "m-wide", "aspect_ratio": "1:1"},
            '`aspect_ratio` is "1:1", but m-wide is always 16:9: leave it out, or use m, which takes 16:9, 1:1.',
            id="a full id, and another shape",
        ),
        pytest.param(
            {"seed": 5},
            "`seed` is 5, but m makes no use of it: leave it out, or use sized. "
            "It takes `aspect_ratio` and `resolution`.",
            id="an argument of another model",
        ),
        pytest.param(
            {"model": "plain", "resolution": "2K"},
            '`resolution` is "2K", but plain makes no use of it: leave it out, or use m.',
            id="a model of which nothing is known",
        ),
        pytest.param(
            {"negative_prompt": "x" * 100},
            f"`negative_prompt` is {'x' * 60}, but m makes no use of it: leave it out. "
            "It takes `aspect_ratio` and `resolution`.",
            id="an argument of no model, long",
        ),
        pytest.param(
            {"model": "sized", "size": "4096x1024"},
            '`size` is "4096x1024", which sized cannot do. Allowed with this model: auto, 64x64 to 2048x1024.',
            id="beyond a range",
        ),
        pytest.param(
            {"model": "sized", "size": "big"},
            '`size` is "big", which sized cannot do. Allowed with this model: auto, 64x64 to 2048x1024.',
            id="no size",
        ),
        pytest.param(
            {"model": "sized", "size": "auto", "aspect_ratio": "16:9"},
            "`size` says what `aspect_ratio` would: leave one or the other out.",
            id="the shape twice",
        ),
        pytest.param(
            {"model": "sizd"}, '`model` is "sizd", which is not on offer. Allowed: m, sized, plain.', id="unknown model"
        ),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_told_with_what_would_be_right(arguments: dict[str, Any], said: str) -> None:
    """Ours: a service that ignores an argument draws something else, and the person pays for it."""
    assert find_misfits(MODELS, arguments) == [said]


def test_every_misfit_is_told_at_once() -> None:
    assert len(find_misfits(MODELS, {"aspect_ratio": "2:1", "resolution": "9K", "seed": 1})) == 3


@pytest.mark.parametrize(
    ("chosen", "words"),
    [("model-7", "The nearest are model-7"), ("zzz", "Some of them are model_0, model_1")],
)
def test_of_many_models_the_nearest_are_named(chosen: str, words: str) -> None:
    models = Models(listed=tuple(Model(id=f"model_{n}", upstream="u") for n in range(20)), default="model_0")
    [said] = find_misfits(models, {"model": chosen})
    assert words.replace("model-7", "model_7") in said
    assert said.endswith("the tool's schema lists all 20.")
