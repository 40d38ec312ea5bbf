"""A wall clock that leaps, beside one that cannot."""

import logging

import pytest

from service.pipeline.clock_watch import HOLD_S, LONG_AGO_S, ClockWatch, since_boot

NOON = 1_795_000_000.0
YEAR = 365 * 86_400.0


class Machine:
    """Two clocks: time passes for both, and one can be set."""

    def __init__(self) -> None:
        self.wall, self.steady = NOON, 100.0
        self.watch = ClockWatch(lambda: self.wall, lambda: self.steady)

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_a_clock_that_runs_is_believed() -> None:
    machine = Machine()
    for _ in range(1000):
        machine.pass_(3600)
        assert machine.watch.is_even()


@pytest.mark.parametrize("leap", [YEAR, -YEAR, 2 * 3600.0])
def test_a_leap_is_waited_out_for_a_day_and_said_once(leap: float, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    machine.wall += leap
    with caplog.at_level(logging.WARNING):
        for _ in range(23):
            machine.pass_(3600)
            assert not machine.watch.is_even()
    assert len(caplog.records) == 1
    machine.pass_(HOLD_S)
    assert machine.watch.is_even()


def test_the_way_back_is_a_leap_too() -> None:
    machine = Machine()
    machine.wall -= YEAR
    machine.pass_(HOLD_S)
    assert not machine.watch.is_even()
    machine.wall += YEAR
    machine.pass_(HOLD_S / 2)
    assert not machine.watch.is_even()


def test_small_corrections_are_none() -> None:
    machine = Machine()
    for _ in range(100):
        machine.wall += 60
        machine.pass_(60)
        assert machine.watch.is_even()


@pytest.mark.parametrize(
    ("newest", "even"),
    [
        pytest.param(0, True, id="nothing stored"),
        pytest.param(NOON - 86_400, True, id="yesterday"),
        pytest.param(NOON - LONG_AGO_S - 1, False, id="long ago"),
        pytest.param(NOON - YEAR, False, id="a year ago"),
        pytest.param(NOON + YEAR, False, id="a year ahead"),
    ],
)
def test_a_start_that_is_far_from_the_newest_picture_is_doubted(newest: float, *, even: bool) -> None:
    """Ours: the clock may have leapt while nothing ran."""
    machine = Machine()
    machine.watch.compare_with(newest)
    assert machine.watch.is_even() == even
    machine.pass_(HOLD_S)
    assert machine.watch.is_even()


def test_the_steady_clock_runs() -> None:
    assert 0 < since_boot() <= since_boot()
