"""The table of what each model takes: the facts of the models file, and nothing that is not there."""

import pytest

from service.image_models.abilities import names, row, table, table_text
from service.image_models.models import Model, read_models
from service.image_models.prices import Case, PriceList
from tests.paths import ROOT

RICH = Model(
    id="org/rich",
    upstream="kiln",
    about="everything",
    choices={"aspect_ratio": ("1:1", "16:9"), "size": ("64x64..2048x2048",)},
    takes=frozenset({"seed"}),
    references=3,
    reference_types=("image/png",),
    reference_bytes=4_000_000,
    reference_pixels=1_048_576,
    most_pictures=4,
    mask="alpha",
    upscale=("2K", "4K"),
    prices=PriceList(cases=(Case(cost=0.04, values={}),)),
)
PLAIN = Model(id="plain", upstream="kiln", references=0, most_pictures=1)


def test_a_row_has_what_the_model_can_do() -> None:
    assert row(RICH, is_default=True) == {
        "id": "org/rich",
        "service": "kiln",
        "default": True,
        "about": "everything",
        "count": 4,
        "references": {"most": 3, "types": ["image/png"], "bytes": 4_000_000, "pixels": 1_048_576},
        "mask": "alpha",
        "aspect_ratio": ["1:1", "16:9"],
        "size": ["64x64..2048x2048"],
        "takes": ["seed"],
        "upscale": ["2K", "4K"],
        "price": "about 0.04 USD a picture",
    }
    assert row(PLAIN) == {"id": "plain", "service": "kiln", "count": 1, "references": {"most": 0}}


def test_the_table_is_read_by_people_too() -> None:
    models = read_models((ROOT / "service" / "models.json").read_bytes(), {"openai", "flow2api"})
    lines = table_text(models).splitlines()
    assert len(lines) == len(table(models)) == len(models.listed)
    [default] = [line for line in lines if "the default" in line]
    assert default.startswith(f"{models.default} (flow2api): the default; up to 8 pictures in one call; up to ")
    [openai] = [line for line in lines if line.startswith("gpt-image-2 ")]
    assert "mask as a mask" in openai
    assert "up to 16 reference pictures (PNG, JPEG, WebP, up to 50 MB each)" in openai


@pytest.mark.parametrize(
    ("some", "others", "named"),
    [
        pytest.param(
            ["gpt-image-2", "gpt-image-2.6-a"], ["gpt-image-1"], ["gpt-image-2*"], id="a beginning of their own"
        ),
        pytest.param(["gpt-image-1", "gpt-image-2"], ["gemini-3"], ["gpt*"], id="the shortest that is their own"),
        pytest.param(["flux-1", "qwen-a", "flux-2"], ["qwen-b"], ["flux*", "qwen-a"], id="some, and one beside them"),
        pytest.param(["m-2"], ["m-1"], ["m-2"], id="one alone"),
        pytest.param(["m", "m-2"], ["m-1"], ["m", "m-2"], id="a beginning that another has too"),
        pytest.param(["a/near", "b/far"], ["c/far"], ["near", "b/far"], id="by organisation where that tells them"),
    ],
)
def test_models_that_begin_alike_are_named_together(some: list[str], others: list[str], named: list[str]) -> None:
    """Ours: the list of tools is paid for with every message, and no other model may be meant."""
    models = [Model(id=id_, upstream="u") for id_ in (*some, *others)]
    assert names(models[: len(some)], models) == named
