"""Targets of the figures, and verdicts: by the clock, or by processor time where the machine was busy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOOP_MS: Final = 2.0
FLOOR_RATIO: Final = 1.4
HOLD_MS: Final = 20.0
PING_MS: Final = 20.0
PEAK_MB: Final = 300.0
START_MS: Final = 300.0
IDLE_MB: Final = 48.0
OVER: Final = {"sdk": 5.0, "fastmcp": 10.0}
"""How many times the requests of another server's trivial tool `cache` is to answer."""


@dataclass(frozen=True)
class Goal:
    """One figure and its limit: at least, or with `at_most` at most. `cpu` is the same figure by processor time."""

    name: str
    value: float
    limit: float
    cpu: float | None = None
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """By the clock, as rounded for the table."""
        return self._reaches(self.value)

    @property
    def is_met_by_cpu(self) -> bool:
        """By processor time; where there is no such figure, as by the clock."""
        return self._reaches(self.value if self.cpu is None else self.cpu)

    def _reaches(self, value: float) -> bool:
        shown = float(shorter(value))
        return shown <= self.limit if self.at_most else shown >= self.limit


def verdict(goals: Sequence[Goal]) -> str:
    """Say whether all goals of a row are met, and else which are missed; nothing where there are none."""
    if not goals:
        return ""
    if all(goal.is_met and goal.is_met_by_cpu for goal in goals):
        return "met"
    missed = [goal.name for goal in goals if not goal.is_met and not goal.is_met_by_cpu]
    if missed:
        return f"**missed**: {', '.join(missed)}"
    if all(goal.is_met_by_cpu for goal in goals):
        return "met by processor"
    if all(goal.is_met for goal in goals):
        return "met by clock"
    return "met by one of clock and processor"


def shorter(value: float) -> str:
    """A number as tables show it: three digits, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
