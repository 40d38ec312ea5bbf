"""Measure how peers begin: from the start of the process until it listens, and its memory when nobody asks anything."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.installing import UnavailableError
from benchmarks.peers import PEERS, cores
from benchmarks.results import Results
from benchmarks.serving import CACHE, launched

STARTED: Final = ("bare", "service", "sdk", "fastmcp", "typescript 2", "typescript 1")
IDLE_S: Final = 1.5


def chosen(words: list[str]) -> list[str]:
    """The peers whose start is measured: all of them, or none where no word is in "start and memory"."""
    return list(STARTED) if not words or any(word.lower() in "start and memory" for word in words) else []


async def run(peers: list[str], rounds: int, results: Results) -> None:
    """Measure the rounds that the results do not have yet, peers inside rounds."""
    while peers and len(results.starts) < rounds:
        print(f"start: round {len(results.starts) + 1} of {rounds}", file=sys.stderr, flush=True)
        measured = {}
        for name in peers:
            try:
                measured[name] = await start(name)
            except UnavailableError as reason:
                results.leave_out(name, str(reason))
        results.starts.append(measured)
        results.write()


async def start(name: str) -> dict[str, float]:
    """Start one peer, and let it be for a moment. Easel begins on an empty data folder."""
    peer = PEERS[name]
    with tempfile.TemporaryDirectory() as folder:
        env = {**peer.env, "EASEL_DATA_DIR": str(Path(folder) / "data")} if name == "service" else peer.env
        log = CACHE / "service.log" if name == "service" else None
        async with launched(lambda port: peer.command(port, Path(folder)), {cores()[0]}, env, log) as started:
            await asyncio.sleep(IDLE_S)
            return {
                "start_ms": started.start_s * 1000,
                "start_cpu_ms": started.start_cpu_s * 1000,
                "idle_mb": started.rss_mb(),
            }
