"""Arguments as models and hosts send them, read as what they say; everything else is left for the schema to refuse."""

from typing import Any

import pytest

from service.tools.base import load_schema
from service.tools.coercion import coerce, is_host_member
from tests.wire import WireClient

GENERATE, HISTORY = load_schema("generate"), load_schema("history")
MODELSCOPE, CACHE = load_schema("generate_image"), load_schema("cache")
A, B = "https://example.com/a.png", "https://example.com/b.png"


@pytest.mark.parametrize("value", [None, "", "  ", "null", "None", "undefined", [], {}, [""], [None]])
@pytest.mark.parametrize("name", ["model", "aspect_ratio", "image_url", "history_id", "use_upload", "seed"])
def test_an_argument_that_is_filled_in_with_nothing_is_left_out(name: str, value: Any) -> None:
    """Bug: mcp-use and crewai-tools send null for each argument that their model leaves out, and could draw nothing."""
    assert coerce(GENERATE, {"prompt": "a fox", name: value}) == {"prompt": "a fox"}


@pytest.mark.parametrize(
    ("schema", "name", "value"),
    [
        pytest.param(GENERATE, "history_id", 0, id="an id"),
        pytest.param(GENERATE, "history_id", -1, id="an id, as some programs write none"),
        pytest.param(GENERATE, "history_id", "0", id="an id as text"),
        pytest.param(GENERATE, "variation", 0, id="a variation"),
        pytest.param(GENERATE, "picture", 0, id="a picture"),
        pytest.param(GENERATE, "seed", -1, id="any seed"),
        pytest.param(HISTORY, "before", 0, id="a page"),
    ],
)
def test_a_number_that_stands_for_none_is_left_out(schema: dict[str, Any], name: str, value: Any) -> None:
    assert coerce(schema, {name: value}) == {}


@pytest.mark.parametrize(
    ("schema", "name", "value", "meant"),
    [
        pytest.param(GENERATE, "variation", "2", 2, id="a number"),
        pytest.param(GENERATE, "variation", " 2.0 ", 2, id="a number with a point"),
        pytest.param(GENERATE, "seed", "0", 0, id="a seed of 0"),
        pytest.param(MODELSCOPE, "guidance", "7.5", 7.5, id="a fraction"),
        pytest.param(HISTORY, "wait_seconds", 0, 0, id="no wait"),
        pytest.param(CACHE, "keep", "0", 0, id="nothing kept"),
        pytest.param(GENERATE, "use_upload", "true", True, id="a switch"),
        pytest.param(GENERATE, "use_upload", "False", False, id="a switch in Python's notation"),
        pytest.param(HISTORY, "state", "Done", "done", id="a choice in capitals"),
        pytest.param(GENERATE, "image_url", f'["{A}", "{B}"]', [A, B], id="a list"),
        pytest.param(GENERATE, "image_url", f"['{A}']", [A], id="a list in Python's notation"),
        pytest.param(GENERATE, "image_url", {"url": A}, A, id="an object as OpenAI's API has it"),
        pytest.param(GENERATE, "image_url", [{"url": A}, "", B], [A, B], id="a list of such"),
        pytest.param(GENERATE, "image_url", A, A, id="one URL"),
        pytest.param(GENERATE, "image_url", f'"{A}"', A, id="a URL in quotes"),
        pytest.param(GENERATE, "image_url", f"`{A}`", A, id="a URL as code"),
        pytest.param(GENERATE, "image_url", f'{{"url": "{A}"}}', A, id="an object as text"),
        pytest.param(GENERATE, "image_url", [{"type": "image_url", "image_url": {"url": A}}], [A], id="a part"),
        pytest.param(
            GENERATE,
            "image_url",
            "data:image/png;base64,AA==, data:image/png;base64,BB==",
            ["data:image/png;base64,AA==", "data:image/png;base64,BB=="],
            id="data URIs after one another",
        ),
        pytest.param(HISTORY, "history_id", "#7", 7, id="an id with its sign"),
        pytest.param(GENERATE, "mask", True, "paint", id="a mask that is a switch"),
        pytest.param(GENERATE, "mask", 12, "12", id="a mask that is a number"),
        pytest.param(GENERATE, "quality", " HIGH", "high", id="a quality in capitals"),
        pytest.param(GENERATE, "output_format", "image/png", "png", id="a media type"),
        pytest.param(GENERATE, "aspect_ratio", '"16:9"', "16:9", id="a shape in quotes"),
        pytest.param(GENERATE, "model", ' "gpt-image-2"', "gpt-image-2", id="a model in quotes"),
        pytest.param(GENERATE, "image_url", f"{A}, {B}", [A, B], id="URLs after one another"),
        pytest.param(GENERATE, "image_url", f"{A}\n{B}", [A, B], id="URLs on lines"),
        pytest.param(GENERATE, "image_url", f"{A},{B}", f"{A},{B}", id="a URL that holds another"),
        pytest.param(GENERATE, "image_url", f"![a fox]({A})", A, id="a markdown image"),
        pytest.param(GENERATE, "image_url", f"<{A}>", A, id="a URL in angle brackets"),
        pytest.param(GENERATE, "size", "1024*1536", "1024x1536", id="a size as DashScope writes it"),
        pytest.param(GENERATE, "size", "1024 × 1024", "1024x1024", id="a size with a sign"),
        pytest.param(GENERATE, "aspect_ratio", "16：9", "16:9", id="a ratio in Chinese"),
        pytest.param(GENERATE, "aspect_ratio", "16/9", "16:9", id="a ratio as a fraction"),
        pytest.param(GENERATE, "resolution", "2k", "2K", id="a resolution in small letters"),
        pytest.param(GENERATE, "output_format", "JPG", "jpeg", id="a format by its ending"),
        pytest.param(GENERATE, "use_upload", "on", True, id="a switch that is on"),
        pytest.param(GENERATE, "history_id", [5], 5, id="a list of one"),
        pytest.param(GENERATE, "prompt", ["a fox"], "a fox", id="a list of one text"),
        pytest.param(MODELSCOPE, "loras", '{"a/b": 0.6}', {"a/b": 0.6}, id="an object"),
        pytest.param(MODELSCOPE, "loras", {"a/b": "0.6", "c/d": None}, {"a/b": 0.6}, id="an object of texts"),
        pytest.param(GENERATE, "negative_prompt", "none", "none", id="a word of the person"),
        pytest.param(HISTORY, "query", "null", "null", id="a word to search for"),
    ],
)
def test_a_value_is_read_as_what_it_says(schema: dict[str, Any], name: str, value: Any, meant: Any) -> None:
    read = coerce(schema, {name: value})[name]
    assert (read, type(read)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("variation", "two", id="a word"),
        pytest.param("variation", "1e9", id="an exponent"),
        pytest.param("variation", 2.5, id="a fraction of a picture"),
        pytest.param("variation", True, id="a switch for a number"),
        pytest.param("history_id", 1e300, id="beyond all integers"),
        pytest.param("history_id", -2, id="a negative id"),
        pytest.param("history_id", [5, 6], id="two ids"),
        pytest.param("use_upload", "maybe", id="a word for a switch"),
        pytest.param("use_upload", 2, id="a number that is no switch"),
        pytest.param("prompt", 5, id="a number for words"),
        pytest.param("prompt", ["a fox", "a hen"], id="two prompts"),
        pytest.param("prompt", "", id="a blank prompt"),
        pytest.param("image_url", "[not a list", id="a broken list"),
        pytest.param("aspect", "16:9", id="a misspelt argument"),
    ],
)
def test_a_value_that_would_have_to_be_guessed_stays_for_the_schema_to_refuse(name: str, value: Any) -> None:
    """Ours: a guess could cost money."""
    assert coerce(GENERATE, {name: value}) == {name: value}


@pytest.mark.parametrize(
    "name",
    [
        "_meta",
        "__arg1",
        "$schema",
        "toolCallId",
        "tool_call_id",
        "sessionId",
        "session_id",
        "chatInput",
        "action",
        "random_string",
        "task_progress",
        "security_risk",
        "reasoning",
        "thought",
        "metadata",
        "requestId",
        "user_id",
    ],
)
def test_a_member_that_a_host_adds_stops_no_call(name: str) -> None:
    """Ours: n8n, Cline, Cursor, OpenHands and agent frameworks add members of their own to every call."""
    assert coerce(GENERATE, {"prompt": "a fox", name: "x"}) == {"prompt": "a fox"}


@pytest.mark.parametrize("wrapper", ["arguments", "kwargs", "input", "params"])
def test_arguments_inside_one_object_are_taken_out(wrapper: str) -> None:
    """Ours: agent frameworks hand a function's arguments on as one."""
    assert coerce(GENERATE, {wrapper: {"prompt": "a fox", "seed": None}}) == {"prompt": "a fox"}
    assert coerce(GENERATE, {"prompt": "a hen", "input": {"prompt": "a fox"}}) != {"prompt": "a fox"}


@pytest.mark.parametrize(
    "schema", [GENERATE, HISTORY, MODELSCOPE, CACHE], ids=["generate", "history", "image", "cache"]
)
def test_no_argument_of_ours_is_taken_for_a_host_member(schema: dict[str, Any]) -> None:
    assert [name for name in schema["properties"] if is_host_member(name)] in ([], ["action"])
    everything = dict.fromkeys(schema["properties"], "x")
    assert set(coerce(schema, everything)) == set(schema["properties"])


async def test_a_call_with_every_oddity_draws_what_it_says(client: WireClient) -> None:
    odd = {"prompt": "a fox", "model": None, "aspect_ratio": "", "history_id": 0, "use_upload": "false"}
    made = await client.call("generate", {**odd, "variation": "2", "toolCallId": "call_1"})
    assert "isError" not in made
    assert made["structuredContent"]["parameters"] == {"variation": 2}


@pytest.mark.parametrize("text", ["['" + "a" * 100_000 + "']", "<" + "a" * 100_000, "http://" + "a, " * 50_000 + "b"])
def test_a_huge_text_is_taken_apart_as_json_alone(text: str) -> None:
    """Attack: parsing anything else would hold the event loop."""
    assert coerce(GENERATE, {"image_url": text}) == {"image_url": text}


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_an_unknown_argument_that_is_filled_in_with_nothing_is_left_out(value: Any) -> None:
    """Bug: hosts fill all that a model might say with null; `width: null` stopped the call."""
    assert coerce(GENERATE, {"prompt": "a fox", "width": value}) == {"prompt": "a fox"}


def test_arguments_inside_one_text_of_json_are_taken_out() -> None:
    assert coerce(GENERATE, {"input": '{"prompt": "a fox"}'}) == {"prompt": "a fox"}


@pytest.mark.parametrize(("name", "value"), [("n", 2), ("count", "2"), ("num_images", 2.0)])
def test_the_number_of_pictures_has_other_names(name: str, value: object) -> None:
    """Ours: models copy `n` from the Images API."""
    assert coerce(GENERATE, {"prompt": "a fox", name: value}) == {"prompt": "a fox", "count": 2}
    assert coerce(GENERATE, {"prompt": "a fox", "count": 3, "n": 2}) == {"prompt": "a fox", "count": 3, "n": 2}
    assert coerce(HISTORY, {name: value}) == {name: value}


@pytest.mark.parametrize(("limit", "cut"), [(200, 50), ("1000", 50), (-5, 1), (1e300, 50), (50, 50), ("many", "many")])
def test_a_limit_is_cut_to_what_there_can_be(limit: Any, cut: Any) -> None:
    """Ours: the Flow2API MCP Server cut it, and models ask for 100 out of habit. The answer says how many follow."""
    assert coerce(load_schema("history"), {"limit": limit}) == {"limit": cut}
