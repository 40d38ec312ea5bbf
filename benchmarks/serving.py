"""The peers as processes: each on a port of its own and on given cores, ready before anything is measured."""

import argparse
import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
CACHE: Final = ROOT / ".cache" / "bench"
"""Folder of installed peers, drawn pictures and measured results; all of it may be deleted."""

START_S: Final = 60.0
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PASSED_ON: Final = ("PATH", "HOME", "LANG", "TMPDIR")
"""Variables that peers see of this shell: no setting of the service, and nobody's proxy."""


@dataclass(frozen=True)
class Served:
    """A peer that listens. `start_s` and `start_cpu_s` are what it took to get there, by the clock and by processor."""

    port: int
    pid: int
    start_s: float = 0.0
    start_cpu_s: float = 0.0

    def cpu_s(self) -> float:
        """Processor time that the threads of its own process have taken so far, to the microsecond."""
        return sum(_thread_s(thread) for thread in Path(f"/proc/{self.pid}/task").iterdir())

    def all_cpu_s(self) -> float:
        """The same with all processes that it started, ended ones as well."""
        return sum(map(_cpu_s, self.pids()))

    def loop_cpu_s(self) -> float:
        """Processor time of its main thread, on which an event loop runs."""
        return _thread_s(Path(f"/proc/{self.pid}/task/{self.pid}"))

    def pids(self) -> list[int]:
        """Its process, and those that it started."""
        found = [self.pid]
        for pid in found:
            with suppress(OSError):
                found += [
                    int(child)
                    for thread in Path(f"/proc/{pid}/task").iterdir()
                    for child in (thread / "children").read_text().split()
                ]
        return found

    def rss_mb(self) -> float:
        """Memory of its own process."""
        return _field_mb(f"/proc/{self.pid}/status", "VmRSS:")

    def peak_mb(self) -> float:
        """The most memory that its own process had."""
        return _field_mb(f"/proc/{self.pid}/status", "VmHWM:")

    def all_mb(self) -> float:
        """Memory of all its processes; what several share counts once."""
        total = 0.0
        for pid in self.pids():
            with suppress(OSError):
                total += _field_mb(f"/proc/{pid}/smaps_rollup", "Pss:")
        return total


def _field_mb(file: str, name: str) -> float:
    lines = Path(file).read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024 / 1e6


def _thread_s(folder: Path) -> float:
    try:
        return int((folder / "schedstat").read_text().split()[0]) / 1e9
    except OSError:  # it has ended
        return 0.0


def _cpu_s(pid: int) -> float:
    """Processor time of a process and of its children that have ended, in ticks of 10 ms."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended, and is its parent's now
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS_PER_S


def port_from_command_line() -> int:
    """The port that a peer's process is told to listen on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_known_args()[0].port
    return port


@asynccontextmanager
async def served(module: str, core: int, env: dict[str, str]) -> AsyncIterator[Served]:
    """Run `python -m <module> --port N` pinned to `core`, until the block ends."""
    async with launched(lambda port: [sys.executable, "-m", module, "--port", str(port)], {core}, env) as peer:
        yield peer


@asynccontextmanager
async def launched(
    command: Callable[[int], Sequence[str]],
    cores: Collection[int],
    env: Mapping[str, str],
    log: Path | None = None,
) -> AsyncIterator[Served]:
    """Run a peer on these cores, in a folder without files, until the block ends.

    Its log goes through a pipe to a process that does nothing but read it, as under a supervisor, and from there to
    `log`; without one to this process's standard error.
    """
    port = free_port()
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with tempfile.TemporaryDirectory() as folder:
        async with _reader(log) as stderr:
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                *command(port), cwd=folder, env=passed | {"PYTHONPATH": str(ROOT)} | dict(env),
                stdout=asyncio.subprocess.DEVNULL, stderr=stderr, preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )  # fmt: skip
            try:
                async with asyncio.timeout(START_S):
                    await _listening(process, port)
                peer = Served(port, process.pid, time.perf_counter() - began)
                yield Served(port, process.pid, peer.start_s, peer.all_cpu_s())
            finally:
                await _end(process)


@asynccontextmanager
async def _reader(log: Path | None) -> AsyncIterator[int | None]:
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        read, write = os.pipe()
        process = await asyncio.create_subprocess_exec("cat", stdin=read, stdout=file)
        os.close(read)
    try:
        yield write
    finally:
        os.close(write)
        await process.wait()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    while True:
        if process.returncode is not None:
            raise RuntimeError(f"a peer ended with status {process.returncode} before it listened")
        with suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.003)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
