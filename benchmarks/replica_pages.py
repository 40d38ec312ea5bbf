"""The section "Measured" of docs/scale.md: tables of a run, and what a hundred replicas need by them."""

import statistics
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.replica_costs import ENGINES, ratio
from benchmarks.tables import markdown

MOST_RATIO: Final = 1.5
MOST_TRIPS: Final = 8
MOST_SEARCH_MS: Final = 20.0
HUNDRED: Final = 100
POOL: Final = 8
"""Connections that a replica opens at most for its statements; one more listens."""

PER_MINUTE: Final = 30
"""Generations a minute and replica that the calculation begins with: a busy team."""

DATABASE_CORES: Final = 8


def section(results: Mapping[str, Any]) -> str:
    """Return the section, with the pieces that there are results of."""
    where = results["machine"]
    parts = [
        "## Measured",
        f"{results['date']} at {results['commit']} on {where['processor']}, {where['cores']} cores, {where['system']}, "
        f"Python {where['python']}, PostgreSQL 18 and SeaweedFS on the same machine; `make bench-scale` measures it "
        "anew. Two cores show no rate of many machines, so these are processor times and counts.",
    ]
    if "costs" in results:
        parts += ["### Processor time of a call", _costs(results["costs"])]
    if "trips" in results:
        parts += ["### Round trips of a call", _trips(results["trips"]["calls"])]
        parts += ["### A hundred replicas", *_hundred(results["trips"])]
    if "queries" in results:
        parts += [f"### Queries of {results['queries']['rows']:,} generations", _queries(results["queries"])]
    return "\n\n".join(parts) + "\n"


def _costs(costs: Mapping[str, Mapping[str, list[float]]]) -> str:
    rows = [
        [
            name,
            *[f"{statistics.median(of_call[engine]):.2f}" for engine in ENGINES],
            f"{ratio(of_call):.2f}",
            f"over {MOST_RATIO}" if ratio(of_call) > MOST_RATIO else "",
        ]
        for name, of_call in costs.items()
    ]
    head = ["milliseconds of the service", *ENGINES, "ratio", ""]
    note = (
        "Of the service, with its decoders; pictures on the disk in both. Medians over the rounds. SQLite answers "
        "`cache` and `history` from memory as long as nobody writes; on PostgreSQL too, but it is asked each time "
        "whether another replica has written, by one message for all calls that wait."
    )
    return f"{markdown(head, rows)}\n\n{note}"


def _trips(calls: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    rows = [
        [
            name,
            f"{sum(counts['trips'].values()):.1f}",
            f"{sum(counts['requests'].values()):.1f}",
            f"over {MOST_TRIPS}" if sum(counts["trips"].values()) > MOST_TRIPS else "",
        ]
        for name, counts in calls.items()
    ]
    statements = [
        [f"`{statement}`", f"{count:.1f}", name]
        for name, counts in calls.items()
        if name.startswith("generate, picture in")
        for statement, count in {**counts["trips"], **counts["requests"]}.items()
    ]
    return (
        f"{markdown(['', 'to PostgreSQL', 'to the bucket', ''], rows)}\n\n"
        "Counted at the wire of one replica, without what it does at rest. One generation in detail:\n\n"
        f"{markdown(['statement or request', 'times', 'call'], statements)}"
    )


def _hundred(trips: Mapping[str, Any]) -> list[str]:
    idle, load, notices = trips["idle"], trips["load"], trips["notices"]
    per_s = HUNDRED * PER_MINUTE / 60
    at_rest = sum(idle["trips"].values())
    one, many = notices["1"], notices["100"]
    told = load["notices"]
    for_notices_us = told * many["cpu_us"]
    database_ms = load["database_cpu_ms"] + for_notices_us / 1000
    most_database = DATABASE_CORES * 1000 / database_ms
    most_replicas = HUNDRED * 1000 / load["cpu_ms"]
    rows = [
        ["connections to the database, at rest", f"{idle['connections']:.1f}", f"{HUNDRED * idle['connections']:.0f}"],
        ["connections to the database, at most", f"{POOL + 1}", f"{HUNDRED * (POOL + 1)}"],
        ["round trips a second, at rest", f"{at_rest:.2f}", f"{HUNDRED * at_rest:.0f}"],
        ["round trips a second, drawing", f"{load['trips'] * PER_MINUTE / 60:.1f}", f"{load['trips'] * per_s:.0f}"],
        ["notices a second, sent", f"{told * PER_MINUTE / 60:.1f}", f"{told * per_s:.0f}"],
        ["notices a second, received", f"{told * PER_MINUTE / 60:.1f}", f"{HUNDRED * told * per_s:,.0f}"],
        [
            "requests to the bucket a second",
            f"{load['requests'] * PER_MINUTE / 60:.1f}",
            f"{load['requests'] * per_s:.0f}",
        ],
        ["cores of the service", f"{load['cpu_ms'] * PER_MINUTE / 60e3:.3f}", f"{load['cpu_ms'] * per_s / 1000:.2f}"],
        ["cores of the database", "", f"{database_ms * per_s / 1000:.2f}"],
    ]
    limits = {
        f"a database with {DATABASE_CORES} cores": most_database,
        f"{HUNDRED} replicas with a core each": most_replicas,
    }
    first = min(limits, key=lambda name: limits[name])
    listed = "; ".join(f"{name}: {most:.0f} generations a second" for name, most in sorted(limits.items(), key=_most))
    return [
        markdown([f"with {PER_MINUTE} generations a minute each", "one replica", f"{HUNDRED} replicas"], rows),
        f"A notice costs the database {one['cpu_us']:.0f} µs of the processor with one replica that listens, and "
        f"{many['cpu_us']:.0f} µs with {HUNDRED}. A generation costs it {load['database_cpu_ms']:.1f} ms, and "
        f"{database_ms:.1f} ms with the notices to {HUNDRED}.",
        f"**Connections saturate first**: PostgreSQL takes 100 by default (`max_connections`), which "
        f"{100 // (POOL + 1)} busy replicas reach; "
        f"from there on PgBouncer belongs before it, with `EASEL_DATABASE_LISTEN_URL` past it for one connection of "
        f"each. Of the work itself, at full load: {listed}. So {first} comes to its end first.",
    ]


def _most(limit: tuple[str, float]) -> float:
    return limit[1]


def _queries(queries: Mapping[str, Any]) -> str:
    rows = [
        [name, f"{milliseconds:.1f}", f"over {MOST_SEARCH_MS:g}" if milliseconds > MOST_SEARCH_MS else ""]
        for name, milliseconds in queries["milliseconds"].items()
    ]
    return (
        f"{markdown(['by the methods of the store', 'ms', ''], rows)}\n\n"
        f"The least of {queries['tries']} tries by the clock, with {queries['memory']} of `shared_buffers`."
    )
