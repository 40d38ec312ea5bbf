"""All of Easel, and a note of how long each callback held its event loop: `… FILE --port N`.

At SIGUSR1 the longest hold since the last signal is written to FILE, in seconds by the clock and by processor time,
with the number of tasks and of Python's blocks of memory.
Nothing else differs from `python -m service`, and a callback takes half a microsecond longer.
"""

import asyncio
import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any


class Holds:
    """The longest hold by the clock and the longest by processor time, with the callbacks that took them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.wall = self.cpu = (0.0, "")

    def watch(self, run: Any) -> Any:
        """Wrap `Handle._run`."""
        clock, cpu_clock = time.perf_counter, time.thread_time

        def watched(handle: asyncio.Handle) -> None:
            began, cpu_began = clock(), cpu_clock()
            run(handle)
            cpu, wall = cpu_clock() - cpu_began, clock() - began
            if cpu > self.cpu[0]:
                self.cpu = (cpu, repr(handle)[:500])
            if wall > self.wall[0]:
                self.wall = (wall, repr(handle)[:500])

        return watched

    def report(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's signature
        """Write the two and begin anew."""
        part = self._file.with_suffix(".part")
        part.write_text(
            json.dumps({"wall": self.wall, "cpu": self.cpu, "tasks": _tasks(), "blocks": sys.getallocatedblocks()})
        )
        part.rename(self._file)
        self.forget()


def _tasks() -> int:
    """Tasks of the loop that the signal came into."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0


def command(file: Path) -> Callable[[int], list[str]]:
    """The command that starts it on a port."""
    return lambda port: [sys.executable, "-m", "benchmarks.watched_service", str(file), "--port", str(port)]


def longest_hold(pid: int, file: Path) -> dict[str, Any]:
    """Ask a watched service, and begin a new time of watching."""
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    until = time.monotonic() + 30
    while not file.exists():
        if time.monotonic() > until:
            raise RuntimeError("the service does not say how long its loop was held")
        time.sleep(0.01)
    report: dict[str, Any] = json.loads(file.read_text())
    return report


if __name__ == "__main__":
    holds = Holds(Path(sys.argv.pop(1)))
    asyncio.Handle._run = holds.watch(asyncio.Handle._run)  # type: ignore[method-assign]  # all callbacks pass here
    signal.signal(signal.SIGUSR1, holds.report)
    runpy.run_module("service", run_name="__main__", alter_sys=True)
