"""The history in words: short, harmless, and each says how to go on; entries are kept while their job is the same."""

import dataclasses
from dataclasses import replace
from typing import Final

import orjson
import pytest

from service.costs import Usage
from service.images import Failure, Job, JobState, KeptPicture, Parent
from service.redaction import visible_in
from service.tools.history_text import (
    LONGEST_KEPT,
    PROMPT_LENGTH,
    REASON_LENGTH,
    SHOWN_PICTURES,
    Entries,
    counted,
    cut_job,
    details_text,
    entry_text,
    loss_text,
)
from service.tools.results import structure
from tests.stores import picture as stored

URL: Final = "https://e.example/mcp-cache/"


def picture(letter: str, *, kept: bool = True) -> KeptPicture:
    return KeptPicture(name=letter * 32 + ".png", media_type="image/png", width=8, height=6, size=3, kept=kept)


def job(state: JobState, prompt: str = "a fox", **more: object) -> Job:
    row = Job(history_id=12, owner="anna", state=state, model="m", prompt=prompt, created_at=1_800_000_000.0)
    return replace(row, **more)  # type: ignore[arg-type]  # fields of several types


DONE: Final = job(JobState.DONE, pictures=(picture("a"),))
TWO: Final = job(JobState.DONE, pictures=(picture("a"), picture("b")))
FAILED: Final = job(JobState.FAILED, failure=Failure(kind="policy", reason="Refused. Ask otherwise."))
WORKING: Final = job(JobState.WORKING)


def test_an_entry_shows_its_picture() -> None:
    """Ours: the markdown image is the one channel that every client passes on."""
    assert entry_text(DONE, URL).splitlines() == [
        "**history_id 12** · 2027-01-15 08:00 UTC · m · “a fox”",
        f"![a fox]({URL}{'a' * 32}.png)",
    ]


def test_an_entry_of_several_pictures_shows_them_all() -> None:
    assert [line[:2] for line in entry_text(TWO, URL).splitlines()] == ["**", "![", "!["]


def test_an_old_failure_says_what_happened_and_not_what_to_do_now() -> None:
    """Bug: a list told the model to call again for a failure of last week."""
    reason = "Flow2API refused the prompt.\nChange the prompt before calling again.\nIt said: “UNSAFE”"
    failed = job(JobState.FAILED, failure=Failure(kind="policy", reason=reason))
    assert entry_text(failed, URL).splitlines()[-1] == "Failed (policy): Flow2API refused the prompt. “UNSAFE”"
    listed = cut_job(failed).failure
    assert listed is not None
    assert listed.reason == "Flow2API refused the prompt. “UNSAFE”"


def test_an_entry_of_very_many_pictures_shows_the_first_and_says_where_the_rest_is() -> None:
    text = entry_text(job(JobState.DONE, pictures=(picture("a"),) * 1000), URL)
    assert text.count("![") == SHOWN_PICTURES
    assert "996 more pictures: `history` with history_id 12." in text


def test_entries_that_failed_or_run_say_so_and_what_to_do() -> None:
    assert entry_text(FAILED, URL).endswith("\nFailed (policy): Refused. Ask otherwise.")
    assert entry_text(WORKING, URL).endswith("\nStill being drawn. `history` with history_id 12 waits for it.")


def test_an_entry_whose_picture_is_gone_shows_no_empty_frame() -> None:
    gone = entry_text(job(JobState.DONE, pictures=(picture("a", kept=False),)), URL)
    assert "![" not in gone
    assert "Its picture was removed. `history` with history_id 12 brings it back" in gone
    assert "To change it" not in gone
    half = entry_text(job(JobState.DONE, pictures=(picture("a", kept=False), picture("b"))), URL)
    assert f"![a fox]({URL}{'b' * 32}.png)" in half
    assert "1 of its 2 pictures was removed. `history` with history_id 12 and `picture` brings one back" in half


def test_an_entry_says_what_it_was_made_from() -> None:
    parents = (Parent(history_id=3), Parent(history_id=4, picture=2))
    assert " · made from history_id 3, picture 1; history_id 4, picture 2 · " in entry_text(
        replace(DONE, parents=parents), URL
    )


@pytest.mark.parametrize(
    "text", ["x](https://evil.example) ![y](z) <img src=q>\n# head `code` \x00\x7f", "word " * 9000]
)
def test_a_prompt_in_a_list_is_one_short_line_without_markup(text: str) -> None:
    """Ours: a prompt comes from the caller; it must not become a link, HTML or a second picture."""
    title = entry_text(job(JobState.WORKING, text, model=text), URL).splitlines()[0]
    assert not set("[]<>\x00\x7f") & set(title)
    assert len(title) < 2 * PROMPT_LENGTH + 60


def test_the_fields_of_a_list_are_cut_so_that_fifty_fit() -> None:
    long = replace(FAILED, prompt="猫" * 32_000, failure=Failure(kind="policy", reason="r" * 9000))
    cut = cut_job(long)
    assert len(cut.prompt) == 500
    assert cut.failure is not None
    assert (cut.failure.kind, len(cut.failure.reason)) == ("policy", REASON_LENGTH)
    assert cut_job(DONE) == DONE


def test_a_single_one_tells_its_whole_request_and_family() -> None:
    asked = replace(
        TWO,
        prompt="a sign\nthat says [OPEN] `now`",
        parameters={"seed": 7, "aspect_ratio": "16:9", "references": ["history_id 3, picture 1"]},
        parents=(Parent(history_id=3),),
    )
    assert details_text(asked, [(14, 1), (15, 2)]).splitlines() == [
        "Prompt: `a sign that says [OPEN] 'now'`",
        "Asked for: seed 7, aspect_ratio 16:9",
        "Made from it: history_id 14 (from picture 1), 15 (from picture 2).",
        "To change it: `generate` with history_id 12 and picture 1 to 2; the prompt says what to change.",
    ]


def test_of_very_many_children_the_newest_are_named() -> None:
    text = details_text(DONE, [(id_, 1) for id_ in range(100, 150)])
    assert "Made from it: history_id 130, 131," in text
    assert "149, and 30 before them." in text


def test_a_single_one_without_a_picture_offers_no_change() -> None:
    for each in (FAILED, WORKING, job(JobState.DONE, pictures=(picture("a", kept=False),))):
        assert details_text(each, []) == "Prompt: `a fox`"


def test_what_deleting_loses_is_said_before() -> None:
    assert loss_text(TWO, [(14, 1)]) == (
        "Delete history_id 12, “a fox”, for good? Its prompt and 2 pictures are lost, and links to them end. "
        "What was made from it stays."
    )
    assert loss_text(FAILED, []) == "Delete history_id 12, “a fox”, for good? Its prompt is lost."
    assert "What was made from it" not in loss_text(TWO, [])
    assert len(loss_text(replace(TWO, prompt="word " * 9000), [])) < 400


def test_numbers_have_their_noun() -> None:
    assert [counted(number, "day") for number in (0, 1, 2, 12_345)] == ["0 days", "1 day", "2 days", "12,345 days"]


@pytest.mark.parametrize(
    "hidden",
    [
        pytest.param("\u202e", id="turns the direction of writing"),
        pytest.param("\U000e0041", id="a letter that only a model reads"),
        pytest.param("\u200b", id="of no width"),
        pytest.param("\x9b", id="a control character"),
    ],
)
def test_nothing_unseen_comes_out_of_a_prompt(hidden: str) -> None:
    """Attack: a person who reads the list sees other words than the model does."""
    row = replace(DONE, prompt=f"a {hidden}fox", model=f"m{hidden}", parameters={"negative_prompt": f"blue{hidden}"})
    for text in (entry_text(row, URL), details_text(row, []), loss_text(row, [])):
        assert hidden not in text
        assert "fox" in text


def test_only_the_beginning_of_a_long_prompt_is_looked_at() -> None:
    """Bug: fifty prompts of 32,000 characters took most of a second, in which nobody else was answered."""
    row = replace(DONE, prompt="a fox" + " " * 10_000 + "whose end nobody sees")
    for text in (entry_text(row, URL), details_text(row, []), loss_text(row, [])):
        assert "a fox" in text
        assert "nobody sees" not in text


HERE = "http://h/mcp-cache/"


def read_anew(**changes: object) -> Job:
    """A job that is read anew, as from another page."""
    made = Job(
        history_id=12, owner="ann", state=JobState.DONE, model="m", prompt="a red fox", created_at=1.0,
        pictures=(stored("a.png"),), parameters={"seed": 1}, usage=Usage(cost=0.04),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]  # of the fields of a job


def test_an_entry_says_what_is_made_of_its_job_anew() -> None:
    entry = Entries().of(read_anew(prompt="a\u202e red fox"), HERE)
    assert entry.text == entry_text(entry.job, HERE)
    assert orjson.loads(orjson.dumps(entry.structure)) == visible_in(structure(cut_job(entry.job), HERE))
    assert b"\\u202e" not in orjson.dumps(entry.structure)


def test_an_entry_is_used_again_for_an_equal_job() -> None:
    entries = Entries()
    assert entries.of(read_anew(), HERE) is entries.of(read_anew(), HERE)


@pytest.mark.parametrize(
    "change",
    [
        {"state": JobState.WORKING, "pictures": ()},
        {"pictures": (dataclasses.replace(stored("a.png"), kept=False),)},
        {"prompt": "a blue fox"},
        {"parameters": {"seed": 2}},
        {"usage": None},
        {"owner": "ben"},
    ],
)
def test_any_change_makes_another_entry(change: dict[str, object]) -> None:
    """Ours: a picture that was removed is not offered; what is hidden from one client is not shown to it."""
    entries = Entries()
    before = entries.of(read_anew(), HERE)
    after = entries.of(read_anew(**change), HERE)
    assert after is not before
    assert after.text == entry_text(read_anew(**change), HERE)
    assert entries.of(read_anew(), HERE).text == before.text


def test_another_address_makes_another_entry() -> None:
    entries = Entries()
    assert "http://h/" in entries.of(read_anew(), HERE).text
    assert "http://other/" in entries.of(read_anew(), "http://other/mcp-cache/").text


def test_those_that_were_shown_last_are_kept() -> None:
    entries = Entries(most=2)
    first = entries.of(read_anew(history_id=1), HERE)
    entries.of(read_anew(history_id=2), HERE)
    assert entries.of(read_anew(history_id=1), HERE) is first
    entries.of(read_anew(history_id=3), HERE)
    assert entries.of(read_anew(history_id=1), HERE) is first
    assert len(entries._kept) == 2


def test_entries_of_long_prompts_are_made_anew() -> None:
    """Ours: the memory is bounded; a prompt may have 32,000 characters."""
    entries = Entries()
    entries.of(read_anew(prompt="x" * (LONGEST_KEPT + 1)), HERE)
    assert not entries._kept
