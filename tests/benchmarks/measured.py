"""A run as if it were measured: round figures, of which each table and plot has something to show."""

from pathlib import Path
from typing import Any

from benchmarks.results import Results

MACHINE = {"processor": "Test", "cores": 2, "system": "Linux 6", "python": "3.11.7", "waiting": 0.4}


def row(rate: float, cpu: float, p99: float = 10.0, core: float = 0.99) -> dict[str, float]:
    """A row of requests in one round."""
    return {"rate": rate, "p99": p99, "cpu": cpu, "core": core, "busy": 0.5}


def generation(cpu_ms: float, loop_ms: float = 1.0, hold_ms: float = 5.0) -> dict[str, Any]:
    """A batch of generations in one round."""
    return {
        "pictures_s": 20.0,
        "latency_ms": 60.0,
        "cpu_ms": cpu_ms,
        "loop_ms": loop_ms,
        "hold_ms": hold_ms,
        "hold_cpu_ms": hold_ms,
        "holder": "",
    }


def crowd(**changed: float) -> dict[str, Any]:
    """Many calls at once."""
    return {
        **generation(25.0),
        "ping_p99_ms": 12.0,
        "ping_longest_ms": 18.0,
        "bare_ping_p99_ms": 3.0,
        "peak_mb": 100.0,
        "peak_all_mb": 250.0,
        **changed,
    }


def run(file: Path = Path("results.json")) -> Results:
    """Three rounds of requests, two of generations, one crowd and one start."""
    rounds: list[dict[str, Any]] = [
        {
            "bare: call, JSON": row(rate, 100.0),
            "service: modern cache": row(0.8 * rate, 125.0, p99=14.0),
            "sdk: modern call, JSON": row(0.1 * rate, 1000.0),
            "FileResponse: 200 kB": row(1000.0, 1000.0),
            "service: 200 kB": row(2000.0, 500.0),
        }
        for rate in (9000.0, 10000.0, 12000.0)
    ]
    return Results(
        file,
        "2026-11-28 12:00 UTC",
        "abc1234",
        dict(MACHINE),
        {"nginx": "there is no nginx"},
        rounds,
        [{"1.1 MB by URL, 16 at once": generation(cpu)} for cpu in (25.0, 26.0)],
        [{"1.1 MB": 20.0}, {"1.1 MB": 20.0}],
        {"500 × 4.2 MB base64": crowd(peak_all_mb=900.0)},
        [{"bare": start(200.0, 42.0), "service": start(250.0, 47.0)}],
    )


def start(start_ms: float, idle_mb: float) -> dict[str, float]:
    """The beginning of one peer."""
    return {"start_ms": start_ms, "start_cpu_ms": start_ms, "idle_mb": idle_mb}
