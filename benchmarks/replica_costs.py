"""Processor time of a call on SQLite and on PostgreSQL: two services in turn, and every ratio within its round."""

import os
import secrets
import statistics
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks import peers, upstream, wire
from benchmarks.generating import made, still
from benchmarks.load import Expected, press
from benchmarks.serving import CACHE, Served, launched
from tests.scale.postgres import Server

SMALL: Final = "20 kB"
"""A picture that takes little to decode, so that the records weigh."""

PICTURES: Final = 60
AT_ONCE: Final = 8
CONNECTIONS: Final = 16
SECONDS: Final = 2.0
SEEDED: Final = 100
CHEAP: Final[Mapping[str, Mapping[str, Any]]] = {
    "cache": {"name": "cache", "arguments": {}},
    "history, 5 entries": {"name": "history", "arguments": {}},
}
ENGINES: Final = ("SQLite", "PostgreSQL")

Rounds = dict[str, dict[str, list[float]]]
"""Milliseconds of the processor by call and engine, one for each round."""


async def measured(server: Server, folder: Path, rounds: int) -> Rounds:
    """Measure so many rounds: the services on one core and all else on another, pictures in the data folder of both."""
    first, second = peers.cores()
    os.sched_setaffinity(0, {second})
    os.sched_setaffinity(server.pid, {second})
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(server.database())
        images = await stack.enter_async_context(launched(upstream.command, {second}, {}))
        services: dict[str, Served] = {}
        for engine in ENGINES:
            env = {**peers.UNLIMITED, **upstream.settings(images.port), "EASEL_DATA_DIR": str(folder / engine)}
            if engine == "PostgreSQL":
                env |= {"EASEL_DATABASE_URL": database, "EASEL_SECRET": secrets.token_hex(32)}
            started = launched(replica_command, {first}, env, CACHE / "replicas.log")
            services[engine] = await stack.enter_async_context(started)
            await made(services[engine], SMALL, "by URL", SEEDED, AT_ONCE)
        found: Rounds = {}
        for _ in range(rounds):
            for engine, service in services.items():
                for name, milliseconds in (await _round(service)).items():
                    found.setdefault(name, {}).setdefault(engine, []).append(milliseconds)
        return found


def replica_command(port: int) -> list[str]:
    """The command that starts the service as it is shipped."""
    return [sys.executable, "-m", "service", "--port", str(port)]


async def _round(service: Served) -> dict[str, float]:
    found = {}
    for name, params in CHEAP.items():
        await still(service)
        turns = [
            [wire.modern(service.port, number, "tools/call", params, progress=False)] for number in range(CONNECTIONS)
        ]
        before = service.cpu_s()
        tally = await press(service.port, turns, 0.2, SECONDS, Expected())
        if tally.problems:
            raise RuntimeError(f"{name}: {tally.problems[0]}")
        found[name] = (service.cpu_s() - before) / tally.count * 1000
    for way in ("by URL", "base64"):
        batch = await made(service, SMALL, way, PICTURES, AT_ONCE)
        found[f"generate, {SMALL} {way}"] = batch.cpu_ms
        found[f"generate, {SMALL} {way}, event loop"] = batch.loop_ms
    return found


def ratio(of_call: Mapping[str, list[float]]) -> float:
    """The median of the ratios of the rounds."""
    sqlite, postgresql = (of_call[engine] for engine in ENGINES)
    return statistics.median(after / before for before, after in zip(sqlite, postgresql, strict=True))
