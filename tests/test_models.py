"""The list of models: both known forms, and what is offered of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.models import Models, ModelsError, read_models

SHIPPED = Path(__file__).parent.parent / "service" / "models.json"


def read(listed: Any, upstreams: set[str] | None = None) -> Models:
    return read_models(json.dumps(listed).encode(), upstreams or {"flow2api"})


def test_a_plain_list_of_ids_is_of_flow2api() -> None:
    """Ours: the list that users of the Flow2API MCP server have goes on working."""
    models = read({"models": ["a", " b "], "default_model": "b", "selection_guide_lines": ["one", "", "two"]})
    assert models == Models(upstream_of={"a": "flow2api", "b": "flow2api"}, default="b", guide="one\ntwo")


def test_a_model_may_name_its_upstream() -> None:
    listed = {"models": ["a", {"id": "q", "upstream": "other"}, {"id": "p"}], "selection_guide": " guide "}
    assert read(listed, {"other", "flow2api"}).upstream_of == {"a": "flow2api", "q": "other", "p": "flow2api"}
    assert read(listed).guide == "guide"


def test_only_models_whose_upstream_is_on_are_offered() -> None:
    models = read({"models": ["a", {"id": "q", "upstream": "other"}], "default_model": "a"}, {"other"})
    assert models == Models(upstream_of={"q": "other"}, default="q", guide="")


@pytest.mark.parametrize(
    ("listed", "word"),
    [
        pytest.param([], "object", id="a list"),
        pytest.param({"models": {}}, "list", id="models is no list"),
        pytest.param({"models": [5]}, "5", id="a number as model"),
        pytest.param({"models": [{"upstream": "flow2api"}]}, "upstream", id="a model without an id"),
        pytest.param({"models": [" "]}, "models", id="a blank id"),
        pytest.param({"models": []}, "none", id="no models"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(listed: Any, word: str) -> None:
    with pytest.raises(ModelsError, match=word):
        read(listed)


def test_what_is_no_json_says_so() -> None:
    with pytest.raises(ModelsError, match="not JSON"):
        read_models(b"{", {"flow2api"})


def test_the_shipped_list_offers_every_image_model_of_a_flow2api_server() -> None:
    """Ours: the ids of a recorded server, and its three generic names."""
    folder = Path(__file__).parent / "recordings" / "flow2api"
    recorded = [
        model["id"]
        for file in ("models.body", "aliases.body")
        for model in json.loads((folder / file).read_text())["data"]
        if model["description"].startswith("Image generation")
    ]
    shipped = read_models(SHIPPED.read_bytes(), {"flow2api"})
    assert sorted(shipped.upstream_of) == sorted(recorded)
    assert shipped.default in recorded
    assert shipped.guide
