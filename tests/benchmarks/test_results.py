"""Ours: each unit of work is kept at once, so that a run which ended early goes on."""

from pathlib import Path

from benchmarks.results import Results
from benchmarks.throughput import Measured
from tests.benchmarks import measured


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = measured.run(tmp_path / "results.json")
    run.write()
    assert Results.read(run.file) == run


def test_a_round_is_written_when_it_ends(tmp_path: Path) -> None:
    run = Results.begin(tmp_path / "results.json")
    run.add_round({"a": Measured(1234.5678, 1.0, 2.0, 0.5, 0.25)})
    assert Results.read(run.file).requests == [
        {"a": {"rate": 1235.0, "p99": 1.0, "cpu": 2.0, "core": 0.5, "busy": 0.25}}
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["results.json"]


def test_a_run_knows_when_and_where_it_began() -> None:
    run = Results.begin()
    assert run.date.endswith(" UTC")
    assert run.machine["cores"] >= 1
    assert run.machine["python"].startswith("3.")
