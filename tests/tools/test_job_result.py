"""A job in words: what every client passes on, and what programs read."""

import base64

from jsonschema import Draft202012Validator

from service.images import Failure, Job, JobState, KeptPicture
from service.tools.base import load_schema
from service.tools.job_result import alt_text, describe, job_result, structure, summarize

URL = "https://e.example/mcp-cache/"
PICTURE = KeptPicture(name="a" * 32 + ".png", media_type="image/png", width=1024, height=768, size=312_000, note="1K")
WORKING = Job(
    history_id=12, owner="anna", state=JobState.WORKING, model="m", prompt="a [red](fox)\n!", created_at=1_800_000_000.5
)
ENDED = {"history_id": 12, "owner": "anna", "model": "m", "prompt": "a fox", "created_at": 1_800_000_000.5,
         "finished_at": 1_800_000_002.75}  # fmt: skip
DONE = Job(state=JobState.DONE, pictures=(PICTURE,), **ENDED)  # type: ignore[arg-type]  # one dict for several types
FAILED = Job(state=JobState.FAILED, failure=Failure(kind="policy", reason="Refused. Ask otherwise."), **ENDED)  # type: ignore[arg-type]  # as above
OUTPUT = Draft202012Validator(load_schema("generate.output"))


def test_a_done_job_shows_its_picture_in_markdown_with_an_absolute_url() -> None:
    """Ours: the one channel that every client passes on."""
    text = describe(DONE, URL)
    assert text.startswith(f"![a fox]({URL}{PICTURE.name})\n")
    assert f"\nURL: {URL}{PICTURE.name}\n" in text
    assert "history_id: 12 · model: m · 1024×768 PNG, 312 kB" in text
    assert "Note: 1K" in text


def test_a_result_has_text_first_then_the_preview() -> None:
    result = job_result(DONE, URL, b"jpeg", "image/jpeg")
    assert [block["type"] for block in result["content"]] == ["text", "image"]
    assert base64.b64decode(result["content"][1]["data"]) == b"jpeg"
    assert "isError" not in result


def test_a_failed_job_is_an_error_that_says_why_and_which() -> None:
    result = job_result(FAILED, URL, None, "")
    assert result["isError"]
    assert result["content"] == [
        {"type": "text", "text": "No picture came out of history_id 12 (m). Refused. Ask otherwise."}
    ]


def test_a_working_job_is_a_ticket() -> None:
    assert "Call `history` with history_id 12" in describe(WORKING, URL)


def test_the_structure_of_every_state_fits_the_output_schema() -> None:
    for job in (WORKING, DONE, FAILED):
        assert not list(OUTPUT.iter_errors(structure(job, URL)))
    assert structure(DONE, URL)["seconds"] == 2.25
    assert structure(DONE, URL)["created_at"] == "2027-01-15T08:00:00.500+00:00"


def test_a_line_of_the_list_tells_how_it_ended() -> None:
    assert summarize(DONE, URL).endswith(f"'a fox' · {URL}{PICTURE.name}")
    assert summarize(FAILED, URL).endswith("failed (policy)")
    assert summarize(WORKING, URL).endswith("still being drawn")


def test_a_prompt_cannot_leave_the_markdown_that_shows_it() -> None:
    """Ours: alt text comes from the caller; it must not become a link, HTML or a second picture."""
    hostile = "x](https://evil.example/a.png) ![y](z) <img src=q> `code`\n# head | \\ *b* _i_\x00\x7f"
    assert not set("[]()!<>`\\|*_#\n\x00\x7f") & set(alt_text(hostile))


def test_a_long_prompt_is_cut() -> None:
    assert len(alt_text("word " * 1000)) <= 80
    long = Job(state=JobState.DONE, **{**ENDED, "prompt": "word " * 1000})  # type: ignore[arg-type]  # as above
    assert len(summarize(long, URL)) < 300
