"""The choice of files to remove: what it asks, and in what order. What goes is in the tests of every store."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.settings import Limits
from service.storage.records.removal import Kind, Question, files_to_remove


def chosen(
    limits: Limits, answers: Mapping[Kind, Sequence[Any]], spare: tuple[str, ...] = ()
) -> tuple[list[str], list[Question]]:
    """The names that are chosen where each question has this answer, and the questions."""
    choice = files_to_remove(limits, 5.0, spare)
    question, asked = next(choice), list[Question]()
    while True:
        asked.append(question)
        try:
            question = choice.send(answers.get(question.kind, ()))
        except StopIteration as ended:
            return [each.name for each in ended.value], asked


def test_within_the_limits_two_questions_are_enough() -> None:
    """Ours: they are asked after every picture."""
    names, asked = chosen(Limits(entries=2), {Kind.HELD: [("ann", 2, 10)]})
    assert (names, [each.kind for each in asked]) == ([], [Kind.TOO_OLD, Kind.HELD])
    assert asked[0].before == 5.0


def test_what_is_too_old_goes_first_and_makes_room() -> None:
    held: dict[Kind, Sequence[Any]] = {Kind.TOO_OLD: [("ann", "old", 4)], Kind.HELD: [("ann", 3, 12)]}
    names, asked = chosen(Limits(entries=2), held)
    assert (names, len(asked)) == (["old"], 2)


def test_unused_files_go_before_used_ones_and_never_the_newest() -> None:
    answers: dict[Kind, Sequence[Any]] = {
        Kind.HELD: [("ann", 4, 40), ("ben", 1, 10)],
        Kind.UNUSED: [("ann", 1, 10)],
        Kind.UNUSED_OF: [("unused", 10)],
        Kind.IDLE_OF: [("unused", 10), ("spared", 10), ("newest", 10), ("used", 10)],
        Kind.NEWEST: [("newest",)],
    }
    names, asked = chosen(Limits(entries=3), answers, spare=("spared",))
    assert names == ["unused", "used"]
    last = asked[-1]
    assert (last.kind, last.owner) == (Kind.IDLE_OF, "ann"), "the owner who holds most"
    assert last.most >= 1000 + len(names)


def test_an_owner_beyond_a_limit_of_their_own_is_asked_alone() -> None:
    answers: dict[Kind, Sequence[Any]] = {
        Kind.HELD: [("ann", 2, 20), ("ben", 1, 10)],
        Kind.UNUSED_OF: [("a", 10)],
        Kind.NEWEST_OF: [("z",)],
    }
    names, asked = chosen(Limits(owner_entries=1), answers)
    assert names == ["a"]
    assert [each.owner for each in asked if each.kind is Kind.NEWEST_OF] == ["ann"]
