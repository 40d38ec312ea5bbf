"""A census of a running service: memory, descriptors, tasks, threads, its database and its files."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from benchmarks.serving import Served
from benchmarks.soak.slopes import Sample
from benchmarks.watched_service import longest_hold


def census(service: Served, data: Path, report: Path) -> Sample:
    """Count all of it. `hold_ms` is the longest hold of the loop since the last time."""
    watched = longest_hold(service.pid, report)
    kept = _files(data / "files")
    derivatives = sum(1 for path in kept if "~" in path.name)
    others = sum(1 for path in _files(data) if not path.is_relative_to(data / "files"))
    return {
        "at": time.monotonic(),
        "rss_mb": service.rss_mb(),
        "all_mb": service.all_mb(),
        "descriptors": len(os.listdir(f"/proc/{service.pid}/fd")),  # noqa: PTH208 - counted, not used
        "threads": len(os.listdir(f"/proc/{service.pid}/task")),  # noqa: PTH208
        "tasks": watched["tasks"],
        "blocks": watched["blocks"] / 1000,
        "processes": len(service.pids()),
        "database_kb": _size(data / "easel.db") / 1000,
        "wal_kb": _size(data / "easel.db-wal") / 1000,
        "jobs": _jobs(data / "easel.db"),
        "pictures": len(kept) - derivatives,
        "derivatives": derivatives,
        "pictures_mb": sum(map(_size, kept)) / 1e6,
        "other_files": others,
        "hold_ms": watched["wall"][0] * 1000,
        "hold_cpu_ms": watched["cpu"][0] * 1000,
        "cpu_s": service.all_cpu_s(),
    }


def _files(folder: Path) -> list[Path]:
    """The files of a folder; some may go while they are counted."""
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names if (Path(at) / name).is_file()]


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _jobs(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        count: int = connection.execute("SELECT count(*) FROM jobs").fetchone()[0]
        return count
