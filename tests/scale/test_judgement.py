"""The verdict of `make test-scale`: each of its rules finds the fault that it is for."""

from typing import Any

import pytest

from service.images import INTERRUPTED, INTERRUPTED_SUBMITTED
from tests.emulators.slow_pictures import SlowPictures
from tests.scale.judgement import TAKEOVER_S, doubles, longest_silences, wrong_charges

FOX = "a fox"


def row(number: int = 1, begins: float = 0.0, **other: Any) -> dict[str, Any]:
    """A row that is done and delivered within two seconds."""
    times = {"created_at": begins, "finished_at": begins + 1, "delivered_at": begins + 2}
    return {
        "history_id": number,
        "state": "done",
        "prompt": FOX,
        "tasks": "{}",
        "failure_reason": None,
        **times,
        **other,
    }


def failed(reason: str, number: int = 1) -> dict[str, Any]:
    return row(number, state="failed", failure_reason=reason, delivered_at=None)


def charged(times: int) -> SlowPictures:
    painter = SlowPictures(draw_s=0, download_s=0)
    painter.charges[FOX] = times
    return painter


@pytest.mark.parametrize(
    ("rows", "charges", "is_right"),
    [
        pytest.param([row()], 1, True, id="once for one"),
        pytest.param([row()], 2, False, id="twice for one"),
        pytest.param([row()], 0, False, id="a picture that nobody drew"),
        pytest.param([], 1, False, id="a charge without a row"),
        pytest.param([failed(INTERRUPTED_SUBMITTED.reason)], 1, True, id="perhaps, and it was"),
        pytest.param([failed(INTERRUPTED_SUBMITTED.reason)], 0, True, id="perhaps, and it was not"),
        pytest.param([failed(INTERRUPTED.reason)], 1, False, id="nothing was charged, as the row has it"),
        pytest.param([failed(INTERRUPTED_SUBMITTED.reason), row(2)], 3, False, id="once more than perhaps"),
    ],
)
def test_charges_are_those_that_the_rows_tell(rows: list[dict[str, Any]], charges: int, *, is_right: bool) -> None:
    assert (list(wrong_charges({FOX: rows}, charged(charges))) == []) is is_right


@pytest.mark.parametrize(
    ("second", "is_right"),
    [
        pytest.param(row(2, 10.0), True, id="a new wish after the delivery"),
        pytest.param(row(2, -0.5), False, id="at work at once"),
    ],
)
def test_a_second_job_begins_after_the_first_was_delivered(second: dict[str, Any], *, is_right: bool) -> None:
    assert (list(doubles({FOX: [row(), second]})) == []) is is_right


def test_a_second_job_without_a_delivery_of_the_first_is_a_fault() -> None:
    assert len(list(doubles({FOX: [row(delivered_at=None), row(2, 10.0)]}))) == 1
    assert list(doubles({FOX: [failed(INTERRUPTED_SUBMITTED.reason), row(2, 10.0)]})) == []


def test_the_silence_of_a_task_lasts_until_another_replica_asks_or_its_job_ends() -> None:
    painter = charged(1)
    painter.looks["7"] = [0.0, 0.5, 20.0, 99.0]
    [(seconds, _)] = longest_silences({FOX: [row(tasks='{"0": "7"}', finished_at=20.5)]}, painter)
    assert seconds == 19.5
    assert seconds > TAKEOVER_S
