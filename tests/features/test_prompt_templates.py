"""The words of the prompts: which lines stand, what is filled in, and that the file says what it must."""

import re

import pytest

from service.features.prompt_templates import Facts, Line, PromptTemplates, written
from service.upstreams.kinds import Kind

TEMPLATES = PromptTemplates.read()


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        pytest.param({}, "always\nno b", id="nothing is known"),
        pytest.param({"a": ""}, "always\na\nno b\na alone", id="a is"),
        pytest.param({"b": ""}, "always", id="b is"),
        pytest.param({"a": "", "b": ""}, "always\na", id="both are"),
    ],
)
def test_a_line_stands_when_its_fact_is_known_and_unless_another_is(facts: Facts, text: str) -> None:
    lines: list[Line] = [
        "always",
        {"when": "a", "text": "a"},
        {"unless": "b", "text": "no b"},
        {"when": "a", "unless": "b", "text": "a alone"},
    ]
    assert written(lines, facts) == text


def test_no_gap_is_left_by_lines_that_do_not_stand() -> None:
    gone: Line = {"when": "x", "text": "x"}
    assert written(["", gone, "a", "", gone, "", "b"], {}) == "a\n\nb"


def test_what_a_person_typed_is_put_in_once_as_it_is() -> None:
    """Ours: it is no line of ours, whatever it looks like."""
    assert written(["They want: $request"], {"request": "$secret ${secret} $$\n\n\nfox", "secret": "no"}) == (
        "They want: $secret ${secret} $$\n\n\nfox"
    )


def test_there_is_advice_for_every_failure_that_the_history_keeps() -> None:
    """Ours: the kinds of image services, and those that the pipeline and the store give."""
    ours = {"timeout", "interrupted", "cancelled", "bad_picture", "storage", "internal"}
    assert not {*Kind, *ours} - set(TEMPLATES.advice)


def test_the_advice_is_a_list_that_names_each_kind_once() -> None:
    kinds = [kind for line in TEMPLATES.all_advice.splitlines() for kind in line[2:].partition(":")[0].split(", ")]
    assert kinds == list(TEMPLATES.advice)
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("name", TEMPLATES.texts)
def test_a_prompt_has_a_title_a_description_and_a_text_that_says_which_language_to_answer_in(name: str) -> None:
    listing, text = TEMPLATES.listings[name], TEMPLATES.texts[name]
    assert (listing["name"], "text" in listing) == (name, False)
    assert listing["title"]
    assert listing["description"].endswith(".")
    assert all(each["name"] and each["title"] and each["description"] for each in listing["arguments"])
    assert "language" in str(text[0])


@pytest.mark.parametrize("name", TEMPLATES.texts)
def test_a_line_that_shows_an_argument_stands_only_when_it_was_given(name: str) -> None:
    """Ours: else the text could not be written for a caller who left it out."""
    required = {each["name"] for each in TEMPLATES.listings[name]["arguments"] if each.get("required")}
    optional = {each["name"] for each in TEMPLATES.listings[name]["arguments"]} - required
    for line in TEMPLATES.texts[name]:
        words, condition = (line, "") if isinstance(line, str) else (line["text"], line.get("when", ""))
        shown = set(re.findall(r"\$([a-z_]+)", words)) & optional
        assert not shown - {condition} or condition.startswith(("earlier_", "failure_")), words
