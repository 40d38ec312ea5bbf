"""The table of what each model takes: the facts of the models file, and nothing that is not there."""

from service.image_models.abilities import row, table, table_text
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
