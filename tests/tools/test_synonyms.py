"""The advice for an argument that a tool has by another name."""

import pytest

from service.tools.base import load_schema
from service.tools.synonyms import MEANT_BY, SEVERAL, advice_for

TOOLS = {name: list(load_schema(name)["properties"]) for name in ("generate", "history", "cache", "generate_image")}


@pytest.mark.parametrize(
    ("tool", "name", "meant"),
    [
        ("history", "keyword", "`query`"),
        ("history", "search", "`query`"),
        ("history", "text", "`query`"),
        ("history", "n", "`limit`"),
        ("history", "count", "`limit`"),
        ("history", "id", "`history_id`"),
        ("history", "page", "`before`"),
        ("history", "status", "`state`"),
        ("history", "timeout", "`wait_seconds`"),
        ("generate", "local_file", "`use_latest_user_image` or `use_upload`"),
        ("generate", "filePath", "`use_latest_user_image` or `use_upload`"),
        ("generate", "image", "`image_url`"),
        ("generate", "images_url", ""),
        ("generate", "reference_images", "`image_url`"),
        ("generate", "aspectRatio", "`aspect_ratio`"),
        ("generate", "aspect-ratio", "`aspect_ratio`"),
        ("generate", "ratio", "`aspect_ratio`"),
        ("generate", "width", "`size` or `aspect_ratio`"),
        ("generate", "description", "`prompt`"),
        ("generate", "style", "`prompt`"),
        ("generate", "historyId", "`history_id`"),
        ("generate", "image_id", "`history_id`"),
        ("generate_image", "cfg_scale", "`guidance`"),
        ("generate_image", "num_inference_steps", "`steps`"),
        ("cache", "count", "`keep`"),
        ("cache", "mode", "`action`"),
    ],
)
def test_the_argument_that_is_meant_is_named(tool: str, name: str, meant: str) -> None:
    """Bug: `keyword` looked like `before` to a comparison of letters."""
    assert advice_for(name, TOOLS[tool]) == (f" Did you mean {meant}?" if meant else "")


@pytest.mark.parametrize("name", ["delete", "remove", "deleteId"])
def test_history_names_the_tool_that_deletes(name: str) -> None:
    assert advice_for(name, TOOLS["history"]) == " To delete one, call the tool `delete` with its history_id."


@pytest.mark.parametrize("name", ["n", "count", "num_images", "numberOfImages", "batch_size", "samples"])
def test_several_pictures_are_several_calls(name: str) -> None:
    """Ours: a model that asks for four would else try each spelling of `count`."""
    assert advice_for(name, TOOLS["generate"]) == f" {SEVERAL}"


def test_an_argument_that_is_not_offered_is_not_advised() -> None:
    assert advice_for("local_file", ["prompt", "use_upload"]) == " Did you mean `use_upload`?"
    assert advice_for("local_file", ["prompt"]) == ""


def test_the_table_names_arguments_that_there_are_and_words_as_they_are_compared() -> None:
    known = {argument for arguments in TOOLS.values() for argument in arguments}
    assert set(MEANT_BY) <= known
    words = [word for names in MEANT_BY.values() for word in names.split()]
    assert all(word.isalnum() and word == word.lower() for word in words)
