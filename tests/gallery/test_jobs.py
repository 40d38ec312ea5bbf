"""Jobs as the page reads them, and the names of files that people save."""

import pytest

from service.gallery.jobs import file_name, job_entry
from service.images import Failure, Job, JobState, KeptPicture, Parent, Usage

URL = "https://pics.example/mcp-cache/"


def job(prompt: str = "a red fox", *pictures: KeptPicture) -> Job:
    return Job(
        history_id=12,
        owner="anna",
        state=JobState.DONE if pictures else JobState.WORKING,
        model="m",
        prompt=prompt,
        created_at=1.5,
        pictures=pictures,
        parents=(Parent(history_id=3, picture=2),),
        usage=Usage(cost=0.04),
    )


def picture(name: str = f"{'a1' * 16}.png", media_type: str = "image/png", *, kept: bool = True) -> KeptPicture:
    return KeptPicture(name=name, media_type=media_type, width=640, height=480, size=1000, kept=kept)


def test_a_picture_is_told_with_its_address_and_its_smaller_ones() -> None:
    entry = job_entry(job("a red fox", picture()), URL)
    [shown] = entry["pictures"]
    assert shown["url"] == f"{URL}{'a1' * 16}.png"
    assert shown["thumb"]["320"] == f"{shown['url']}?w=320"
    assert (shown["width"], shown["height"], shown["bytes"], shown["kept"]) == (640, 480, 1000, True)
    assert entry["parents"] == [{"history_id": 3, "picture": 2}]
    assert entry["usage"]["cost"] == 0.04
    assert "children" not in entry


def test_one_that_lies_at_its_service_has_no_smaller_ones() -> None:
    """Ours: with EASEL_CACHE=0 nothing is kept, and the page asks no other host for anything."""
    away = KeptPicture(
        name="away-1", media_type="image/png", width=0, height=0, size=0, source="https://elsewhere.example/x.png"
    )
    [shown] = job_entry(job("a fox", away), URL)["pictures"]
    assert (shown["thumb"], shown["kept"], shown["url"]) == ({}, False, "https://elsewhere.example/x.png")


def test_progress_and_family_are_told_where_they_are_asked_for() -> None:
    entry = job_entry(job(), URL, ("Drawing", 40.0), [(15, 1)])
    assert entry["progress"] == {"message": "Drawing", "percent": 40.0}
    assert entry["children"] == [{"history_id": 15, "picture": 1}]


def test_the_cost_is_told_unless_a_setting_turns_it_off() -> None:
    told, untold = (job_entry(job(), URL, costs=each)["usage"] for each in (True, False))
    assert told is not None
    assert (told["cost"], told["currency"], untold) == (0.04, "USD", None)


def test_words_of_others_hold_nothing_unseen() -> None:
    """Ours: a right-to-left mark in the words of an image service would turn the page's own words round."""
    failed = Job(
        history_id=1,
        owner="anna",
        state=JobState.FAILED,
        model="m",
        prompt="p\u202e",
        created_at=1.0,
        failure=Failure(kind="policy", reason="No.\nIt said: \u202eno"),
    )
    entry = job_entry(failed, URL)
    assert entry["failure"] == {"kind": "policy", "reason": "No.\nIt said: no"}
    assert entry["prompt"] == "p"


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A lighthouse at dusk, storm clouds", "A-lighthouse-at-dusk-storm-clouds-12.png"),
        ("水墨画 山水", "水墨画-山水-12.png"),
        ('<img src=x onerror="alert(1)">', "img-src-x-onerror-alert-1-12.png"),
        ("../../etc/passwd", "etc-passwd-12.png"),
        ("CON", "CON-12.png"),
        ("!!!", "picture-12.png"),
        ("one two three four five six seven eight nine", "one-two-three-four-five-six-seven-eight-12.png"),
        ("x" * 100, f"{'x' * 60}-12.png"),
    ],
)
def test_a_file_is_named_after_its_prompt(prompt: str, name: str) -> None:
    """Ours: and no part of the name means anything to a file system."""
    assert file_name(job(prompt, picture()), 1) == name


def test_of_several_pictures_each_has_its_number() -> None:
    two = job("a fox", picture(), picture(f"{'b2' * 16}.jpg", "image/jpeg"))
    assert [file_name(two, 1), file_name(two, 2)] == ["a-fox-12-1.png", "a-fox-12-2.jpg"]
