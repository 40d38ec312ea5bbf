"""Results in one JSON file, to which every unit of work is added at once: a run that ended early goes on.

`requests` are the rounds of the rows, `generations` those of `generate`, `floors` what a picture costs at least,
`crowds` many calls at once, and `starts` how peers begin.
"""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.serving import CACHE, ROOT

FILE: Final = CACHE / "results.json"


def machine() -> dict[str, Any]:
    """Return facts about this machine, and how busy it was before anything was measured."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": names[0].partition(":")[2].strip() if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"Linux {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "waiting": round(os.getloadavg()[0], 1),
    }


def commit() -> str:
    """The commit that is measured; empty outside of a checkout."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    return done.stdout.strip()


@dataclass
class Results:
    """All of one run. `left_out` are the peers that could not run here, and why."""

    file: Path = FILE
    date: str = ""
    commit: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    generations: list[dict[str, Any]] = field(default_factory=list)
    floors: list[dict[str, Any]] = field(default_factory=list)
    crowds: dict[str, Any] = field(default_factory=dict)
    starts: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begin(cls, file: Path = FILE) -> "Results":
        """A new run."""
        return cls(file, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", commit(), machine())

    @classmethod
    def read(cls, file: Path = FILE) -> "Results":
        """The run that the file has."""
        return cls(file, **json.loads(file.read_text(encoding="utf-8")))

    @property
    def rounds(self) -> int:
        """The number of rounds of requests so far."""
        return len(self.requests)

    def add_round(self, measured: Mapping[str, Any]) -> None:
        """Add one round of requests: a value of dataclass `Measured` by the name of its row."""
        self.requests.append({name: asdict(each) for name, each in measured.items()})
        self.write()

    def leave_out(self, peer: str, why: str) -> None:
        """Note that a peer could not run."""
        self.left_out[peer] = why
        self.write()

    def write(self) -> None:
        """Write the file, whole or not at all."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(self.text(), encoding="utf-8")
        part.replace(self.file)

    def text(self) -> str:
        """The file as it is written, with numbers of four digits."""
        values = {name: value for name, value in vars(self).items() if name != "file"}
        return json.dumps(_rounded(values), indent=1) + "\n"


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list():
            return [_rounded(each) for each in value]
        case _:
            return value
