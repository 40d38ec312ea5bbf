"""Ours: a census counts what is there, and only looks at it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.serving import Served
from benchmarks.soak import census


def test_a_census_counts_the_process_its_database_and_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        census,
        "longest_hold",
        lambda _pid, _file: {"tasks": 9, "blocks": 4000, "wall": (0.002, ""), "cpu": (0.001, "")},
    )
    with closing(sqlite3.connect(tmp_path / "easel.db")) as database:
        database.executescript("PRAGMA journal_mode = WAL; CREATE TABLE jobs (id); INSERT INTO jobs VALUES (1), (2)")
        (tmp_path / "files" / "ab").mkdir(parents=True)
        for name in ("ab.png", "ab~320.webp"):
            (tmp_path / "files" / "ab" / name).write_bytes(bytes(500_000))
        (tmp_path / "secret").write_bytes(b"x")
        found = census.census(Served(0, os.getpid()), tmp_path, tmp_path / "hold.json")
    assert {name: found[name] for name in ("tasks", "hold_ms", "hold_cpu_ms")} == {
        "tasks": 9,
        "hold_ms": 2,
        "hold_cpu_ms": 1,
    }
    assert (found["jobs"], found["pictures"], found["derivatives"], found["pictures_mb"]) == (2, 1, 1, 1.0)
    assert found["other_files"] == 4, "the database with its two other files, and the secret"
    assert min(found[name] for name in ("rss_mb", "all_mb", "descriptors", "threads", "processes", "wal_kb")) > 0
