"""Words to a model about wrong arguments: which, why, and which are allowed."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.redaction import Redactor
from service.tools.arguments import (
    MEANT_BY,
    MOST_LEVELS,
    MOST_VALUES,
    SEVERAL,
    advice_for,
    find_excess,
    find_problems,
    find_unfit_texts,
)
from service.tools.base import load_schema

MANY = [f"model-{n}" for n in range(20)]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "maxLength": 10, "pattern": "\\S", "description": "What it shows."},
        "code": {"type": "string", "pattern": "^[A-Z]+$"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 50},
        "either": {"type": ["integer", "null"]},
        "action": {"enum": ["status", "clear"]},
        "model": {"enum": MANY},
        "size": {"pattern": "^[0-9]+x[0-9]+$", "description": "Width and height, such as 8x6."},
        "odd": {"multipleOf": 2},
    },
    "required": ["prompt"],
    "additionalProperties": False,
}


def problems(**arguments: Any) -> list[str]:
    return find_problems(Draft202012Validator(SCHEMA), {"prompt": "x", **arguments})


def test_arguments_that_fit_have_no_problem() -> None:
    assert problems(limit=5, either=None, action="clear") == []


def test_a_missing_argument_is_described() -> None:
    assert find_problems(Draft202012Validator(SCHEMA), {}) == ["`prompt` is missing. What it shows."]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"limit": "ten"}, '`limit` is "ten"; it must be of type integer.', id="type"),
        pytest.param({"limit": True}, "`limit` is true; it must be of type integer.", id="boolean for a number"),
        pytest.param({"either": "x"}, '`either` is "x"; it must be of type integer or null.', id="one of two types"),
        pytest.param({"limit": 0}, "`limit` is 0; it must be at least 1.", id="too small"),
        pytest.param({"limit": 99}, "`limit` is 99; it must be at most 50.", id="too large"),
        pytest.param({"prompt": "x" * 11}, "`prompt` has 11 characters; at most 10 are taken.", id="too long"),
        pytest.param({"prompt": " "}, "`prompt` is blank. What it shows.", id="blank"),
        pytest.param({"prompt": ""}, "`prompt` is blank. What it shows.", id="empty"),
        pytest.param(
            {"code": "abc"}, '`code` is "abc", which is not of its form. It must match the pattern ^[A-Z]+$.',
            id="pattern",
        ),
        pytest.param(
            {"size": "big"}, '`size` is "big", which is not of its form. Width and height, such as 8x6.',
            id="pattern in words",
        ),
        pytest.param(
            {"action": "stat"}, '`action` is "stat", which is none of the allowed values. Allowed: status, clear.',
            id="few choices",
        ),
        pytest.param(
            {"model": "modal-7"},
            '`model` is "modal-7", which is none of the allowed values. '
            "The nearest are model-7, model-17, model-9, model-8; the tool's schema lists all 20.",
            id="many choices",
        ),
        pytest.param(
            {"model": "zzz"},
            '`model` is "zzz", which is none of the allowed values. '
            "Some of them are model-0, model-1, model-2, model-3; the tool's schema lists all 20.",
            id="many choices, none near",
        ),
        pytest.param(
            {"promt": "x"},
            "`promt` is not an argument of this tool; it takes `prompt`, `code`, `limit`, `either`, `action`, `model`, "
            "`size`, `odd`. Did you mean `prompt`?",
            id="unknown argument",
        ),
        pytest.param({"odd": 3}, "`odd` is not allowed: 3 is not a multiple of 2.", id="any other rule"),
    ],
)  # fmt: skip
def test_a_problem_names_the_argument_and_what_is_allowed(arguments: dict[str, Any], said: str) -> None:
    assert problems(**arguments) == [said]


def test_only_what_the_caller_was_shown_is_named_as_an_argument() -> None:
    """Ours: what no model on offer makes use of is taken, and told to be left out; nobody is pointed to it."""
    offered = {"prompt": SCHEMA["properties"]["prompt"]}
    assert find_problems(Draft202012Validator(SCHEMA), {"prompt": "x", "zzzzzz": 1}, offered) == [
        "`zzzzzz` is not an argument of this tool; it takes `prompt`."
    ]


def test_an_argument_like_none_of_ours_gets_no_guess() -> None:
    assert "Did you mean" not in problems(zzzzzz=1)[0]


def test_a_long_value_is_cut() -> None:
    """Ours: a data URI in the wrong place must not fill the model's context."""
    assert len(problems(limit="x" * 100_000)[0]) < 150


def test_at_most_five_problems_are_told() -> None:
    assert len(problems(**{f"a{n}": n for n in range(9)})) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({f"a{n}": n for n in range(MOST_VALUES)}, [], id="as many names as are taken"),
        pytest.param({f"a{n}": n for n in range(MOST_VALUES + 1)}, ["more than 500 values"], id="one name more"),
        pytest.param({"image_url": [[0] * 300, [0] * 300]}, ["more than 500 values"], id="many items in several lists"),
        pytest.param({"loras": {f"a{n}": 1 for n in range(600)}}, ["more than 500 values"], id="many members"),
        pytest.param({"prompt": "x" * 100_000}, [], id="a long text is one value"),
        pytest.param(None, [], id="no arguments"),
    ],
)
def test_no_more_values_are_read_than_a_call_may_have(arguments: object, said: list[str]) -> None:
    """Attack: a call of 200,000 unknown names held the event loop for six seconds, looking for the nearest of each."""
    found = find_excess(arguments)
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))


def test_arguments_that_are_nested_too_deeply_are_refused() -> None:
    """Attack: reading them takes one call of Python for each level, and Python stops at a thousand."""
    value: object = "a fox"
    for _ in range(MOST_LEVELS - 2):
        value = [value]
    assert find_excess({"prompt": value}) == []
    assert "nested more than" in find_excess({"prompt": [value]})[0]


KEY = "sk-the-key-of-an-upstream-01"


@pytest.mark.parametrize(
    "arguments",
    [{"prompt": "a\0fox"}, {"loras": {"a\0": 1}}, {"image_url": ["x", ["\0"]]}],
    ids=["a text", "a name", "a list"],
)
def test_nul_is_refused_by_the_name_of_its_argument(arguments: dict[str, Any]) -> None:
    """Ours: SQLite and C end a text there: the checked text would not be the one that is used."""
    [name] = arguments
    [problem] = find_unfit_texts({"count": 1, **arguments}, Redactor())
    assert problem == f"`{name}` holds a NUL character (U+0000), which no text has; leave it out."


@pytest.mark.parametrize("text", [KEY, f"draw {KEY}", "c2stdGhlLWtleS1vZi1hbi11cHN0cmVhbS0wMQ=="])
def test_a_secret_of_the_server_is_refused_and_not_repeated(text: str) -> None:
    """Ours: it would go to an image service within a prompt, and stay in the history."""
    [problem] = find_unfit_texts({"prompt": text}, Redactor([KEY]))
    assert problem == "`prompt` holds a key or a token of this server; take it out, and keep it secret."
    [named] = find_unfit_texts({KEY: 1}, Redactor([KEY]))
    assert KEY not in named


def test_a_text_that_is_fit_has_no_problem() -> None:
    assert find_unfit_texts({"prompt": "a fox\n❤️", "count": 2, "list": [None, 1.5, True]}, Redactor([KEY])) == []


def test_a_name_that_is_like_none_is_not_taken_for_another() -> None:
    """Ours: `wait` is no slip of `quality`, and a wrong hint costs a call."""
    schema = {"type": "object", "properties": {"quality": {}, "prompt": {}}, "additionalProperties": False}
    validator = Draft202012Validator(schema)
    [slip], [other] = find_problems(validator, {"promt": "x"}), find_problems(validator, {"wait": 3})
    assert "Did you mean `prompt`?" in slip
    assert "Did you mean" not in other


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
