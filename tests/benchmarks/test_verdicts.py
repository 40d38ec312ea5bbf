"""Ours: a figure is judged as the table shows it, and a busy machine is no excuse that hides a miss."""

import pytest

from benchmarks.verdicts import Goal, shorter, verdict


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (Goal("rate", 0.8, 0.75, 0.78), "met"),
        (Goal("rate", 0.748, 0.75), "met"),
        (Goal("rate", 0.7, 0.75, 0.78), "met by processor"),
        (Goal("rate", 0.8, 0.75, 0.7), "met by clock"),
        (Goal("rate", 0.7, 0.75, 0.7), "**missed**: rate"),
        (Goal("hold", 19.9, 20, at_most=True), "met"),
        (Goal("hold", 60, 20, 5, at_most=True), "met by processor"),
        (Goal("hold", 60, 20, 50, at_most=True), "**missed**: hold"),
    ],
)
def test_a_goal_is_judged_by_the_clock_and_by_processor_time(goal: Goal, said: str) -> None:
    assert verdict([goal]) == said


def test_a_row_names_only_what_it_misses() -> None:
    goals = [
        Goal("CPU", 1.3, 1.4, at_most=True),
        Goal("loop", 9.0, 2.0, at_most=True),
        Goal("hold", 5, 20, at_most=True),
    ]
    assert verdict(goals) == "**missed**: loop"


def test_two_goals_that_are_met_in_different_ways_are_not_called_met() -> None:
    assert verdict([Goal("a", 1, 2, 3), Goal("b", 3, 2, 1)]) == "met by one of clock and processor"


def test_a_row_without_goals_has_no_verdict() -> None:
    assert verdict([]) == ""


def test_numbers_keep_three_digits() -> None:
    assert [shorter(each) for each in (0.12345, 12.345, 123.45, 12345.6)] == ["0.12", "12.3", "123", "12346"]
