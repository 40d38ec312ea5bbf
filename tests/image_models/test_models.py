"""The list of models: every known form, what each can do, and what is offered of it."""

import json
from typing import Any

import pytest

from service.image_models.models import Model, Models, ModelsError, read_list, read_models
from service.upstreams.modelscope import needs_picture
from tests.paths import RECORDINGS, ROOT

SHIPPED = ROOT / "service" / "models.json"
SHAPES = {"16:9": "-wide", "1:1": "-square"}


def read(listed: Any, upstreams: set[str] | None = None) -> Models:
    return read_models(json.dumps(listed).encode(), upstreams or {"flow2api"})


def one(**said: Any) -> Model:
    return read({"models": [{"id": "m", **said}]}).by_id["m"]


def test_a_plain_list_of_ids_is_of_flow2api() -> None:
    """Ours: the list that users of the Flow2API MCP server have goes on working."""
    models = read({"models": ["a", " b "], "default_model": "b", "selection_guide_lines": ["one", "", "two"]})
    assert (models.ids, models.default, models.guide) == (["a", "b"], "b", "one\ntwo")
    assert models.upstream_of == {"a": "flow2api", "b": "flow2api"}
    assert not models.by_id["a"].choices


def test_a_model_may_name_its_upstream() -> None:
    listed = {"models": ["a", {"id": "q", "upstream": "other"}, {"id": "p"}], "selection_guide": " guide "}
    assert read(listed, {"other", "flow2api"}).upstream_of == {"a": "flow2api", "q": "other", "p": "flow2api"}
    assert read(listed).guide == "guide"


def test_only_models_whose_upstream_is_on_are_offered() -> None:
    models = read({"models": ["a", {"id": "q", "upstream": "other"}], "default_model": "a"}, {"other"})
    assert (models.ids, models.default) == (["q"], "q")


def test_a_model_says_what_it_can_do() -> None:
    model = one(
        aspect_ratios=["16:9"], resolutions=["1K", "2K"], sizes=["auto", "64x64..2048x2048"], takes=["seed"],
        references=3, about=" quick ",
    )  # fmt: skip
    assert model.choices == {
        "aspect_ratio": ("16:9",),
        "resolution": ("1K", "2K"),
        "size": ("auto", "64x64..2048x2048"),
    }
    assert (set(model.takes), model.references, model.about) == ({"seed"}, 3, "quick")
    assert [name for name in ("seed", "size", "negative_prompt", "quality") if model.accepts(name)] == ["seed", "size"]


def test_a_model_says_how_many_pictures_it_draws_and_what_it_starts_from() -> None:
    """Ours: one table says it, to the schema and to the checks."""
    model = one(
        count=6, native_count=4, mask="marked", upscale=["2K", "4K"], reference_types=["image/png"],
        reference_bytes=4_000_000, reference_pixels=1024 * 1024,
    )  # fmt: skip
    assert (model.most_pictures, model.native_count, model.mask, model.upscale) == (6, 4, "marked", ("2K", "4K"))
    assert (model.reference_types, model.reference_bytes, model.reference_pixels) == (("image/png",), 4_000_000, 2**20)
    plain = one()
    assert (plain.most_pictures, plain.native_count, plain.mask, plain.upscale) == (8, 1, "", ())
    assert (plain.reference_types, plain.reference_bytes, plain.reference_pixels) == ((), 0, 0)


def test_variants_have_the_numbers_of_their_model() -> None:
    model = read({"models": [{"id": "m", "aspect_ratios": SHAPES, "count": 4, "native_count": 2, "mask": "marked"}]})
    variant = model.by_id["m-wide"]
    assert (variant.most_pictures, variant.native_count, variant.mask) == (4, 2, "marked")


def test_a_family_says_it_for_its_models_and_each_may_say_otherwise() -> None:
    models = read(
        {
            "families": {"f": {"upstream": "flow2api", "aspect_ratios": ["1:1"], "references": 2, "price": 0.04}},
            "models": [{"id": "a", "family": "f"}, {"id": "b", "family": "f", "aspect_ratios": ["4:3"], "price": 1}],
        }
    )
    assert [models.by_id[id_].choices["aspect_ratio"] for id_ in "ab"] == [("1:1",), ("4:3",)]
    assert [models.by_id[id_].references for id_ in "ab"] == [2, 2]
    assert [models.by_id[id_].price_of({}).picture for id_ in "ab"] == [0.04, 1]


def test_ids_with_endings_are_taken_and_not_listed() -> None:
    """Ours: who knows the full id may use it, and a model that chooses is not shown a wall of them."""
    models = read({"models": [{"id": "m", "aspect_ratios": SHAPES, "resolutions": {"1K": "", "2K": "-2k"}}]})
    assert models.ids == ["m"]
    assert sorted(models.by_id) == ["m", "m-square", "m-square-2k", "m-wide", "m-wide-2k"]
    variant = models.by_id["m-wide-2k"]
    assert (variant.choices, variant.variant_of) == ({"aspect_ratio": ("16:9",), "resolution": ("2K",)}, "m")


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        pytest.param({"aspect_ratios": SHAPES}, ["m", "m-square", "m-wide"], id="shapes alone"),
        pytest.param({"aspect_ratios": SHAPES, "resolutions": ["1K"]}, ["m"], id="resolutions without endings"),
        pytest.param({"aspect_ratios": ["1:1"], "resolutions": {"1K": ""}}, ["m"], id="shapes without endings"),
        pytest.param({"resolutions": {"1K": "", "2K": "-2k"}}, ["m"], id="resolutions alone"),
    ],
)
def test_endings_make_ids_only_where_the_whole_id_follows(said: dict[str, Any], ids: list[str]) -> None:
    assert sorted(read({"models": [{"id": "m", **said}]}).by_id) == ids


def test_an_id_that_is_listed_plainly_still_can_what_its_ending_says() -> None:
    """Ours: an old list of full ids, to which somebody added a family."""
    models = read({"models": ["m-wide", {"id": "m", "aspect_ratios": SHAPES}]})
    assert models.ids == ["m-wide", "m"]
    assert models.by_id["m-wide"].choices == {"aspect_ratio": ("16:9",)}


def test_a_default_that_is_not_listed_is_shown_all_the_same() -> None:
    """Ours: a schema whose default is none of its values is refused by strict clients."""
    models = read({"models": [{"id": "m", "aspect_ratios": SHAPES}], "default_model": "m-square"})
    assert (models.default, models.ids) == ("m-square", ["m", "m-square"])


def test_the_whole_list_is_read_whoever_draws_it() -> None:
    """Ours: the command that compares lists must be able to fill an empty one."""
    text = b'{"models": [{"id": "q", "upstream": "nobody"}], "default_model": "gone"}'
    assert (read_list(text).ids, read_list(text).default) == (["q", "gone"], "gone")
    assert read_list(b'{"models": []}').ids == []


@pytest.mark.parametrize(
    ("listed", "word"),
    [
        pytest.param([], "object", id="a list"),
        pytest.param({"models": {}}, "list", id="models is no list"),
        pytest.param({"models": [5]}, "5", id="a number as model"),
        pytest.param({"models": [{"upstream": "flow2api"}]}, "upstream", id="a model without an id"),
        pytest.param({"models": [" "]}, "models", id="a blank id"),
        pytest.param({"models": []}, "none", id="no models"),
        pytest.param({"models": ["a"], "families": []}, "families", id="families is a list"),
        pytest.param({"models": [{"id": "a", "family": "f"}]}, "'a' is of the family 'f'", id="no such family"),
        pytest.param({"models": [{"id": "a", "family": 5}]}, "family '5'", id="family is a number"),
        pytest.param({"models": [{"id": "a", "upstream": 5}]}, '"upstream"', id="upstream is a number"),
        pytest.param({"models": [{"id": "a", "aspect_ratios": "1:1"}]}, "aspect_ratios", id="a value for a list"),
        pytest.param({"models": [{"id": "a", "aspect_ratios": ["wide"]}]}, "'wide'", id="a ratio in words"),
        pytest.param({"models": [{"id": "a", "sizes": ["1K"]}]}, "'1K'", id="a size that is a resolution"),
        pytest.param({"models": [{"id": "a", "resolutions": {"1K": 5}}]}, "resolutions", id="an ending is a number"),
        pytest.param({"models": [{"id": "a", "takes": ["sed"]}]}, "takes", id="an argument that there is not"),
        pytest.param({"models": [{"id": "a", "references": True}]}, "references", id="references is a boolean"),
        pytest.param({"models": [{"id": "a", "references": -1}]}, "references", id="fewer than no references"),
        pytest.param({"models": [{"id": "a", "count": 9}]}, '"count" of a .* from 1 to 8', id="more than 8 pictures"),
        pytest.param({"models": [{"id": "a", "count": 0}]}, '"count" of a', id="no picture"),
        pytest.param({"models": [{"id": "a", "native_count": True}]}, '"native_count" of a', id="count is a boolean"),
        pytest.param({"models": [{"id": "a", "mask": "soft"}]}, "alpha or marked", id="a mask of another kind"),
        pytest.param({"models": [{"id": "a", "mask": []}]}, "alpha or marked", id="mask is a list"),
        pytest.param({"models": [{"id": "a", "upscale": "4K"}]}, '"upscale" of a', id="a resolution for a list"),
        pytest.param({"models": [{"id": "a", "upscale": ["big"]}]}, '"upscale" of a', id="a resolution in words"),
        pytest.param({"models": [{"id": "a", "reference_types": ["png"]}]}, "image/png", id="an extension for a type"),
        pytest.param(
            {"models": [{"id": "a", "reference_bytes": "4 MB"}]}, '"reference_bytes" of a', id="bytes in words"
        ),
        pytest.param({"models": [{"id": "a", "reference_pixels": -1}]}, '"reference_pixels"', id="less than no pixels"),
        pytest.param({"models": [{"id": "a", "price": "0.04"}]}, '"price" of a', id="price is a text"),
        pytest.param({"models": [{"id": "a", "price": -1}]}, '"price" of a', id="less than no price"),
        pytest.param({"models": [{"id": "a", "price": True}]}, '"price" of a', id="price is a boolean"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(listed: Any, word: str) -> None:
    with pytest.raises(ModelsError, match=word):
        read(listed)


def test_a_byte_order_mark_is_no_part_of_the_list() -> None:
    """Ours: Notepad and PowerShell begin a file with one."""
    assert read_list(b'\xef\xbb\xbf{"models": ["a"]}') == read_list(b'{"models": ["a"]}')


def test_what_is_no_json_says_so() -> None:
    with pytest.raises(ModelsError, match="not JSON"):
        read_models(b"{", {"flow2api"})


def test_the_shipped_list_takes_every_image_model_of_a_flow2api_server() -> None:
    """Ours: the ids of a recorded server, and its three generic names, which are all that is listed."""
    folder = RECORDINGS / "flow2api"
    recorded = [
        [model["id"] for model in json.loads((folder / file).read_text())["data"] if is_image(model)]
        for file in ("models.body", "aliases.body")
    ]
    shipped = read_models(SHIPPED.read_bytes(), {"flow2api"})
    assert sorted(shipped.by_id) == sorted(recorded[0] + recorded[1])
    assert sorted(shipped.ids) == sorted(recorded[1])
    assert shipped.default in recorded[1]
    assert shipped.guide


def is_image(model: dict[str, str]) -> bool:
    return model["description"].startswith("Image generation")


@pytest.mark.parametrize("upstream", ["flow2api", "modelscope", "openai"])
def test_the_shipped_list_has_models_of_every_upstream(upstream: str) -> None:
    """Ours: whoever sets one key and nothing else has a service that starts."""
    models = read_models(SHIPPED.read_bytes(), {upstream})
    assert all(model.about and model.choices for model in models.listed)


@pytest.mark.parametrize("upstream", ["flow2api", "modelscope", "openai"])
def test_the_shipped_list_has_a_model_that_starts_from_several_pictures(upstream: str) -> None:
    """Ours: with whichever service is on, a person can go on from a picture."""
    models = read_models(SHIPPED.read_bytes(), {upstream})
    assert max(model.references or 0 for model in models.listed) >= 3


def test_models_that_only_change_pictures_take_some_and_are_no_default() -> None:
    """Ours: where only ModelScope is on, a prompt alone draws all the same."""
    models = read_models(SHIPPED.read_bytes(), {"modelscope"})
    changing = [model for model in models.listed if needs_picture(model.id)]
    assert [model.references for model in changing] == [3, 1]
    assert not needs_picture(models.default)
