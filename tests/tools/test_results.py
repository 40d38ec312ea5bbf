"""A job in words: what every client passes on, and what programs read."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.images import Failure, Job, JobState, Parent
from service.pipeline.generation import Outcome
from service.profiles import Profile
from service.redaction import visible_in
from service.tools.base import load_schema
from service.tools.history_text import entry_text
from service.tools.results import ALT_LENGTH, alt_text, cut, describe, escape_markdown, job_result, structure
from tests.profiles.golden import CASES, FIRST, SECOND, job
from tests.tools.hostile_text import HOSTILE

EVERYTHING = Profile(name="everything")
"""A client that takes all that the specification has but links."""


URL = "https://e.example/mcp-cache/"
PICTURE = replace(FIRST, note="1K")
DONE = job(pictures=(PICTURE,))
WORKING = job(JobState.WORKING)
FAILED = job(JobState.FAILED, failure=Failure(kind="policy", reason="Refused. Ask otherwise."))
GONE = job(pictures=(replace(PICTURE, kept=False),))
HALF = job(pictures=(replace(FIRST, kept=False), SECOND))
TWO = CASES["two pictures"].job
OUTPUT = Draft202012Validator(load_schema("generate.output"))


def blocks(result: dict[str, Any]) -> list[str]:
    return [block["type"] for block in result["content"]]


def test_a_done_job_shows_its_picture_in_markdown_with_an_absolute_url() -> None:
    """Ours: the one channel that every client passes on."""
    text = describe(DONE, URL)
    assert text.startswith(f"![a red fox]({URL}{PICTURE.name})\n")
    assert f"\nURL: {URL}{PICTURE.name}\n" in text
    assert "history_id: 12 · model: pencil-1 · 1024×768 PNG, 312 kB" in text
    assert "Note: 1K" in text
    assert "repeat its markdown line" in text


def test_of_several_pictures_each_has_its_number_and_none_runs_into_the_next() -> None:
    """Ours: `picture` says from which to go on. Markdown ends a paragraph at an empty line."""
    first, blank, second = describe(TWO, URL).partition("\n\n![a red fox]")
    assert blank
    assert f"{URL}{FIRST.name}" in first
    assert "history_id: 12 · picture 1 of 2" in first
    assert f"{URL}{SECOND.name}" in second
    assert "history_id: 12 · picture 2 of 2" in second
    assert "repeat their markdown lines" in second


def test_the_text_says_what_a_picture_was_made_from() -> None:
    assert "\nFrom: history_id 3, picture 1; cat.png of the image folder\n" in describe(TWO, URL)
    many = job(parameters={"references": [f"example{number}.com" for number in range(14)]})
    assert "example9.com; and 4 more" in describe(many, URL)


def test_a_result_has_text_first_then_the_preview_then_links() -> None:
    profile = replace(EVERYTHING, links=True)
    result = job_result(Outcome(job=TWO, preview=b"jpeg"), profile, URL)
    assert blocks(result) == ["text", "image", "resource_link", "resource_link"]
    assert base64.b64decode(result["content"][1]["data"]) == b"jpeg"
    assert result["content"][3] == {
        "type": "resource_link",
        "uri": URL + SECOND.name,
        "name": SECOND.name,
        "mimeType": "image/jpeg",
        "size": 98_400,
    }
    assert result["_meta"] == {"easel/history_id": 12}
    assert "isError" not in result


@pytest.mark.parametrize(
    ("preview", "allowed", "shown"),
    [
        pytest.param(b"12345", 5, True, id="fits"),
        pytest.param(b"123456", 5, False, id="too large"),
        pytest.param(b"12345", 0, False, id="none wanted"),
        pytest.param(b"", 0, False, id="nothing there, none wanted"),
        pytest.param(None, 5, False, id="nothing there"),
    ],
)
def test_a_preview_is_shown_where_it_fits(preview: bytes | None, allowed: int, shown: bool) -> None:
    """Ours: no image at all where a model would choke on one."""
    result = job_result(Outcome(job=DONE, preview=preview), replace(EVERYTHING, preview_bytes=allowed), URL)
    assert ("image" in blocks(result)) is shown


def test_a_client_that_takes_no_structured_content_still_learns_the_number() -> None:
    result = job_result(Outcome(job=DONE), replace(EVERYTHING, structured=False), URL)
    assert "structuredContent" not in result
    assert result["_meta"] == {"easel/history_id": 12}


def test_a_failed_job_is_an_error_that_says_why_and_which() -> None:
    result = job_result(Outcome(job=FAILED), EVERYTHING, URL)
    assert result["isError"]
    assert result["content"] == [
        {"type": "text", "text": "No picture (history_id 12, pencil-1). Refused. Ask otherwise."}
    ]


def test_a_working_job_is_a_ticket() -> None:
    """Ours: the text says what to do next, and that it costs nothing."""
    text = describe(WORKING, URL)
    assert "history_id: 12" in text
    assert "Call `history` with history_id 12: it waits for the picture; nothing is charged again." in text


@pytest.mark.parametrize("state", [DONE, WORKING])
def test_a_joined_call_is_told_so_and_how_to_get_another_picture(state: Job) -> None:
    """Ours: paid for once; the model must not think that it got a new one."""
    result = job_result(Outcome(job=state, joined=True), EVERYTHING, URL)
    text = result["content"][0]["text"]
    assert text.endswith(
        "\nAn earlier call asked for the same, and it is paid for once. Another `variation` gives another picture."
    )
    assert result["structuredContent"]["joined"]
    assert "joined" not in job_result(Outcome(job=state), EVERYTHING, URL)["structuredContent"]


def test_a_picture_that_was_removed_says_so_and_links_nowhere() -> None:
    result = job_result(Outcome(job=GONE), replace(EVERYTHING, links=True), URL)
    text = result["content"][0]["text"]
    assert blocks(result) == ["text"]
    assert "http" not in text
    assert "could not be had again. To draw it anew, call `generate` with its prompt." in text
    assert "Note: 1K" in text
    assert result["structuredContent"]["images"][0]["kept"] is False
    assert "kept" not in structure(DONE, URL)["images"][0]


@pytest.mark.parametrize("gone", [describe(GONE, URL), describe(HALF, URL, looked_for=2)])
def test_a_picture_that_was_removed_and_not_looked_for_says_what_brings_it_back(gone: str) -> None:
    """Bug: of several pictures those that nobody had asked the image service for were given up as well."""
    which = " and picture 1" if "of 2" in gone else ""
    assert f"Its file was removed. `history` with history_id 12{which} brings it back" in gone
    assert "could not be had" not in gone


def test_of_two_pictures_the_one_that_is_left_is_shown() -> None:
    text = describe(HALF, URL)
    assert FIRST.name not in text
    assert f"![a red fox]({URL}{SECOND.name})" in text
    assert text.endswith("To show the picture, repeat its markdown line in your answer.")


@pytest.mark.parametrize("outcome", [*CASES.values(), Outcome(job=GONE), Outcome(job=FAILED)])
def test_the_structure_of_every_state_fits_the_output_schema(outcome: Outcome) -> None:
    """Spec 2025-11-25, Tools, Output Schema: what is declared is what is sent."""
    assert not list(OUTPUT.iter_errors(job_result(outcome, EVERYTHING, URL)["structuredContent"]))


def test_the_structure_says_when_how_long_and_from_what() -> None:
    said = structure(TWO, URL)
    assert said["created_at"] == "2027-01-15T08:00:00.500+00:00"
    assert said["seconds"] == 2.25
    assert said["parents"] == [{"history_id": 3, "picture": 1}]
    assert said["references"] == ["history_id 3, picture 1", "cat.png of the image folder"]
    assert job(parents=(Parent(history_id=3, picture=2),)).parents


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(job(pictures=(replace(PICTURE, note=HOSTILE),)), id="note"),
        pytest.param(job(JobState.FAILED, failure=Failure(kind=HOSTILE, reason=HOSTILE)), id="reason"),
        pytest.param(job(parameters={"references": [HOSTILE]}), id="reference"),
        pytest.param(job(model=HOSTILE), id="model"),
        pytest.param(job(JobState.WORKING, tasks={0: HOSTILE}, upstream="modelscope"), id="task"),
        pytest.param(job(prompt=HOSTILE, pictures=(PICTURE,)), id="prompt"),
    ],
)
def test_no_words_that_are_not_ours_become_markdown_in_a_result_or_a_list(hostile: Job) -> None:
    for text in (describe(hostile, URL), entry_text(hostile, URL)):
        told = text.replace(f"]({URL}", "")
        assert "](" not in told
        assert "<" not in told
        assert told.count("`") % 2 == 0
        assert "\u202e" not in told


def test_a_result_shows_all_that_it_holds() -> None:
    """Bug: U+061C, U+00AD, U+3164 and private use reached the model, in structured content all unseen characters."""
    hidden = "a\u061cb\u00adc\u3164d\ue000e\U000e0041"
    result = {
        "content": [{"type": "text", "text": hidden}],
        "structuredContent": {"images": [{"note": hidden}], "n": 1},
    }
    assert visible_in(result) == {
        "content": [{"type": "text", "text": "abcde"}],
        "structuredContent": {"images": [{"note": "abcde"}], "n": 1},
    }


def test_a_picture_in_a_result_is_not_looked_through() -> None:
    """Ours: half a megabyte of Base64 takes milliseconds."""
    data = "A" * 100
    result = {"content": [{"type": "image", "data": data}], "structuredContent": {"base64": data}}
    assert visible_in(result)["content"][0]["data"] is data
    assert visible_in(result)["structuredContent"]["base64"] is data


def test_what_an_image_service_says_is_cut() -> None:
    """Ours: a whole page as a note would push the picture out of the answer."""
    long = "word " * 10_000
    assert len(describe(job(pictures=(replace(PICTURE, note=long),)), URL)) < 1000
    assert len(describe(job(JobState.FAILED, failure=Failure(kind="failed", reason=long)), URL)) < 1200
    noted = job(pictures=(replace(PICTURE, note=long),), parameters={"references": [long] * 3})
    assert len(str(structure(noted, URL))) < 1500


def test_parameters_of_an_older_row_do_no_harm() -> None:
    """Ours: rows are as old as the data folder."""
    assert "references" not in structure(job(parameters={"references": "a cat"}), URL)


def test_a_prompt_cannot_leave_the_markdown_that_shows_it() -> None:
    """Ours: alt text comes from the caller; it must not become a link, HTML or a second picture."""
    hostile = "x](https://evil.example/a.png) ![y](z) <img src=q> `code`\n# head | \\ *b* _i_\x00\x7f"
    assert not set("[]()!<>`\\|*_#\n\x00\x7f") & set(alt_text(hostile))


def test_words_that_are_not_ours_stay_words() -> None:
    """Ours: an image service must not put a picture, a link, HTML or letters that nobody sees into a chat."""
    assert escape_markdown(HOSTILE, 300) == (
        'see !(x)(https://evil.example/a.png) (y)(z) ‹img src="q"› \'code # head (r): http://evil.example'
    )


def test_code_that_is_closed_stays_code() -> None:
    assert escape_markdown("Call `history` again.", 300) == "Call `history` again."


def test_what_is_long_is_cut_and_says_so() -> None:
    assert cut("a fox", 5) == "a fox"
    assert cut("a foxes' den", 6) == "a fox…"
    assert cut("word " * 9, 6) == "word…"
    assert len(escape_markdown("word " * 1000, 40)) <= 40
    assert len(alt_text("word " * 1000)) <= ALT_LENGTH
