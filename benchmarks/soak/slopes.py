"""Slopes of the levels at rest, and the verdict on each: steady, or growing without a reason."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.tables import markdown
from benchmarks.verdicts import shorter

Sample = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of a census. Growth up to `slack` or a twentieth means nothing, and `each` for one more of `per`."""

    name: str
    title: str
    slack: float
    per: str = ""
    each: float = 0.0


LEVELS = (
    Level(name="rss_mb", title="memory, MB", slack=5, per="old_tokens", each=0.15),
    Level(name="all_mb", title="memory with decoders, MB", slack=15, per="old_tokens", each=0.15),
    Level(name="blocks", title="blocks of Python, thousands", slack=5, per="old_tokens", each=1.3),
    Level(name="descriptors", title="descriptors", slack=4),
    Level(name="tasks", title="tasks", slack=3),
    Level(name="threads", title="threads", slack=2),
    Level(name="processes", title="processes", slack=1),
    Level(name="database_kb", title="database, kB", slack=200, per="jobs", each=8),
    Level(name="wal_kb", title="its log of writes, kB", slack=500),
    Level(name="pictures", title="pictures kept", slack=20),
    Level(name="derivatives", title="smaller copies of them", slack=60),
    Level(name="pictures_mb", title="pictures, MB", slack=10),
    Level(name="other_files", title="other files", slack=5, per="ended", each=1.01),
)
"""An entry of the history is kept for good, and the end of a session until its id would have expired.

A token that was replaced stays hidden in texts and in the log: all parts of it that are looked for take 130 kB.
"""


@dataclass(frozen=True)
class Trend:
    """One level over a run. `grown` is its growth over the second half, `allowed` what has a reason."""

    level: Level
    start: float
    peak: float
    end: float
    grown: float
    allowed: float

    @property
    def grows(self) -> bool:
        """More than has a reason."""
        return self.grown > self.allowed


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """The growth for one second: the median of the slopes between all pairs, which single outliers do not move."""
    pairs = combinations(zip(times, values, strict=True), 2)
    return statistics.median((b - a) / (later - earlier) for (earlier, a), (later, b) in pairs)


def trend(level: Level, at_rest: Sequence[Sample], at_work: Sequence[Sample]) -> Trend:
    """The trend of one level, judged by the samples at rest of the second half."""
    half = at_rest[len(at_rest) // 2 :]
    times = [each["at"] for each in half]
    values = [each[level.name] for each in half]
    span = times[-1] - times[0]
    grown = slope(times, values) * span
    allowed = max(level.slack, statistics.median(values) / 20)
    if level.per:
        allowed += level.each * slope(times, [each[level.per] for each in half]) * span
    peak = max(each[level.name] for each in (*at_rest, *at_work))
    return Trend(level, at_rest[0][level.name], peak, at_rest[-1][level.name], grown, allowed)


def trends(at_rest: Sequence[Sample], at_work: Sequence[Sample]) -> list[Trend]:
    """All of them. It takes six rests to tell a slope."""
    if len(at_rest) < 6:
        raise ValueError(f"{len(at_rest)} rests are too few to tell what grows: let it run for longer")
    return [trend(level, at_rest, at_work) for level in LEVELS]


def table(found: Sequence[Trend]) -> str:
    """The trends in Markdown."""
    rows = []
    for each in found:
        figures = (each.start, each.peak, each.end, each.grown, each.allowed)
        rows.append([each.level.title, *map(shorter, figures), "**grows**" if each.grows else "steady"])
    return markdown(("at rest", "start", "peak", "end", "growth, second half", "allowed", ""), rows)
