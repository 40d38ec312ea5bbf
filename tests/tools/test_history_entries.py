"""Entries of the history that are kept: the same while their job is, and no more than so many."""

import dataclasses

import orjson
import pytest

from service.costs import Usage
from service.images import Job, JobState
from service.redaction import visible_in
from service.tools.history_entries import LONGEST, Entries
from service.tools.history_text import cut_job, entry_text
from service.tools.results import structure
from tests.stores import picture

URL = "http://h/mcp-cache/"


def job(**changes: object) -> Job:
    """A job that is read anew, as from another page."""
    made = Job(
        history_id=12, owner="ann", state=JobState.DONE, model="m", prompt="a red fox", created_at=1.0,
        pictures=(picture("a.png"),), parameters={"seed": 1}, usage=Usage(cost=0.04),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]  # of the fields of a job


def test_an_entry_says_what_is_made_of_its_job_anew() -> None:
    entry = Entries().of(job(prompt="a\u202e red fox"), URL)
    assert entry.text == entry_text(entry.job, URL)
    assert orjson.loads(orjson.dumps(entry.structure)) == visible_in(structure(cut_job(entry.job), URL))
    assert b"\\u202e" not in orjson.dumps(entry.structure)


def test_an_entry_is_used_again_for_an_equal_job() -> None:
    entries = Entries()
    assert entries.of(job(), URL) is entries.of(job(), URL)


@pytest.mark.parametrize(
    "change",
    [
        {"state": JobState.WORKING, "pictures": ()},
        {"pictures": (dataclasses.replace(picture("a.png"), kept=False),)},
        {"prompt": "a blue fox"},
        {"parameters": {"seed": 2}},
        {"usage": None},
        {"owner": "ben"},
    ],
)
def test_any_change_makes_another_entry(change: dict[str, object]) -> None:
    """Ours: a picture that was removed is not offered; what is hidden from one client is not shown to it."""
    entries = Entries()
    before = entries.of(job(), URL)
    after = entries.of(job(**change), URL)
    assert after is not before
    assert after.text == entry_text(job(**change), URL)
    assert entries.of(job(), URL).text == before.text


def test_another_address_makes_another_entry() -> None:
    entries = Entries()
    assert "http://h/" in entries.of(job(), URL).text
    assert "http://other/" in entries.of(job(), "http://other/mcp-cache/").text


def test_those_that_were_shown_last_are_kept() -> None:
    entries = Entries(most=2)
    first = entries.of(job(history_id=1), URL)
    entries.of(job(history_id=2), URL)
    assert entries.of(job(history_id=1), URL) is first
    entries.of(job(history_id=3), URL)
    assert entries.of(job(history_id=1), URL) is first
    assert len(entries._kept) == 2


def test_entries_of_long_prompts_are_made_anew() -> None:
    """Ours: the memory is bounded; a prompt may have 32,000 characters."""
    entries = Entries()
    entries.of(job(prompt="x" * (LONGEST + 1)), URL)
    assert not entries._kept
