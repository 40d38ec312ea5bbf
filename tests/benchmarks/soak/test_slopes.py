"""Ours: what grows is told from what varies, and from what has a reason to grow."""

import math

import pytest

from benchmarks.soak.slopes import LEVELS, Level, Sample, slope, table, trend, trends

STEADY = {level.name: 100.0 for level in LEVELS}


def rests(count: int = 20, **changing: float) -> list[Sample]:
    """Rests ten seconds apart, at which the named levels grow by so much each time; the others are steady."""
    return [
        {
            **STEADY,
            "jobs": 50.0 * at,
            "ended": 5.0 * at,
            "old_tokens": 1.0 * at,
            "at": 10.0 * at,
            **{name: by * at for name, by in changing.items()},
        }
        for at in range(count)
    ]


def growing(samples: list[Sample]) -> list[str]:
    return [each.level.name for each in trends(samples, []) if each.grows]


def test_a_day_on_which_nothing_grows() -> None:
    assert growing(rests()) == []


@pytest.mark.parametrize(("name", "by"), [("rss_mb", 2.0), ("descriptors", 1.0), ("tasks", 1.0), ("threads", 0.5)])
def test_what_grows_a_little_at_each_rest_is_named(name: str, by: float) -> None:
    assert growing(rests(20, **{name: by})) == [name]


def test_the_history_may_grow_by_its_entries_and_no_more() -> None:
    assert growing(rests(database_kb=300.0)) == []
    assert growing(rests(database_kb=900.0)) == ["database_kb"]


def test_what_goes_up_and_down_does_not_grow() -> None:
    samples = rests()
    for number, each in enumerate(samples):
        each["rss_mb"] = 100 + 8 * math.sin(number)
    assert growing(samples) == []


def test_what_fills_up_in_the_first_half_does_not_grow() -> None:
    samples = rests()
    for number, each in enumerate(samples):
        each["pictures"] = min(200, 25 * number)
    assert growing(samples) == []


def test_one_outlier_does_not_make_a_slope() -> None:
    times, values = list(range(10)), [5.0] * 9 + [500.0]
    assert slope(times, values) == 0


def test_peaks_count_the_samples_at_work() -> None:
    level = Level(name="tasks", title="tasks", slack=3)
    found = trend(level, rests(), [{**STEADY, "at": 5.0, "tasks": 400.0}])
    assert (found.start, found.peak, found.end) == (100, 400, 100)


def test_a_short_run_says_that_it_tells_nothing() -> None:
    with pytest.raises(ValueError, match="5 rests are too few"):
        trends(rests(5), [])


def test_the_table_names_each_level_and_its_verdict() -> None:
    lines = table(trends(rests(rss_mb=2.0), [])).splitlines()
    assert len(lines) == len(LEVELS) + 2
    assert [line.split("|")[1].strip() for line in lines if "**grows**" in line] == ["memory, MB"]
