"""The command `python -m service` as a process with its own folder and environment, and the greeting it prints."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.paths import ROOT

HANGS_S = 90
"""After so long a process is ended, and its test fails."""
Process = subprocess.Popen[str]


@contextmanager
def easel(folder: Path, *arguments: str, **env: str) -> Iterator[Process]:
    """Run the command in `folder`, with nothing of the environment of the tests."""
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", "EASEL_PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "service", *arguments],
        cwd=folder,
        env=base | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watchdog = threading.Timer(HANGS_S, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def banner_of(process: Process) -> str:
    """All that it prints until it is ready."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Stop with"):
            return "".join(lines)
    raise AssertionError("it ended: " + "".join(lines) + (process.stderr.read() if process.stderr else ""))


def value_of(banner: str, label: str) -> str:
    [line] = [line for line in banner.splitlines() if line.strip().startswith(label)]
    return line.strip().removeprefix(label).strip()


def said(folder: Path, *arguments: str, status: int = 0, **env: str) -> str:
    """All that a command prints, having ended with this status."""
    with easel(folder, *arguments, **env) as process:
        out, error = process.communicate()
    assert process.returncode == status, error
    return out + error
