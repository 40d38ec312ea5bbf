"""Ours: the section of docs/scale.md has a verdict where a target is missed, and takes the place of the one before."""

from pathlib import Path
from typing import Any

from benchmarks.replica_pages import section
from benchmarks.replicas import write
from tests.benchmarks.measured import MACHINE

RESULTS: dict[str, Any] = {
    "date": "2026-11-29 12:00 UTC",
    "commit": "abc1234",
    "machine": MACHINE,
    "costs": {
        "cache": {"SQLite": [0.1, 0.1, 0.2], "PostgreSQL": [0.12, 0.12, 0.24]},
        "history": {"SQLite": [0.1, 0.1, 0.1], "PostgreSQL": [0.2, 0.2, 0.2]},
    },
    "trips": {
        "idle": {"trips": {"SELECT 1": 0.5}, "requests": {}, "connections": 2.0, "cpu_ms": 1.0},
        "calls": {
            "generate, picture in the answer": {
                "trips": {"SELECT begin_job($1)": 1.0, "COMMIT": 4.0},
                "requests": {"PUT /…": 2.0},
            },
            "a slow one": {"trips": {"SELECT 1": 9.0}, "requests": {}},
        },
        "load": {"trips": 6.0, "requests": 2.0, "notices": 2.0, "cpu_ms": 10.0, "database_cpu_ms": 5.0},
        "notices": {"1": {"cpu_us": 20.0}, "100": {"cpu_us": 1500.0}},
    },
    "queries": {"rows": 1000, "tries": 5, "memory": "128MB", "milliseconds": {"list": 1.0, "search, a word": 21.0}},
}


def line(text: str, name: str) -> list[str]:
    """The cells of the first row of this name."""
    found = next(each for each in text.splitlines() if each.startswith(f"| {name}"))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_each_row_tells_whether_its_target_is_met() -> None:
    text = section(RESULTS)
    assert line(text, "cache") == ["cache", "0.10", "0.12", "1.20", ""]
    assert line(text, "history") == ["history", "0.10", "0.20", "2.00", "over 1.5"]
    assert line(text, "generate, picture")[1:] == ["5.0", "2.0", ""]
    assert line(text, "a slow one")[1:] == ["9.0", "0.0", "over 8"]
    assert line(text, "search, a word")[1:] == ["21.0", "over 20"]


def test_a_hundred_replicas_are_calculated_from_one() -> None:
    """Ours: 50 generations a second, of 5 ms and of two notices of 1.5 ms each, are 0.4 cores of the database."""
    text = section(RESULTS)
    assert line(text, "connections to the database, at most")[1:] == ["9", "900"]
    assert line(text, "cores of the database")[2] == "0.40"
    assert line(text, "notices a second, received")[2] == "10,000"


def test_the_section_is_written_anew_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    page.write_text("# Scale\n\n## Measured\n\nold\n\n## Move\n\nthere\n")
    write(page, section(RESULTS))
    write(page, section(RESULTS))
    assert page.read_text() == f"# Scale\n\n{section(RESULTS)}\n## Move\n\nthere\n"
    page.write_text("# Scale\n")
    write(page, section(RESULTS))
    assert page.read_text() == f"# Scale\n\n{section(RESULTS)}"
