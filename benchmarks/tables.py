"""The tables of a run in Markdown: medians over the rounds, with ratios made within each round."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks import verdicts
from benchmarks.peers import PEERS
from benchmarks.results import Results
from benchmarks.rows import BARE, CALLS, PICTURES, Row
from benchmarks.verdicts import Goal, shorter, verdict

FULL: Final = 0.9
"""A peer that takes less of its core was kept waiting, by the load or by what else the machine does."""

Round = Mapping[str, Mapping[str, float]]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns but the first and the last hold numbers."""
    marks = ["---", *["--:"] * (len(head) - 2), "---"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows))


def middle(rounds: Sequence[Round], of: Callable[[Round], float]) -> float:
    """The median over the rounds."""
    return statistics.median(of(each) for each in rounds)


def rate_ratio(rounds: Sequence[Round], name: str, other: str) -> float:
    """How many times the requests of another row a row answers, by the clock."""
    return middle(rounds, lambda one: one[name]["rate"] / one[other]["rate"])


def cpu_ratio(rounds: Sequence[Round], name: str, other: str) -> float:
    """The same by processor time: as if each had its whole core."""
    return middle(rounds, lambda one: one[other]["cpu"] / one[name]["cpu"])


def is_quiet(rounds: Sequence[Round], name: str) -> bool:
    """Tell whether a peer had its core for itself, so that figures by the clock say something."""
    return middle(rounds, lambda one: one[name]["core"]) >= FULL


def complete(results: Results, names: Sequence[str]) -> list[Round]:
    """The rounds that have all these rows."""
    return [each for each in results.requests if all(name in each for name in names)]


def requests_table(results: Results, rows: Sequence[Row]) -> str:
    """Rows of requests."""
    cells = []
    for row in rows:
        rounds = complete(results, (row.name, row.of))
        if rounds:
            cells.append(_requests_row(row, rounds))
    head = ("", "requests/s", "ratio", "by processor", "target", "p99 ms", "p99 ×", "CPU µs", "core", "")
    return markdown(head, cells) if cells else ""


def _requests_row(row: Row, rounds: Sequence[Round]) -> list[str]:
    ratio, by_cpu = rate_ratio(rounds, row.name, row.of), cpu_ratio(rounds, row.name, row.of)
    slower = middle(rounds, lambda one: one[row.name]["p99"] / one[row.of]["p99"])
    quiet = is_quiet(rounds, row.of)
    goals = [] if row.target is None else [Goal("rate", ratio if quiet else by_cpu, row.target, by_cpu)]
    goals += [Goal("p99", slower, row.p99, at_most=True)] if row.p99 is not None and quiet else []
    rate, p99, cpu, core = (
        statistics.median(one[row.name][key] for one in rounds) for key in ("rate", "p99", "cpu", "core")
    )
    target = "" if row.target is None else f"≥ {row.target:g}"
    figures = (f"{rate:,.0f}", shorter(ratio), shorter(by_cpu), target, shorter(p99), shorter(slower), f"{cpu:,.0f}")
    return [row.name, *figures, f"{core:.0%}", verdict(goals)]


def others_table(results: Results) -> str:
    """`cache`, which looks into the database, against the trivial tools of other servers."""
    cells = []
    for name, least in verdicts.OVER.items():
        ours, theirs = "service: modern cache", f"{name}: modern call, JSON"
        rounds = complete(results, (ours, theirs))
        if rounds:
            ratio, by_cpu = rate_ratio(rounds, ours, theirs), cpu_ratio(rounds, ours, theirs)
            goal = Goal("rate", ratio if is_quiet(rounds, ours) else by_cpu, least, by_cpu)
            figures = (shorter(ratio), shorter(by_cpu), f"≥ {least:g}")
            cells.append([f"requests of the trivial tool of {PEERS[name].about}", *figures, verdict([goal])])
    return (
        markdown(("`cache` answers so many times the", "ratio", "by processor", "target", ""), cells) if cells else ""
    )


def generations_table(results: Results) -> str:
    """`generate` beside the floor."""
    if not results.generations:
        return ""
    cells = []
    for size in results.floors[0]:
        floor = statistics.median(each[size] for each in results.floors)
        cells.append([f"floor of {size}", "", shorter(floor), "1", "", "", ""])
    cells += [_generation_row(results, name) for name in results.generations[0]]
    head = ("", "to answer ms", "CPU ms", "× floor", "loop ms", "longest hold ms", "")
    return markdown(head, cells)


def generation_ratio(results: Results, name: str) -> float:
    """Processor time of one picture, against the floor of its size in the same round."""
    size = " ".join(name.split(" ")[:2])
    times: list[float] = [
        made[name]["cpu_ms"] / floor[size] for made, floor in zip(results.generations, results.floors, strict=True)
    ]
    return statistics.median(times)


def _generation_row(results: Results, name: str) -> list[str]:
    times = generation_ratio(results, name)
    latency, cpu, loop = (
        statistics.median(made[name][key] for made in results.generations)
        for key in ("latency_ms", "cpu_ms", "loop_ms")
    )
    hold = max(made[name]["hold_ms"] for made in results.generations)
    goals = [
        Goal("CPU", times, verdicts.FLOOR_RATIO, at_most=True),
        Goal("loop", loop, verdicts.LOOP_MS, at_most=True),
        Goal(
            "hold", hold, verdicts.HOLD_MS, max(made[name]["hold_cpu_ms"] for made in results.generations), at_most=True
        ),
    ]
    return [f"`generate` {name}", *map(shorter, (latency, cpu, times, loop, hold)), verdict(goals)]


def crowds_table(results: Results) -> str:
    """Many calls at once."""
    cells = []
    for name, each in results.crowds.items():
        goals = [
            Goal("hold", each["hold_ms"], verdicts.HOLD_MS, each["hold_cpu_ms"], at_most=True),
            Goal("memory", each["peak_all_mb"], verdicts.PEAK_MB, at_most=True),
            Goal("ping", each["ping_p99_ms"], verdicts.PING_MS, at_most=True),
        ]
        keys = (
            "pictures_s",
            "cpu_ms",
            "loop_ms",
            "hold_ms",
            "peak_mb",
            "peak_all_mb",
            "ping_p99_ms",
            "bare_ping_p99_ms",
        )
        cells.append([name, *(shorter(each[key]) for key in keys), verdict(goals)])
    figures = (
        "pictures/s",
        "CPU ms",
        "loop ms",
        "longest hold ms",
        "peak MB",
        "with decoders",
        "ping p99 ms",
        "of bare",
    )
    return markdown(("calls at once", *figures, ""), cells) if cells else ""


def starts_table(results: Results) -> str:
    """How peers begin."""
    if not results.starts:
        return ""
    cells = []
    for name in results.starts[0]:
        start, cpu, idle = (
            statistics.median(each[name][key] for each in results.starts)
            for key in ("start_ms", "start_cpu_ms", "idle_mb")
        )
        goals = [
            Goal("start", start, verdicts.START_MS, cpu, at_most=True),
            Goal("memory", idle, verdicts.IDLE_MB, at_most=True),
        ]
        figures = map(shorter, (start, cpu, idle))
        cells.append([PEERS[name].about, *figures, verdict(goals) if name == "service" else ""])
    return markdown(("", "to listening ms", "CPU ms", "idle MB", ""), cells)


def busy(results: Results) -> str:
    """A sentence on how much the machine did besides, and on peers that were left out."""
    rounds = complete(results, (BARE,))
    said = []
    if rounds:
        core = middle(rounds, lambda one: one[BARE]["core"])
        other = ": the machine did other work meanwhile. Verdicts on requests go by processor time, and leave p99 out."
        rest = ": nothing much else ran." if core >= FULL else other
        said.append(f"The yardstick had {core:.0%} of its core{rest}")
    loads = [name for name in results.requests[0] if _load(results, name) > FULL] if results.requests else []
    if loads:
        said.append(f"The load itself was at its limit in {', '.join(loads)}, which are faster than they look.")
    said += [f"{PEERS[name].about} was left out: {why}." for name, why in results.left_out.items()]
    return " ".join(said)


def _load(results: Results, name: str) -> float:
    return middle([each for each in results.requests if name in each], lambda one: one[name]["busy"])


def sections(results: Results) -> dict[str, str]:
    """The tables by their names, those left out that there is nothing for."""
    made = {
        "calls": requests_table(results, CALLS),
        "others": others_table(results),
        "pictures": requests_table(results, PICTURES),
        "generations": generations_table(results),
        "crowds": crowds_table(results),
        "starts": starts_table(results),
    }
    return {name: table for name, table in made.items() if table}
